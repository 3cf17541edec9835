"""Who looked at a patient: rows of the audit trail as records, guarded and paged like any other.

A row's labels are those of what was told, so an access is hidden from whom those records are hidden from.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from itertools import repeat
from typing import Final

from portico.access.guard import Case, Released
from portico.audit.disclosures import accounting, display_safe, told
from portico.audit.trail import AuditRow, Period
from portico.records.errors import BadArgument, CallerError, Fault, ListTooSparse
from portico.records.references import PORTICO, PatientId, RecordId, RecordType
from portico.records.search import Condition, Op
from portico.records.types import Access
from portico.records.values import Accessor, Provenance
from resolvers.criteria import revealed
from resolvers.edges import Edge
from resolvers.pages import Connection, Cursors, ListArguments, connection
from resolvers.session import Session

ROWS_AT_ONCE: Final = 500
"""Rows of a patient that are read at once after the first time."""
ROUNDS_LIMIT: Final = 20
"""Times that more rows are read to fill pages."""


@dataclass(slots=True)
class _Look:
    """One patient's page while it is being filled."""

    cursors: Cursors
    before: int | None
    """The number of the row to go on before."""
    cases: list[tuple[Case, str]] = field(default_factory=list)
    """What may be seen so far, each with its row's number."""
    exhausted: bool = False

    @property
    def filled(self) -> bool:
        """Whether the page is full and it is known whether more follows."""
        return self.exhausted or len(self.cases) > self.cursors.arguments.first


async def accesses(session: Session, name: str, arguments: ListArguments) -> Connection:
    """A page of who looked at the patient of an opaque id; of one who was never issued, or never looked at: nothing."""
    cursors = Cursors(session.seal, session.caller, lambda: ("accesses", name), arguments)
    before = _before(cursors)
    id_ = session.resolve_id(name)
    if id_ is None or id_.type is not RecordType.PATIENT:
        return Connection((), (), cursors)
    patient = PatientId(id_.value)
    if patient not in await session.shown(RecordType.ACCESS, [patient]):
        return Connection((), (), cursors)
    page = (await _pages(session, {patient: _Look(cursors, before)}, arguments))[patient]
    if isinstance(page, CallerError):
        raise page
    return page


async def accesses_of(
    session: Session, edge: Edge, parents: Sequence[Released], arguments: ListArguments
) -> list[Connection | CallerError]:
    """A page of who looked at each of the patients. Cost: one query for all of them, seldom more."""
    failed: dict[Released, CallerError] = {}
    looks: dict[PatientId, _Look] = {}
    for parent in parents:
        cursors = Cursors(session.seal, session.caller, partial(_place, session, edge, parent), arguments)
        try:
            looks.setdefault(_patient(session, parent), _Look(cursors, _before(cursors)))
        except BadArgument as error:
            failed[parent] = error
    pages = await _pages(session, looks, arguments)
    return [failed[parent] if parent in failed else pages[_patient(session, parent)] for parent in parents]


def _patient(session: Session, parent: Released) -> PatientId:
    patient = session.case(parent).patient
    if patient is None:
        raise Fault("a patient was released whom Portico does not know")
    return patient


def _place(session: Session, edge: Edge, parent: Released) -> tuple[str, ...]:
    return (edge.origin.value, edge.name, session.global_id(parent))


def _before(cursors: Cursors) -> int | None:
    position = cursors.read()
    return None if position is None else int(position[0])


async def _pages(
    session: Session, looks: Mapping[PatientId, _Look], arguments: ListArguments
) -> Mapping[PatientId, Connection | CallerError]:
    """The page of each look. Rows that may not be seen are made up for: a page is full or the last one, or fails."""
    possible = await _possible(session, looks, arguments)
    for limit in (arguments.first + 1, *repeat(ROWS_AT_ONCE, ROUNDS_LIMIT)):
        asked = {patient: look for patient, look in possible.items() if not look.filled}
        if not asked:
            break
        await _read(session, asked, arguments, limit)
    pages: dict[PatientId, Connection | CallerError] = {
        patient: Connection((), (), look.cursors) for patient, look in looks.items()
    }
    for patient, look in possible.items():
        if not look.filled:
            pages[patient] = ListTooSparse()
            continue
        page = look.cases[: arguments.first]
        released = await session.release([case for case, _ in page])
        positions = [(number,) for _, number in page]
        pages[patient] = connection(released, positions, look.cursors, more=len(look.cases) > len(page))
    return pages


async def _possible(
    session: Session, looks: Mapping[PatientId, _Look], arguments: ListArguments
) -> Mapping[PatientId, _Look]:
    """The looks at which anything could be seen; the trail is not asked for the others."""
    if arguments.first == 0:
        return {}
    classes = {patient: session.facts_of(patient).about(RecordType.ACCESS.value) for patient in looks}
    visible = await session.guard.admits(session.caller, set(classes.values()), session.tally)
    return {patient: look for patient, look in looks.items() if classes[patient] in visible}


async def _read(session: Session, looks: Mapping[PatientId, _Look], arguments: ListArguments, limit: int) -> None:
    """Read further rows for each look, and keep what may be seen of them."""
    found = await session.trail.accesses(
        session.caller.principal.tenant,
        {patient: look.before for patient, look in looks.items()},
        period=_period(arguments.conditions),
        limit=limit,
    )
    cases = {patient: [_case(session, patient, row) for row in found[patient]] for patient in looks}
    of_all = [case for of_patient in cases.values() for case in of_patient]
    attributes = revealed(RecordType.ACCESS, arguments.conditions, None)
    coordinates = [session.tags[RecordType.ACCESS.value][attribute] for attribute in attributes]
    classes = {case.class_ for case in of_all}
    full = await session.guard.in_full(session.caller, classes, coordinates, session.tally)
    seen = {case.record.id for case in await session.admitted(of_all) if case.class_ in full}
    for patient, look in looks.items():
        rows = found[patient]
        look.cases += [
            (case, str(row.number)) for case, row in zip(cases[patient], rows, strict=True) if case.record.id in seen
        ]
        look.exhausted = len(rows) < limit
        look.before = rows[-1].number if rows else look.before


def _period(conditions: Sequence[Condition]) -> Period:
    period = Period()
    for condition in conditions:
        moment = datetime.fromisoformat(condition.values[0])
        period = replace(period, since=moment) if condition.op is Op.FROM else replace(period, until=moment)
    return period


def _case(session: Session, patient: PatientId, row: AuditRow) -> Case:
    """A row as the patient's record. Rows about several patients are a record of each."""
    entry = row.entry
    facts = session.facts_of(patient)
    record = Access(
        id=RecordId(RecordType.ACCESS, PORTICO, f"{row.number} {patient}"),
        provenance=Provenance(source=PORTICO, source_id=str(row.number), retrieved_at=session.now, mapping_version="1"),
        subject=patient,
        labels=entry.labels,
        at=row.recorded_at,
        purpose=entry.purpose,
        who=Accessor(
            subject=display_safe(entry.subject),
            kind=entry.kind,
            roles=tuple(display_safe(role) for role in sorted(entry.roles)),
        ),
        client=display_safe(entry.client),
        released=tuple(told(entry)),
        sources=tuple(sorted(entry.sources)),
        disclosure=accounting().lists(entry),
    )
    return Case.of(record, patient, facts.labelled(facts.labels | entry.labels))

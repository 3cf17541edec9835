"""From many records to many others, one batch: the only way along an edge.

Whether a query walks object by object or level by level, it comes through here with all parents of a level: one call
for each source (in chunks of its limit), one query for who they are about, one decision for all classes.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice

from msgspec import Struct

from portico.access.decisions import NOBODY
from portico.access.guard import Case, Released
from portico.records.errors import BadArgument, CallerError, SourceError, SourceInvalid
from portico.records.references import By, PatientId, RecordId, RecordType, Reference
from portico.records.search import Condition
from portico.records.types import Record
from resolvers.criteria import Place, Placed, Value, in_order, matches, reader, revealed, written
from resolvers.edges import ABOUT_PATIENTS, Edge, Via
from resolvers.pages import Connection, Cursors, ListArguments, connection
from resolvers.session import Session, ids_at
from resolvers.translation import translated

Key = tuple[By, str]


@dataclass(frozen=True, slots=True)
class _Judge:
    """Of which records the caller may not know what a filter reveals, and of which not what an ordering does."""

    unfindable: Collection[RecordId]
    unsortable: Collection[RecordId]


async def follow_one(session: Session, edge: Edge, parents: Sequence[Released]) -> list[Released | SourceError | None]:
    """The one record that each parent's edge leads to; None where there is none, or none that may be seen.

    Where several records answer to a key that should name one, none is chosen.
    """
    leads = await _leads(session, edge, parents)
    single = [None if isinstance(lead, SourceError) or len(lead) != 1 else lead[0] for lead in leads]
    released = dict(
        zip(
            (case.record.id for case in single if case is not None),
            await session.release([case for case in single if case is not None]),
            strict=True,
        )
    )
    return [
        lead if isinstance(lead, SourceError) else None if case is None else released[case.record.id]
        for lead, case in zip(leads, single, strict=True)
    ]


async def follow_many(
    session: Session, edge: Edge, parents: Sequence[Released], arguments: ListArguments
) -> list[Connection | CallerError]:
    """A page of the records that each parent's edge leads to."""
    leads = await _leads(session, edge, parents)
    cases = [case for lead in leads if not isinstance(lead, SourceError) for case in lead]
    judge = _Judge(
        unfindable=await _kept_back(session, edge.target, cases, revealed(edge.target, arguments.conditions, None)),
        unsortable=await _kept_back(session, edge.target, cases, revealed(edge.target, (), arguments.ordering)),
    )
    conditions = await translated(session, edge.target, arguments.conditions)
    read = reader(edge.target, arguments.ordering.field)
    chosen: list[_Chosen | CallerError] = []
    for parent, lead in zip(parents, leads, strict=True):
        if isinstance(lead, SourceError):
            chosen.append(lead)
            continue
        place = partial(_place, session, edge, parent)
        try:
            chosen.append(
                _choose(lead, judge, conditions, Cursors(session.seal, session.caller, place, arguments), read)
            )
        except BadArgument as error:
            chosen.append(error)
    return await _pages(session, chosen)


class _Chosen(Struct, frozen=True):
    """The cases of one parent's page, in order, each with its place."""

    page: Sequence[Placed[Case]]
    more: bool
    cursors: Cursors


def _place(session: Session, edge: Edge, parent: Released) -> tuple[str, ...]:
    return (edge.origin.value, edge.name, session.global_id(parent))


def _choose(
    cases: Sequence[Case],
    judge: _Judge,
    conditions: Sequence[Condition] | None,
    cursors: Cursors,
    read: Callable[[Record], Value | None],
) -> _Chosen:
    """One parent's page of these cases; `read` gives what they are ordered by."""
    arguments = cursors.arguments
    ordering = arguments.ordering
    found = [] if conditions is None else cases
    if judge.unfindable:
        found = [case for case in found if case.record.id not in judge.unfindable]
    if conditions:
        found = [case for case in found if matches(case.record, conditions)]
    rows: list[Placed[Case]] = [(read(case.record), case.record.id.value, case) for case in found]
    if judge.unsortable:
        rows = [(None, row[1], row[2]) if row[2].record.id in judge.unsortable else row for row in rows]
    ordered = in_order(rows, ordering)
    position = cursors.read()
    if position is not None:
        after = Place(*position)
        ordered = [row for row in ordered if after.precedes(_stands(row), ordering)]
    page = ordered[: arguments.first]
    return _Chosen(page, len(ordered) > len(page), cursors)


def _stands(row: Placed[Case]) -> Place:
    value, id_, _ = row
    return Place(id_, None if value is None else written(value))


async def _pages(session: Session, chosen: Sequence[_Chosen | CallerError]) -> list[Connection | CallerError]:
    """Release what was chosen for all parents at once, and give each its page."""
    released = await session.release([row[2] for one in chosen if isinstance(one, _Chosen) for row in one.page])
    pages: list[Connection | CallerError] = []
    start = 0
    for one in chosen:
        if not isinstance(one, _Chosen):
            pages.append(one)
            continue
        end = start + len(one.page)
        positions = [(id_,) if value is None else (id_, value) for value, id_, _ in one.page]
        pages.append(connection(released[start:end], positions, one.cursors, more=one.more))
        start = end
    return pages


async def _kept_back(
    session: Session, target: RecordType, cases: Sequence[Case], attributes: Collection[str]
) -> frozenset[RecordId]:
    """The records of which the caller may not know all of these attributes."""
    if not attributes:
        return frozenset()
    coordinates = [session.tags[target.value][attribute] for attribute in attributes]
    classes = {case.class_ for case in cases}
    full = await session.guard.in_full(session.caller, classes, coordinates, session.tally)
    if len(full) == len(classes):
        return frozenset()
    return frozenset(case.record.id for case in cases if case.class_ not in full)


async def _leads(session: Session, edge: Edge, parents: Sequence[Released]) -> list[list[Case] | SourceError]:
    """The cases behind each parent's edge of which anything may be seen; one error for all when the source failed."""
    keys = await _keys(session, edge, parents)
    found: dict[Key, tuple[Record, ...]] = {}
    try:
        for by in dict.fromkeys(by for of_parent in keys for by, _ in of_parent):
            wanted = [key for of_parent in keys for kind, key in of_parent if kind is by]
            found.update(((by, key), records) for key, records in (await session.find(edge.target, by, wanted)).items())
    except SourceError as error:
        return [error if of_parent else [] for of_parent in keys]
    cases = await session.cases([record for records in found.values() for record in records])
    admitted = await session.admitted(cases)
    hidden = {*map(id, cases)}.difference(map(id, admitted)) if len(admitted) < len(cases) else ()
    remaining = iter(cases)
    under = {key: list(islice(remaining, len(records))) for key, records in found.items()}
    reached = [[case for key in of_parent for case in under.get(key, ())] for of_parent in keys]
    strays = [_strays(parent, of_parent) for parent, of_parent in zip(parents, reached, strict=True)]
    noticeable = await _noticeable(session, parents, strays)
    leads: list[list[Case] | SourceError] = []
    for parent, of_parent, stray, strange in zip(parents, reached, strays, noticeable, strict=True):
        own = of_parent
        if hidden or stray:
            own = [case for case in of_parent if id(case) not in hidden and case not in stray]
        if strange and not own:
            source = session.channel(edge.target).source
            leads.append(SourceInvalid(source, "The record that answers to this key is about someone else."))
        else:
            leads.append(own if edge.picks is None else [one for one in own if _picked(session, edge, parent, one)])
    return leads


def _strays(parent: Released, cases: Sequence[Case]) -> list[Case]:
    """The cases where an edge from one patient's record has reached another's."""
    patient = parent.patient
    if patient is None:
        return []
    return [case for case in cases if case.patient != patient and case.patient is not None]


async def _noticeable(
    session: Session, parents: Sequence[Released], strays: Sequence[Sequence[Case]]
) -> Sequence[bool]:
    """Whether each parent's edge has reached a record about someone else that the caller would see, were it about them.

    What they would not see even then leaves no trace, not even as an error.
    """
    if not any(strays):
        return [False] * len(parents)
    mistaken = [
        [_mistaken(session.case(parent), stray) for stray in of_parent]
        for parent, of_parent in zip(parents, strays, strict=True)
    ]
    seen = {id(case) for case in await session.admitted([case for of_parent in mistaken for case in of_parent])}
    return [any(id(case) in seen for case in of_parent) for of_parent in mistaken]


def _mistaken(parent: Case, stray: Case) -> Case:
    """A record as if it were about its parent's patient, with every label that it has."""
    return Case.of(stray.record, parent.patient, parent.facts.labelled(parent.facts.labels | stray.facts.labels))


def _picked(session: Session, edge: Edge, parent: Released, case: Case) -> bool:
    reference = getattr(session.case(parent).record, edge.name)
    return isinstance(reference, Reference) and getattr(case.record, edge.picks or "") == reference.value


async def _keys(session: Session, edge: Edge, parents: Sequence[Released]) -> list[list[Key]]:
    """The keys that lead on from each parent; none for a parent from which the caller may see nothing there."""
    cases = [session.case(parent) for parent in parents]
    if edge.via is Via.PATIENT:
        return await _patient_keys(session, edge, [case.patient for case in cases])
    keys: list[list[Key]] = []
    for case in cases:
        link = getattr(case.record, edge.link or "")
        if link is None:
            keys.append([])
        elif isinstance(link, Reference):
            keys.append([(link.by, link.value)])
        else:
            keys.append([(By.VISIT, str(link))])
    return await _worthwhile(session, edge, cases, keys)


async def _patient_keys(session: Session, edge: Edge, patients: Sequence[PatientId | None]) -> list[list[Key]]:
    source = session.channel(edge.target).source
    by = By.ID if edge.target is RecordType.PATIENT else By.PATIENT
    standings = await session.standings_of({patient for patient in patients if patient is not None})
    classes = {patient: standing.facts.about(edge.target.value) for patient, standing in standings.items()}
    visible = await session.guard.admits(session.caller, set(classes.values()), session.tally)
    return [
        [(by, id_) for id_ in ids_at(standings[patient], source)]
        if patient in classes and classes[patient] in visible
        else []
        for patient in patients
    ]


async def _worthwhile(session: Session, edge: Edge, cases: Sequence[Case], keys: list[list[Key]]) -> list[list[Key]]:
    """Drop the keys of parents from which the caller may see no record of the target type anyway."""
    about_patients = edge.target in ABOUT_PATIENTS
    classes = [
        (session.facts_of(case.patient) if about_patients else NOBODY).about(edge.target.value) for case in cases
    ]
    visible = await session.guard.admits(session.caller, set(classes), session.tally)
    return [of_parent if class_ in visible else [] for class_, of_parent in zip(classes, keys, strict=True)]

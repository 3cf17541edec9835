"""From opaque ids in a filter to what the source calls the thing."""

from __future__ import annotations

from collections.abc import Sequence

from portico.records.references import By, PatientId, RecordType
from portico.records.search import Condition, Op
from portico.records.types import Location, Practitioner, Record
from resolvers.session import Session


async def translated(
    session: Session, type_: RecordType, conditions: Sequence[Condition]
) -> tuple[Condition, ...] | None:
    """The conditions in the source's words; None where nothing can match, because an id names nothing there."""
    result: list[Condition] = []
    for condition in conditions:
        match condition.field:
            case "patient":
                ids = await _source_patients(session, type_, condition.values)
            case "practitioner" | "provider":
                ids = await _npis(session, condition.values)
            case "location":
                ids = await _sites(session, condition.values)
            case _:
                result.append(condition)
                continue
        if not ids:
            return None
        result.append(Condition(condition.field, Op.IN, tuple(ids)))
    return tuple(result)


async def _source_patients(session: Session, type_: RecordType, names: Sequence[str]) -> list[str]:
    """The source's ids of patients of whom such records may be seen; nobody is looked for in vain."""
    source = session.channel(type_).source
    patients = [PatientId(value) for value in _values(session, RecordType.PATIENT, names)]
    shown = await session.shown(type_, patients)
    return [id_ for standing in shown.values() for id_ in standing.sources.get(source, ())]


async def _npis(session: Session, names: Sequence[str]) -> list[str]:
    found = await _seen(session, RecordType.PRACTITIONER, names, "npi")
    return [record.npi for record in found if isinstance(record, Practitioner) and record.npi]


async def _sites(session: Session, names: Sequence[str]) -> list[str]:
    found = await _seen(session, RecordType.LOCATION, names, "site")
    return [record.site for record in found if isinstance(record, Location) and record.site]


async def _seen(session: Session, type_: RecordType, names: Sequence[str], key: str) -> list[Record]:
    """The records behind ids, with the key that other sources know them by; one that may not be seen names nothing."""
    ids = _values(session, type_, names)
    found = await session.find(type_, By.ID, ids, also=(key,)) if ids else {}
    cases = await session.cases([record for matches in found.values() for record in matches])
    return [case.record for case in await session.admitted(cases)]


def _values(session: Session, type_: RecordType, names: Sequence[str]) -> list[str]:
    ids = [session.resolve_id(name) for name in names]
    return [id_.value for id_ in ids if id_ is not None and id_.type is type_]

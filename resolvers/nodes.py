"""Single records by their opaque ids. What may not be seen and what was never issued have one answer: none."""

from __future__ import annotations

from collections.abc import Sequence

from portico.access.guard import Released
from portico.records.errors import SourceError
from portico.records.references import By, PatientId, RecordId, RecordType
from resolvers.session import Session


async def nodes(
    session: Session, names: Sequence[str], only: RecordType | None = None
) -> list[Released | SourceError | None]:
    """The record behind each opaque id, in order. One call for each source and type, whatever their number."""
    ids = [session.resolve_id(name) for name in names]
    asked: dict[RecordType, list[RecordId]] = {}
    for id_ in ids:
        if id_ is not None and only in (None, id_.type):
            asked.setdefault(id_.type, []).append(id_)
    found: dict[RecordId, Released | SourceError | None] = {}
    for type_, of_type in asked.items():
        find = _patients if type_ is RecordType.PATIENT else _records
        try:
            found.update(await find(session, type_, of_type))
        except SourceError as error:
            found.update((id_, error) for id_ in of_type)
    return [None if id_ is None else found.get(id_) for id_ in ids]


async def _patients(
    session: Session, type_: RecordType, ids: Sequence[RecordId]
) -> dict[RecordId, Released | SourceError | None]:
    """Patients by canonical id; a source is asked only for those of whom anything may be seen."""
    source = session.channel(type_).source
    standings = await session.standings_of([PatientId(id_.value) for id_ in ids])
    classes = {patient: standing.facts.about(type_.value) for patient, standing in standings.items()}
    visible = await session.guard.admits(session.caller, set(classes.values()), session.tally)
    keys = {
        key: RecordId(type_, id_.source, id_.value)
        for id_ in ids
        if classes.get(PatientId(id_.value)) in visible
        for key in standings[PatientId(id_.value)].sources.get(source, ())[:1]
    }
    return await _found(session, type_, keys)


async def _records(
    session: Session, type_: RecordType, ids: Sequence[RecordId]
) -> dict[RecordId, Released | SourceError | None]:
    """Other records by their source's id; no source is asked for a type of which nothing may be seen."""
    scope = await session.scope(type_)
    return await _found(session, type_, {} if scope.empty else {id_.value: id_ for id_ in ids})


async def _found(
    session: Session, type_: RecordType, keys: dict[str, RecordId]
) -> dict[RecordId, Released | SourceError | None]:
    records = await session.find(type_, By.ID, list(keys)) if keys else {}
    single = {key: matches[0] for key, matches in records.items() if len(matches) == 1}
    released = await session.release(await session.cases(list(single.values())))
    return {keys[key]: release for key, release in zip(single, released, strict=True)}

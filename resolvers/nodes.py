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
    shown = await session.shown(type_, [PatientId(id_.value) for id_ in ids])
    keys = {
        key: RecordId(type_, id_.source, id_.value)
        for id_ in ids
        if PatientId(id_.value) in shown
        for key in shown[PatientId(id_.value)].sources.get(source, ())[:1]
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
    cases = await session.cases(list(single.values()))
    released = await session.release(cases)
    await session.note_attempts(
        case.patient
        for case, release in zip(cases, released, strict=True)
        if release is None and case.patient is not None
    )
    return {keys[key]: release for key, release in zip(single, released, strict=True)}

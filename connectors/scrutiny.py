"""The check that an answer is about what was asked: records of someone else never get further than here."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Final

from connectors.conditions import judge
from connectors.keys import key_of
from portico.records.errors import SourceInvalid
from portico.records.references import By, RecordId, RecordType, SourceName
from portico.records.search import Page, Search
from portico.records.types import RECORD_CLASSES, Record

POSITION_LIMIT_BYTES: Final = 2_000
"""The longest position of a search: sealed, it must still be a cursor."""


def refuse_foreign_records(
    source: SourceName, type_: RecordType, by: By, keys: Collection[str], records: Iterable[Record]
) -> dict[str, tuple[Record, ...]]:
    """The records under each key, in the order in which they came.

    Raises `SourceInvalid` if one is not of the source and type, is twice there, or lies under a key that is not asked.
    """
    grouped: dict[str | None, list[Record]] = {key: [] for key in keys}
    kind, seen = RECORD_CLASSES[type_], set[RecordId]()
    for record in records:
        _refuse_stranger(source, kind, record, seen)
        group = grouped.get(record.subject if by is By.PATIENT else key_of(record, by))
        if group is None:
            raise SourceInvalid(source, "The source system answered about something that was not asked.")
        group.append(record)
    return {key: tuple(group) for key, group in grouped.items() if key is not None}


def refuse_foreign_hits(source: SourceName, search: Search, page: Page) -> None:
    """Raise `SourceInvalid` unless the page is one of this search: its type, its conditions, its size."""
    if len(page.hits) > search.limit or (page.more and not page.hits):
        raise SourceInvalid(source, "The source system gave a page of the wrong size.")
    missed, seen = judge(search.where), set[RecordId]()
    for hit in page.hits:
        if len(hit.position.encode()) > POSITION_LIMIT_BYTES:
            raise SourceInvalid(source, "The source system gave a position that is too long to come back to.")
        if hit.position == search.after:
            raise SourceInvalid(source, "The source system gave again what it was to go on from.")
        _refuse_stranger(source, RECORD_CLASSES[search.type], hit.record, seen)
        if missed(hit.record):
            raise SourceInvalid(source, "The source system answered with something that was not asked for.")


def _refuse_stranger(source: SourceName, kind: type[Record], record: Record, seen: set[RecordId]) -> None:
    id_ = record.id
    if record.__class__ is not kind or id_.type is not kind.type or id_.source != source:
        raise SourceInvalid(source, "The source system answered with something else.")
    if id_ in seen:
        raise SourceInvalid(source, "The source system answered with the same record twice.")
    seen.add(id_)

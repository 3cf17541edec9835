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
    grouped: dict[str, list[Record]] = {key: [] for key in keys}
    seen: set[RecordId] = set()
    for record in records:
        _refuse_stranger(source, type_, record, seen)
        key = key_of(record, by)
        if key is None or key not in grouped:
            raise SourceInvalid(source, "The source system answered about something that was not asked.")
        grouped[key].append(record)
    return {key: tuple(group) for key, group in grouped.items()}


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
        _refuse_stranger(source, search.type, hit.record, seen)
        if missed(hit.record):
            raise SourceInvalid(source, "The source system answered with something that was not asked for.")


def _refuse_stranger(source: SourceName, type_: RecordType, record: Record, seen: set[RecordId]) -> None:
    if type(record) is not RECORD_CLASSES[type_] or record.id.type is not type_ or record.id.source != source:
        raise SourceInvalid(source, "The source system answered with something else.")
    if record.id in seen:
        raise SourceInvalid(source, "The source system answered with the same record twice.")
    seen.add(record.id)

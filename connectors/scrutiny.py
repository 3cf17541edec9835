"""The check that an answer is about what was asked: records of someone else never get further than here."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from operator import attrgetter
from typing import Final

from connectors.conditions import judge
from connectors.keys import key_of
from portico.records.errors import SourceInvalid
from portico.records.references import By, RecordType, SourceName
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
    key_in, refuse_stranger = _key_reader(by), _stranger_refusal(source, type_)
    for record in records:
        refuse_stranger(record)
        group = grouped.get(key_in(record))
        if group is None:
            raise SourceInvalid(source, "The source system answered about something that was not asked.")
        group.append(record)
    return {key: tuple(group) for key, group in grouped.items() if key is not None}


def refuse_foreign_hits(source: SourceName, search: Search, page: Page) -> None:
    """Raise `SourceInvalid` unless the page is one of this search: its type, its conditions, its size."""
    if len(page.hits) > search.limit or (page.more and not page.hits):
        raise SourceInvalid(source, "The source system gave a page of the wrong size.")
    missed, refuse_stranger = judge(search.where), _stranger_refusal(source, search.type)
    for hit in page.hits:
        position, record = hit.position, hit.record
        if len(position.encode()) > POSITION_LIMIT_BYTES:
            raise SourceInvalid(source, "The source system gave a position that is too long to come back to.")
        if position == search.after:
            raise SourceInvalid(source, "The source system gave again what it was to go on from.")
        refuse_stranger(record)
        if missed(record):
            raise SourceInvalid(source, "The source system answered with something that was not asked for.")


def _key_reader(by: By) -> Callable[[Record], str | None]:
    match by:
        case By.ID:
            return attrgetter("id.value")
        case By.PATIENT:
            return attrgetter("subject")
    return lambda record: key_of(record, by)


def _stranger_refusal(source: SourceName, type_: RecordType) -> Callable[[Record], None]:
    """Raises `SourceInvalid` for a record of another source or type, and for one that it was given before."""
    kind, seen = RECORD_CLASSES[type_], set[str]()

    def refuse_stranger(record: Record) -> None:
        id_ = record.id
        if record.__class__ is not kind or id_.type is not type_ or id_.source != source:
            raise SourceInvalid(source, "The source system answered with something else.")
        if id_.value in seen:
            raise SourceInvalid(source, "The source system answered with the same record twice.")
        seen.add(id_.value)

    return refuse_stranger

"""What a request tells the source that it goes to, as tags: the keys and conditions that it asks by.

The names of the attributes that are wanted back are no data. What a source itself issued (its own ids, of records and
of patients) is as sensitive as the id that stands for it in the graph; a visit number, which several sources share, as
the way from an encounter to its appointment. Everything else is as sensitive as what a condition by it reveals. Every
request tells that there is something to ask, which is public.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from portico.access.tags import Tag, TagTable
from portico.records.references import By, RecordType
from portico.records.search import Search
from resolvers.criteria import REVEALS

_Place = tuple[RecordType, str]
"""A type and an attribute of it: a guarded coordinate."""

_PATIENTS_ID: Final[_Place] = (RecordType.PATIENT, "id")

_KEYS: Final[dict[By, _Place]] = {
    By.PATIENT: _PATIENTS_ID,
    By.VISIT: (RecordType.ENCOUNTER, "appointment"),
    By.NPI: (RecordType.PRACTITIONER, "npi"),
    By.SITE: (RecordType.LOCATION, "site"),
    By.MEMBER: (RecordType.COVERAGE, "member_id"),
}
"""What a key is as sensitive as; a record's own id as itself."""


def told_by_keys(tags: TagTable, type_: RecordType, by: By) -> frozenset[Tag]:
    """The tags of what a look-up by keys of a kind tells."""
    return _tags(tags, [_KEYS.get(by, (type_, "id"))])


def told_by_search(tags: TagTable, search: Search) -> frozenset[Tag]:
    """The tags of what a search's conditions tell, and of where it goes on: that may hold what it is ordered by."""
    fields = {condition.field for condition in search.where}
    if search.after is not None:
        fields.add(search.order)
    return _tags(tags, [_place(search.type, field) for field in fields])


def _place(type_: RecordType, field: str) -> _Place:
    match field:
        case "id":
            return type_, "id"
        case "patient":
            return _PATIENTS_ID
        case "organization":
            return type_, "managing_organization"
    return type_, REVEALS[type_][field]


def _tags(tags: TagTable, places: Iterable[_Place]) -> frozenset[Tag]:
    return frozenset({Tag.PUBLIC, *(tags[type_.value][attribute].tag for type_, attribute in places)})

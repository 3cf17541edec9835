"""Records that are kept for a short while, so that a source isn't asked for them again and again.

Off unless the operator says for which types and how long: what changes at the source meanwhile, a label as well as a
value, counts only afterwards. What a caller sees of a kept record is decided each time.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping
from typing import Final, TypeAlias

from portico.records.references import By, RecordType
from portico.records.types import Record

CAPACITY: Final = 10_000
"""Keys whose records are kept; beyond, the oldest give way."""

_Key: TypeAlias = tuple[RecordType, By, frozenset[str], str]


class Shelf:
    """The kept records of one source. `seconds` says for how long, by type; a type that isn't there is not kept."""

    def __init__(
        self, seconds: Mapping[RecordType, float], *, clock: Callable[[], float], capacity: int = CAPACITY
    ) -> None:
        self._seconds = {type_: limit for type_, limit in seconds.items() if limit > 0}
        self._clock = clock
        self._capacity = capacity
        self._kept: OrderedDict[_Key, tuple[float, tuple[Record, ...]]] = OrderedDict()

    def kept(
        self, type_: RecordType, by: By, attributes: frozenset[str], keys: Collection[str]
    ) -> dict[str, tuple[Record, ...]]:
        """What is kept under these keys with exactly these attributes; keys with nothing kept are absent."""
        if type_ not in self._seconds:
            return {}
        found: dict[str, tuple[Record, ...]] = {}
        now = self._clock()
        for key in keys:
            until, records = self._kept.get((type_, by, attributes, key), (now, ()))
            if now < until:
                found[key] = records
        return found

    def keep(
        self, type_: RecordType, by: By, attributes: frozenset[str], answers: Mapping[str, tuple[Record, ...]]
    ) -> None:
        """Keep an answer from now on."""
        limit = self._seconds.get(type_)
        if limit is None:
            return
        until = self._clock() + limit
        for key, records in answers.items():
            place = (type_, by, attributes, key)
            self._kept[place] = until, records
            self._kept.move_to_end(place)
        while len(self._kept) > self._capacity:
            self._kept.popitem(last=False)

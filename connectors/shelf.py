"""Records that are kept for a short while, so that a source isn't asked for them again and again.

Off unless the operator says for which types and how long: what changes at the source meanwhile, a label as well as a
value, counts only afterwards. What a caller sees of a kept record is decided each time.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping
from typing import Final, NamedTuple, TypeAlias

from portico.records.references import By, RecordType
from portico.records.types import Record

CAPACITY: Final = 10_000
"""Records of one type that are kept, a key without any counting as one; beyond, the oldest give way."""

_Key: TypeAlias = tuple[By, frozenset[str], str]


class _Kept(NamedTuple):
    until: float
    records: tuple[Record, ...]


class _Board:
    """What is kept of one type, the oldest first: it is also the first whose time is over."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.weight = 0
        self.kept: OrderedDict[_Key, _Kept] = OrderedDict()

    def put(self, key: _Key, kept: _Kept) -> None:
        self.drop(key)
        self.kept[key] = kept
        self.weight += max(1, len(kept.records))

    def drop(self, key: _Key) -> None:
        gone = self.kept.pop(key, None)
        self.weight -= 0 if gone is None else max(1, len(gone.records))

    def tidy(self, now: float, capacity: int) -> None:
        """Let go of what is over, and of the oldest where there is too much."""
        while self.kept:
            key, oldest = next(iter(self.kept.items()))
            if now < oldest.until and self.weight <= capacity:
                return
            self.drop(key)


class Shelf:
    """The kept records of one source. `seconds` says for how long, by type; a type that isn't there is not kept."""

    def __init__(
        self, seconds: Mapping[RecordType, float], *, clock: Callable[[], float], capacity: int = CAPACITY
    ) -> None:
        self._boards = {type_: _Board(limit) for type_, limit in seconds.items() if limit > 0}
        self._clock = clock
        self._capacity = capacity

    def kept(
        self, type_: RecordType, by: By, attributes: frozenset[str], keys: Collection[str]
    ) -> dict[str, tuple[Record, ...]]:
        """What is kept under these keys with exactly these attributes; keys with nothing kept are absent."""
        self._tidy()
        board = self._boards.get(type_)
        if board is None:
            return {}
        found = ((key, board.kept.get((by, attributes, key))) for key in keys)
        return {key: kept.records for key, kept in found if kept is not None}

    def keep(
        self, type_: RecordType, by: By, attributes: frozenset[str], answers: Mapping[str, tuple[Record, ...]]
    ) -> None:
        """Keep an answer from now on."""
        board = self._boards.get(type_)
        if board is None:
            return
        until = self._clock() + board.seconds
        for key, records in answers.items():
            board.put((by, attributes, key), _Kept(until, records))
        self._tidy()

    def _tidy(self) -> None:
        for board in self._boards.values():
            board.tidy(self._clock(), self._capacity)

"""Where a search goes on: the page, the place on it, and the count from the start in case the page is gone."""

from __future__ import annotations

from dataclasses import dataclass

from portico.records.errors import UnsupportedPredicate


@dataclass(frozen=True, slots=True)
class Position:
    """After `passed` hits altogether: go to `link` (empty is the first page) and leave out `skip` hits there.

    Written as `passed.skip.link`. The link is the server's own and holds nothing of a record but what the server
    puts there.
    """

    passed: int = 0
    skip: int = 0
    link: str = ""

    def __str__(self) -> str:
        return f"{self.passed}.{self.skip}.{self.link}"

    @classmethod
    def parse(cls, text: str | None) -> Position:
        """The position that `str` wrote; the beginning for None. Raises `UnsupportedPredicate` for anything else."""
        if text is None:
            return cls()
        passed, _, rest = text.partition(".")
        skip, dot, link = rest.partition(".")
        if not (dot and passed.isascii() and passed.isdigit() and skip.isascii() and skip.isdigit()):
            raise UnsupportedPredicate("a position that this connector never gave")
        return cls(int(passed), int(skip), link)

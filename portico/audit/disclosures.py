"""Who was told about a patient: every access, or the disclosures that the law has accounted for.

Both are read from the audit rows and nothing else. What counts as a disclosure is data, `accounting.toml`, with the
law's place for each line.
"""

from __future__ import annotations

import tomllib
import unicodedata
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Final

from portico.audit.entry import AuditEntry
from portico.audit.trail import ANY_TIME, AuditRow, AuditTrail, Period
from portico.records.references import PatientId, Tenant

PAGE_ROWS: Final = 500
"""Rows that are read at once."""
NAME_LIMIT: Final = 64
"""Characters of a name that was given by somebody else, where it is shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exemption:
    """Why releases for a purpose are no disclosures to account for."""

    what: str
    citation: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Accounting:
    """The rule of 45 CFR 164.528: what an accounting leaves out, by purpose of use, and how far back it reaches."""

    exempt: Mapping[str, Exemption]
    years: int

    def lists(self, entry: AuditEntry) -> bool:
        """Whether an accounting of disclosures lists such a release. An unknown purpose is listed."""
        return entry.outcome.tells and entry.purpose not in self.exempt

    def beginning(self, now: datetime) -> datetime:
        """The earliest moment that an accounting asked for at `now` reaches back to."""
        leap_day = (now.month, now.day) == (2, 29)
        return now.replace(year=now.year - self.years, day=28 if leap_day else now.day)


@cache
def accounting() -> Accounting:
    """The rule as the law has it."""
    table = tomllib.loads(files("portico.audit").joinpath("accounting.toml").read_text("utf-8"))
    exempt = {purpose: Exemption(**row) for purpose, row in table["exempt"].items()}
    return Accounting(exempt=MappingProxyType(exempt), years=table["years"])


async def accesses(
    trail: AuditTrail,
    tenant: Tenant,
    patient: PatientId,
    *,
    period: Period = ANY_TIME,
    everything: bool = False,
    page_rows: int = PAGE_ROWS,
) -> AsyncIterator[AuditRow]:
    """The rows that told something about a patient, newest first: the disclosures to account for, or `everything`.

    Read page by page, each going on before the last row of the one before: what is appended meanwhile moves nothing.
    """
    besides = () if everything else tuple(accounting().exempt)
    before: int | None = None
    while True:
        found = await trail.accesses(tenant, {patient: before}, period=period, besides=besides, limit=page_rows)
        rows = found[patient]
        for row in rows:
            yield row
        if len(rows) < page_rows:
            return
        before = rows[-1].number


def told(entry: AuditEntry) -> list[str]:
    """The coordinates of which something was released, in full or through a mask, in order.

    They are those of the whole answer: of a patient among several, no more was told, and maybe less.
    """
    return sorted(entry.released | entry.masked)


def display_safe(name: str) -> str:
    """A name that an identity provider gave, as it may be shown to anyone: printable, in one direction, not long."""
    shown = "".join("\ufffd" if _is_unsafe(letter) else letter for letter in name[:NAME_LIMIT])
    return shown + "…" * (len(name) > NAME_LIMIT)


def _is_unsafe(letter: str) -> bool:
    """Whether a character moves, hides or breaks what stands around it: controls, formats, separators of lines."""
    return unicodedata.category(letter)[0] == "C" or unicodedata.category(letter) in ("Zl", "Zp")

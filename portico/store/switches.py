"""Switches: what is off, who turned it off and on again, when and why.

Nothing that was turned off is ever changed: turning it on is added once, and turning it off again is a new row.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol, TypeVar

from portico.records.references import Tenant
from portico.records.switches import Off, Switchable, SwitchKind


class Recordable(Protocol):
    """An audit entry, as far as the store knows it."""

    def encode(self) -> bytes:
        """What is recorded, in its canonical encoding."""


Entry_contra = TypeVar("Entry_contra", bound=Recordable, contravariant=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Switch:
    """One time that something was off. Instants are aware."""

    thing: Switchable
    off_at: datetime
    off_by: str
    reason: str = field(repr=False)
    """Why, in the operator's words."""
    on_at: datetime | None = None
    """None: it still is."""
    on_by: str | None = None


class Readable(Protocol):
    """The switches of all tenants, as requests need them. Raises `StoreUnavailable`, as `Switches` does."""

    async def off(self) -> Mapping[Tenant, Off]:
        """Everything that is off now, and who is slowed; other tenants are absent. Cost: one small query."""

    async def admit(self, tenant: Tenant, subject: str) -> float:
        """Admit one request of a subject on whom a brake is: 0, or how many seconds are to be waited until then."""


class Switches(Readable, Protocol[Entry_contra]):
    """The switches of all tenants.

    What turns one takes the audit entry that tells of it: both are one transaction. Every change counts for every read
    that begins after it was committed, in every process. Raises `StoreUnavailable` where the database gives no usable
    answer in time, `AuditUnavailable` where the entry can't be recorded durably.
    """

    async def turn_off(self, thing: Switchable, *, by: str, reason: str, at: datetime, entry: Entry_contra) -> bool:
        """Turn something off. False, and nothing recorded: it is off already."""

    async def turn_on(self, thing: Switchable, *, by: str, at: datetime, entry: Entry_contra) -> bool:
        """Turn something on again. False, and nothing recorded: it isn't off."""

    async def history(self) -> Sequence[Switch]:
        """Every time that something was off, the latest first."""


_PLACES = {
    SwitchKind.SOURCE: "sources",
    SwitchKind.FIELD: "fields",
    SwitchKind.SUBJECT: "subjects",
    SwitchKind.CLIENT: "clients",
}


def by_tenant(things: Iterable[Switchable], slowed: Iterable[tuple[Tenant, str]] = ()) -> Mapping[Tenant, Off]:
    """What is off for each tenant, and which of its subjects are slowed."""
    found: defaultdict[Tenant, defaultdict[SwitchKind | None, set[str]]] = defaultdict(lambda: defaultdict(set))
    for tenant, kind, name in things:
        found[tenant][kind].add(name)
    for tenant, subject in slowed:
        found[tenant][None].add(subject)
    return {
        tenant: Off(
            tenant=SwitchKind.TENANT in kinds,
            slowed=frozenset(kinds.get(None, ())),
            **{place: frozenset(kinds.get(kind, ())) for kind, place in _PLACES.items()},
        )
        for tenant, kinds in found.items()
    }

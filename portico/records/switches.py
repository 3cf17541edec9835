"""What operators can switch off, and what of it is off."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from portico.records.references import Tenant


class SwitchKind(StrEnum):
    """What kind of thing a switch turns off, always for one tenant."""

    TENANT = "tenant"
    """All of it. The name is the tenant's."""
    SOURCE = "source"
    """A source system, by its name in the tenants file."""
    FIELD = "field"
    """A schema coordinate, `Patient.ssn`, or a root's, `Query.patients`."""
    SUBJECT = "subject"
    """Somebody who asks, by their token's subject."""
    CLIENT = "client"
    """A client application, by its token's `client_id`."""


class Switchable(NamedTuple):
    """One thing that can be off."""

    tenant: Tenant
    kind: SwitchKind
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


@dataclass(frozen=True, slots=True)
class Off:
    """What is off for one tenant."""

    tenant: bool = False
    sources: frozenset[str] = frozenset()
    fields: frozenset[str] = frozenset()
    subjects: frozenset[str] = frozenset()
    clients: frozenset[str] = frozenset()
    slowed: frozenset[str] = frozenset()
    """Subjects on whom a brake is: not off, but to be admitted one request at a time."""

    def stops(self, *, subject: str, client: str) -> bool:
        """Whether nothing at all is done for such a caller."""
        return self.tenant or subject in self.subjects or client in self.clients


NOTHING_OFF = Off()

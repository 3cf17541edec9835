"""Consents as Portico keeps them: its own for good, with their revocations, and the sources' as they tell them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import lru_cache
from typing import Final, NewType, Protocol

from portico.records.consent import Consent, ConsentKind, Provision
from portico.records.references import PatientId, SourceName, Tenant
from portico.store.parties import is_party, is_storable

ConsentId = NewType("ConsentId", str)
"""Of a consent that Portico itself keeps: a UUID."""

PORTICO: Final = SourceName("portico")
"""The `source` of Portico's own consents; their `source_id` is the canonical id."""

DENY_ALL: Final = Provision(kind=ConsentKind.DENY)

_WORDS: Final = ("purposes", "roles", "tags", "labels")


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptConsent:
    """A consent and what became of it. Only Portico's own have a history; of a source's, the source keeps it."""

    consent: Consent
    recorded_at: datetime
    recorded_by: str | None = field(default=None, repr=False)
    """The subject who recorded it; None: a source told it."""
    revoked_at: datetime | None = None
    revoked_by: str | None = field(default=None, repr=False)


class Consents(Protocol):
    """What patients decided about their data, within one tenant. Nothing that was recorded is ever overwritten.

    Every change counts for every read that begins after it was committed, in every process. Raises
    `StoreUnavailable` where the database gives no answer in time.
    """

    async def record_consent(
        self,
        tenant: Tenant,
        patient: PatientId,
        provision: Provision,
        *,
        by: str,
        parties: frozenset[str] = frozenset(),
        start: datetime | None = None,
        end: datetime | None = None,
    ) -> ConsentId | None:
        """Keep a provision that a patient made, recorded by this subject, for a period with both ends inclusive.

        None, and nothing is kept, where there is no such patient or where it can't be kept exactly as it stands
        (see `enforceable`).
        """

    async def revoke_consent(self, tenant: Tenant, consent: ConsentId, *, patient: PatientId, by: str) -> bool:
        """End one of Portico's own consents for good. True: it is revoked, now or before; False: there is none such.

        The patient must be the one who made it. When it was revoked first, and by whom, stays.
        """

    async def consents_of(self, tenant: Tenant, patient: PatientId) -> Sequence[KeptConsent]:
        """All of a patient's, revoked and expired ones included, those of the sources too, oldest first."""

    async def replace_consents(self, tenant: Tenant, consents: Mapping[SourceName, Iterable[Consent]]) -> None:
        """Let the given sources' consents be these from now on, all at once."""


def enforceable(consent: Consent) -> Consent | None:
    """The consent as it can be kept. What can't be kept exactly restricts more, never less; None: it permits nothing.

    A period that ends before it begins, a party of a kind that nobody has, a word that no database can hold: a permit
    with any of these permits nothing; a denial holds always, for everyone, or for everything.
    """
    provision = consent.provision
    words = (*provision.purposes, *provision.roles, *provision.tags, *provision.labels)
    readable = all(map(is_storable, words))
    addressed = all(map(is_party, consent.parties))
    timely = consent.start is None or consent.end is None or consent.start <= consent.end
    if readable and addressed and timely:
        return consent
    if provision.kind is ConsentKind.PERMIT:
        return None
    return replace(
        consent,
        provision=provision if readable else DENY_ALL,
        parties=consent.parties if addressed else frozenset(),
        start=consent.start if timely else None,
        end=consent.end if timely else None,
    )


def restricts(provision: Provision) -> bool:
    """Whether it can only take away."""
    return provision.kind is not ConsentKind.PERMIT


def encoded(provision: Provision) -> str:
    """A provision as the database keeps it: JSON, without what is empty."""
    sets = {name: sorted(getattr(provision, name)) for name in _WORDS}
    return json.dumps({"kind": provision.kind.value} | {name: words for name, words in sets.items() if words})


@lru_cache(maxsize=10_000)
def decoded(text: str) -> Provision:
    """The provision that `encoded` wrote. Many patients have the same: each wording is read once."""
    kept = json.loads(text)
    words = {name: frozenset(kept.get(name, ())) for name in _WORDS}
    return Provision(kind=ConsentKind(kept["kind"]), **words)

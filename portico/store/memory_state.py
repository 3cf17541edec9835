"""What a crosswalk in memory holds of each tenant; the consents, guardianships and exclusions in it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TypeAlias
from uuid import uuid4

from portico.records.consent import Consent, Provision
from portico.records.people import Relation, SensitiveVisit
from portico.records.references import PatientId, SourceName, Tenant
from portico.store.consents import PORTICO, ConsentId, KeptConsent, enforceable
from portico.store.crosswalk import CrosswalkConfig, Link, PersonFacts, Unlinked
from portico.store.grants import GuardianKind
from portico.store.parties import is_party, is_storable

Key: TypeAlias = tuple[SourceName, str]
_Instant: TypeAlias = datetime | None


@dataclass(frozen=True, slots=True)
class Life:
    """A patient's ages, death and merge, as their identity record tells them."""

    facts: PersonFacts

    @property
    def merged(self) -> bool:
        """Whether they were merged into another."""
        return self.facts.replaced_by is not None

    def lasts(self, at: datetime) -> bool:
        """Whether they are alive."""
        return not self.facts.deceased or (self.facts.died_at is not None and at < self.facts.died_at)

    def minor(self, at: datetime) -> bool:
        """Whether they are known to be under age."""
        return self.facts.adult_at is not None and at < self.facts.adult_at

    def adolescent(self, at: datetime) -> bool:
        """Whether they may be of the age at which minors consent to some care."""
        begins, ends = self.facts.adolescent_at, self.facts.adult_at
        return begins is None or ends is None or begins <= at < ends


@dataclass(slots=True)
class TenantState:
    """All of one tenant."""

    patients: set[PatientId] = field(default_factory=set)
    links: dict[Key, Link] = field(default_factory=dict)
    identities: dict[PatientId, Key] = field(default_factory=dict)
    unlinked: dict[Key, Unlinked] = field(default_factory=dict)
    relations: dict[SourceName, tuple[Relation, ...]] = field(default_factory=dict)
    people: dict[Key, PersonFacts] = field(default_factory=dict)
    merged_into: dict[Key, PatientId] = field(default_factory=dict)
    visits: dict[SourceName, tuple[SensitiveVisit, ...]] = field(default_factory=dict)
    consents: dict[SourceName, dict[Consent, datetime]] = field(default_factory=dict)
    """Since when each has been known."""
    kept: dict[ConsentId, tuple[PatientId, KeptConsent]] = field(default_factory=dict)
    guardianships: dict[tuple[PatientId, str], tuple[GuardianKind, _Instant, _Instant]] = field(default_factory=dict)
    exclusions: dict[tuple[PatientId, str], tuple[_Instant, _Instant]] = field(default_factory=dict)

    def life(self, patient: PatientId) -> Life:
        """The patient's, as far as it is known."""
        key = self.identities.get(patient)
        return Life((self.people.get(key) if key else None) or PersonFacts(source_id=""))

    def bearers(self, patient: PatientId) -> tuple[PatientId, ...]:
        """Who bears what restricts a patient: they, and whom they were merged into."""
        key = self.identities.get(patient)
        into = self.merged_into.get(key) if key else None
        return (patient,) if into is None else (patient, into)


class _Tenants:
    """The tenants' states."""

    def __init__(self, config: CrosswalkConfig | None = None) -> None:
        self._minimum = (config or CrosswalkConfig()).minimum_assurance
        self._tenants: defaultdict[Tenant, TenantState] = defaultdict(TenantState)


class MemoryConsents(_Tenants):
    """`Consents` that are forgotten with their process."""

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
        """See `Consents.record_consent`."""
        made = ConsentId(str(uuid4()))
        consent = Consent(
            source=PORTICO,
            source_id=patient,
            consent_id=made,
            provision=provision,
            parties=parties,
            start=start,
            end=end,
        )
        state = self._tenants[tenant]
        if patient not in state.patients or not is_storable(by) or enforceable(consent) != consent:
            return None
        state.kept[made] = (patient, KeptConsent(consent=consent, recorded_at=datetime.now(UTC), recorded_by=by))
        return made

    async def revoke_consent(self, tenant: Tenant, consent: ConsentId, *, patient: PatientId, by: str) -> bool:
        """See `Consents.revoke_consent`."""
        kept = self._tenants[tenant].kept
        maker, found = kept.get(consent, (None, None))
        if found is None or maker != patient or not is_storable(by):
            return False
        if found.revoked_at is None:
            kept[consent] = (patient, replace(found, revoked_at=datetime.now(UTC), revoked_by=by))
        return True

    async def consents_of(self, tenant: Tenant, patient: PatientId) -> Sequence[KeptConsent]:
        """See `Consents.consents_of`."""
        state = self._tenants[tenant]
        own = [kept for maker, kept in state.kept.values() if maker == patient]
        told = [
            KeptConsent(consent=consent, recorded_at=noticed_at)
            for source, consents in state.consents.items()
            for consent, noticed_at in consents.items()
            if (link := state.links.get((source, consent.source_id)))
            and link.patient == patient
            and link.assurance >= self._minimum
        ]
        return sorted([*told, *own], key=lambda kept: (kept.recorded_at, kept.consent.source, kept.consent.consent_id))

    async def replace_consents(self, tenant: Tenant, consents: Mapping[SourceName, Iterable[Consent]]) -> None:
        """See `Consents.replace_consents`."""
        state, now = self._tenants[tenant], datetime.now(UTC)
        for source, told in consents.items():
            known = state.consents.get(source, {})
            enforced = (kept for one in told if (kept := enforceable(one)) is not None)
            state.consents[source] = {consent: known.get(consent, now) for consent in enforced}


class MemoryGrants(_Tenants):
    """`Grants` that are forgotten with their process."""

    async def grant_guardianship(
        self,
        tenant: Tenant,
        *,
        guardian: str,
        patient: PatientId,
        start: datetime | None,
        end: datetime | None,
        kind: GuardianKind = GuardianKind.GUARDIAN,
    ) -> bool:
        """See `Grants.grant_guardianship`."""
        state = self._tenants[tenant]
        if patient not in state.patients:
            return False
        state.guardianships[patient, guardian] = (kind, start, end)
        return True

    async def revoke_guardianship(self, tenant: Tenant, *, guardian: str, patient: PatientId) -> bool:
        """See `Grants.revoke_guardianship`."""
        return self._tenants[tenant].guardianships.pop((patient, guardian), None) is not None

    async def exclude(
        self, tenant: Tenant, *, party: str, patient: PatientId, start: datetime | None, end: datetime | None
    ) -> bool:
        """See `Grants.exclude`."""
        state = self._tenants[tenant]
        if patient not in state.patients or not is_party(party):
            return False
        ordered = start is None or end is None or start <= end
        state.exclusions[patient, party] = (start, end) if ordered else (None, None)
        return True

    async def lift_exclusion(self, tenant: Tenant, *, party: str, patient: PatientId) -> bool:
        """See `Grants.lift_exclusion`."""
        return self._tenants[tenant].exclusions.pop((patient, party), None) is not None


def covers(start: datetime | None, end: datetime | None, at: datetime) -> bool:
    """Whether a period holds at an instant; both ends are inclusive, None is open."""
    return (start is None or start <= at) and (end is None or at <= end)

"""What Portico itself knows of who acts for a patient, and who must not come near one."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Protocol

from portico.records.references import PatientId, Tenant


class GuardianKind(StrEnum):
    """On what somebody's acting for a patient rests. Both make the relationship `guardian`, and both end by death."""

    GUARDIAN = "guardian"
    """A minor's parent or guardian: ends at the first instant of majority, whatever the period says."""
    PROXY = "proxy"
    """Whom an adult, or a court for an adult, has named: ends by its period alone."""


class Grants(Protocol):
    """Guardians and exclusions, within one tenant.

    Every change counts for every read that begins after it was committed, in every process. Raises
    `StoreUnavailable` where the database gives no answer in time.
    """

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
        """Let a token subject act for a patient during a period, in place of any period before.

        False where there is no such patient.
        """

    async def revoke_guardianship(self, tenant: Tenant, *, guardian: str, patient: PatientId) -> bool:
        """End it for every read that begins after this returns; False: there was none."""

    async def exclude(
        self, tenant: Tenant, *, party: str, patient: PatientId, start: datetime | None, end: datetime | None
    ) -> bool:
        """Keep a party from a patient during a period, by order of a court, in place of any period before.

        `party` is `npi 1234567893`, `organization org-1` or `subject usr-1`. It then stands in no relationship to the
        patient, whatever else is known, and is denied everything of theirs. False where there is no such patient or
        the party is no party; a period that ends before it begins never ends.
        """

    async def lift_exclusion(self, tenant: Tenant, *, party: str, patient: PatientId) -> bool:
        """End it for every read that begins after this returns; False: there was none."""

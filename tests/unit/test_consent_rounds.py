"""Between two rounds of linking the server takes over the EHR's consents, and goes on when it can't."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

from portico.access.principal import Principal, PrincipalKind
from portico.main import _keep_consents_fresh
from portico.records.consent import Consent, ConsentKind, Provision
from portico.tenants import TenantConfig
from resolvers.linking import EHR
from tests.unit.resolvers.clinic import TENANT, Clinic

TENANTS = {TENANT: TenantConfig(name=TENANT, title="Riverbend", sources={})}
DENIAL = Consent(source=EHR, source_id="e1", consent_id="c1", provision=Provision(kind=ConsentKind.DENY))
NOBODY = Principal(
    subject="usr-nobody",
    kind=PrincipalKind.PERSON,
    tenant=TENANT,
    roles=frozenset(),
    purposes=frozenset(),
    client="portal",
    expires_at=0,
)


@asynccontextmanager
async def rounds(clinic: Clinic, linked: asyncio.Event) -> AsyncIterator[None]:
    task = asyncio.create_task(_keep_consents_fresh(clinic.linker, TENANTS, 0.001, linked))
    try:
        yield
    finally:
        task.cancel()


async def denied(clinic: Clinic, *, within_seconds: float = 5.0) -> bool:
    """Whether the denial has been heard of in time."""
    patient = (await clinic.patients())["e1"]
    try:
        async with asyncio.timeout(within_seconds):
            while True:
                found = await clinic.crosswalk.standings_of(NOBODY, [patient], at=datetime.now(UTC))
                if found[patient].facts.consent:
                    return True
                await asyncio.sleep(0.001)
    except TimeoutError:
        return False


async def test_a_consent_of_the_ehr_counts_without_a_round_of_linking() -> None:
    clinic, linked = Clinic(), asyncio.Event()
    await clinic.linker.run(TENANT)
    clinic.ehr.consented = [DENIAL]
    async with rounds(clinic, linked):
        assert not await denied(clinic, within_seconds=0.05)
        linked.set()
        assert await denied(clinic)


async def test_an_ehr_that_is_down_is_asked_again() -> None:
    clinic, linked = Clinic(), asyncio.Event()
    await clinic.linker.run(TENANT)
    clinic.ehr.consented, clinic.ehr.down = [DENIAL], True
    linked.set()
    async with rounds(clinic, linked):
        assert not await denied(clinic, within_seconds=0.05)
        clinic.ehr.down = False
        assert await denied(clinic)

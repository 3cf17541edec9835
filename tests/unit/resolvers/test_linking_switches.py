"""Linking leaves alone what is switched off, and keeps what it knew of it."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from portico.audit.entry import AuditEntry, Outcome
from portico.records.errors import SourceSwitchedOff, StoreUnavailable, SwitchedOff
from portico.records.switches import Switchable, SwitchKind
from resolvers.linking import EHR
from tests.unit.resolvers.clinic import BILLING, TENANT, Clinic, person

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
ENTRY = AuditEntry(
    tenant=TENANT, request_id="r", subject="ops", kind="person", roles=frozenset(), purpose="HOPERAT",
    client="portico switch", operation="0f" * 32, policy_revision="none", outcome=Outcome.DONE, at=NOW,
)  # fmt: skip


async def _off(clinic: Clinic, kind: SwitchKind, name: str) -> None:
    thing = Switchable(TENANT, kind, name)
    assert await clinic.switches.turn_off(thing, by="ops", reason="why", at=NOW, entry=ENTRY)


@pytest.fixture
async def clinic() -> Clinic:
    """Linked once, and with more to find."""
    found = Clinic()
    await found.linker.run(TENANT)
    found.ehr.listed.append(person(EHR, "e2", family="Other"))
    return found


async def test_a_source_that_is_off_is_not_scanned_and_keeps_its_links(clinic: Clinic) -> None:
    before = await clinic.patients()
    await _off(clinic, SwitchKind.SOURCE, BILLING)
    clinic.billing.listed = []
    run = await clinic.linker.run(TENANT)

    assert run.failed == {BILLING}
    after = await clinic.patients()
    assert {id_: after[id_] for id_ in before} == before
    assert "e2" in after


@pytest.mark.parametrize(
    ("kind", "name", "refusal"),
    [(SwitchKind.SOURCE, EHR, SourceSwitchedOff), (SwitchKind.TENANT, TENANT, SwitchedOff)],
)
async def test_without_the_identity_source_or_the_tenant_nothing_is_asked_or_changed(
    clinic: Clinic, kind: SwitchKind, name: str, refusal: type[Exception]
) -> None:
    before = await clinic.patients()
    await _off(clinic, kind, name)
    clinic.ehr.down = clinic.billing.down = True  # whoever asked them would hear of it
    for work in (clinic.linker.run(TENANT), clinic.linker.refresh_consents(TENANT)):
        with pytest.raises(refusal):
            await work
    assert await clinic.patients() == before


async def test_while_nobody_can_say_what_is_off_nothing_is_asked(clinic: Clinic) -> None:
    clinic.switches.available = False
    clinic.ehr.down = clinic.billing.down = True
    for work in (clinic.linker.run(TENANT), clinic.linker.refresh_consents(TENANT)):
        with pytest.raises(StoreUnavailable):
            await work

"""What a round of linking brings along besides links: ages, deaths, labels, visits and consents."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from portico.access.decisions import Facts
from portico.access.principal import Principal, PrincipalKind
from portico.records.ages import Ages
from portico.records.consent import Consent, ConsentKind, Provision
from portico.records.errors import SourceInvalid, SourceUnavailable
from portico.records.people import SensitiveVisit
from portico.records.references import SourceName
from portico.store.crosswalk import Standing
from resolvers.linking import EHR, Linker, LinkingConfig
from tests.unit.resolvers.clinic import BILLING, CHARTED, TENANT, Clinic, person

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
ADA = Principal(
    subject="usr-ada",
    kind=PrincipalKind.PERSON,
    tenant=TENANT,
    roles=frozenset(),
    purposes=frozenset(),
    client="portal",
    patients=frozenset({"e1"}),
    expires_at=0,
)
GUARDIAN = replace(ADA, subject="usr-guardian", patients=frozenset())


def denial(source: SourceName = EHR, source_id: str = "e1", **words: frozenset[str]) -> Consent:
    return Consent(
        source=source, source_id=source_id, consent_id="c1", provision=Provision(kind=ConsentKind.DENY, **words)
    )


def visit(*labels: str, number: str = "v-1", source: SourceName = EHR) -> SensitiveVisit:
    return SensitiveVisit(source=source, source_id="e1", visit=number, labels=frozenset(labels))


async def standing(clinic: Clinic, who: Principal = ADA, at: datetime = NOON) -> Standing:
    patient = (await clinic.patients())["e1"]
    return (await clinic.crosswalk.standings_of(who, [patient], at=at))[patient]


async def test_a_round_brings_labels_visits_and_consents_along() -> None:
    clinic = Clinic()
    clinic.ehr.listed = [replace(CHARTED, labels=frozenset({"VIP"}))]
    clinic.billing.listed = [replace(clinic.billing.listed[0], labels=frozenset({"EMP"}))]
    clinic.ehr.visited = [visit("PSY", "SUD")]
    clinic.ehr.consented = [denial()]
    await clinic.linker.run(TENANT)
    found = await standing(clinic)

    assert found.facts == Facts(frozenset({"self"}), frozenset({"VIP", "EMP"}), frozenset({denial().provision}))
    assert found.visits == {"v-1": {"PSY", "SUD"}}


async def test_a_round_tells_when_patients_come_of_age_at_home() -> None:
    clinic = Clinic()
    clinic.ehr.listed = [person(EHR, "e1", birth_date="2008-02-29")]
    home = LinkingConfig(ages={TENANT: Ages(time_zone=ZoneInfo("America/New_York"))})
    await Linker({TENANT: (clinic.ehr, clinic.billing)}, clinic.crosswalk, clinic.switchboard, home).run(TENANT)
    patient = (await clinic.patients())["e1"]
    await clinic.crosswalk.grant_guardianship(TENANT, guardian="usr-guardian", patient=patient, start=None, end=None)
    last = datetime(2026, 3, 1, 4, 59, 59, 999999, tzinfo=UTC)

    assert (await standing(clinic, GUARDIAN, last)).facts.relationships == {"guardian"}
    assert (await standing(clinic, GUARDIAN, last)).adolescent
    assert (await standing(clinic, GUARDIAN, last + timedelta(microseconds=1))).facts.relationships == set()
    assert not (await standing(clinic, GUARDIAN, last + timedelta(microseconds=1))).adolescent


@pytest.mark.parametrize(
    ("facts", "alive"),
    [
        ({}, True),
        ({"deceased": True}, False),
        ({"deceased_at": NOON}, False),
        ({"deceased": True, "deceased_at": NOON + timedelta(seconds=1)}, True),
    ],
)
async def test_a_round_tells_who_has_died(facts: Mapping[str, Any], *, alive: bool) -> None:
    clinic = Clinic()
    clinic.ehr.listed = [replace(CHARTED, **facts)]
    await clinic.linker.run(TENANT)

    assert (await standing(clinic)).facts.relationships == ({"self"} if alive else set())


async def test_a_patient_merged_in_the_ehr_stands_to_nobody_until_unmerged() -> None:
    clinic = Clinic()
    clinic.ehr.listed = [replace(CHARTED, replaced_by="e2"), person(EHR, "e2", mrn="M-200")]
    await clinic.linker.run(TENANT)
    patient = (await clinic.patients())["e1"]
    assert await clinic.crosswalk.standings_of(ADA, [patient], at=NOON) == {}

    clinic.ehr.listed[0] = CHARTED
    await clinic.linker.run(TENANT)
    assert (await standing(clinic)).sources == {EHR: ("e1",), BILLING: ("b1",)}


async def test_what_cannot_be_kept_of_labels_and_consents_restricts_more() -> None:
    clinic = Clinic()
    clinic.ehr.listed = [replace(CHARTED, labels=frozenset({"VIP\x00"}))]
    clinic.ehr.visited = [visit("\ud800"), visit("PSY", number="\x00")]
    clinic.ehr.consented = [replace(denial(), consent_id="\x00"), denial(source_id="\x00")]
    await clinic.linker.run(TENANT)
    found = await standing(clinic)

    assert found.facts.labels == {"unreadable"}
    assert found.visits == {"v-1": {"unreadable"}}
    assert found.facts.consent == {denial().provision}


@pytest.mark.parametrize("told", ["visited", "consented"])
async def test_a_visit_or_consent_in_anothers_name_is_not_believed(told: str) -> None:
    clinic = Clinic()
    setattr(clinic.billing, told, [visit("PSY") if told == "visited" else denial()])
    run = await clinic.linker.run(TENANT)

    assert run.failed == {BILLING}
    assert (await standing(clinic)).facts.consent == set()


async def test_consents_are_refreshed_between_rounds_and_nothing_else_is() -> None:
    clinic = Clinic()
    await clinic.linker.run(TENANT)
    clinic.ehr.consented = [denial()]
    clinic.ehr.listed = [replace(CHARTED, labels=frozenset({"VIP"}))]
    clinic.billing.consented = [denial(BILLING, "b1", tags=frozenset({"FINANCIAL"}))]
    await clinic.linker.refresh_consents(TENANT)
    assert (await standing(clinic)).facts == Facts(frozenset({"self"}), frozenset(), frozenset({denial().provision}))

    clinic.ehr.consented = []
    await clinic.linker.refresh_consents(TENANT)
    assert (await standing(clinic)).facts.consent == set()


async def test_consents_that_cannot_be_refreshed_stay_as_they_were() -> None:
    clinic = Clinic()
    clinic.ehr.consented = [denial()]
    await clinic.linker.run(TENANT)
    clinic.ehr.down = True
    with pytest.raises(SourceUnavailable):
        await clinic.linker.refresh_consents(TENANT)
    clinic.ehr.down, clinic.ehr.consented = False, [denial(BILLING, "b1")]
    with pytest.raises(SourceInvalid):
        await clinic.linker.refresh_consents(TENANT)

    assert (await standing(clinic)).facts.consent == {denial().provision}


async def test_an_older_reading_of_consents_is_never_written_after_a_newer_one() -> None:
    clinic = Clinic()
    linker = clinic.linker
    for _ in range(20):
        clinic.ehr.consented = []
        rounds = [asyncio.create_task(linker.run(TENANT)), asyncio.create_task(linker.refresh_consents(TENANT))]
        await asyncio.sleep(0)
        clinic.ehr.consented = [denial()]
        await asyncio.gather(*rounds, linker.refresh_consents(TENANT))
        assert (await standing(clinic)).facts.consent == {denial().provision}

"""Consents: what is in force at the instant of asking, and concerns whoever asks."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from portico.records.consent import Consent, ConsentKind, Provision
from portico.records.references import PatientId
from portico.store.consents import DENY_ALL, PORTICO, ConsentId
from portico.store.crosswalk import Crosswalk, CrosswalkConfig
from portico.store.database import Database
from portico.store.postgres import PostgresCrosswalk
from tests.unit.store.world import (
    ADA,
    BEN,
    BILLING,
    CLEO,
    DAY,
    EHR,
    EVERYONE,
    HARBOR,
    MOMENT,
    NOBODY,
    NOON,
    PHYSICIAN,
    RIVERBEND,
    consent,
    identity,
    planning,
    provision,
    wishes,
)

DENIAL = provision(purposes=["TREAT"])
PERMIT = provision(ConsentKind.PERMIT, purposes=["HRESCH"], roles=["researcher"], tags=["CLINICAL"], labels=["SUD"])
KINDS = tuple(provision(kind) for kind in ConsentKind)


async def tell(crosswalk: Crosswalk, *consents: Consent) -> None:
    await crosswalk.replace_consents(RIVERBEND, {EHR: consents})


async def test_a_provision_says_the_same_whether_a_source_or_portico_keeps_it(linked: Crosswalk) -> None:
    await tell(linked, consent("e-ada", PERMIT), consent("e-ben", DENIAL))
    await linked.record_consent(RIVERBEND, BEN, PERMIT, by="usr-ben")

    assert await wishes(linked, NOBODY, ADA) == {PERMIT}
    assert await wishes(linked, NOBODY, BEN) == {PERMIT, DENIAL}
    assert await wishes(linked, NOBODY, CLEO) == set()


async def test_patients_with_like_consents_are_of_one_class(linked: Crosswalk) -> None:
    await tell(linked, consent("e-ada", DENIAL, start=NOON - DAY), consent("e-ada", DENIAL), consent("e-ada", PERMIT))
    await linked.record_consent(RIVERBEND, BEN, PERMIT, by="usr-ben")
    await linked.record_consent(RIVERBEND, BEN, DENIAL, by="usr-nobody", parties=frozenset({"subject usr-nobody"}))
    found = await linked.standings_of(NOBODY, [ADA, BEN], at=NOON)

    assert found[ADA].facts == found[BEN].facts


@pytest.mark.parametrize(
    ("start", "end", "holds"),
    [
        (None, None, True),
        (NOON, NOON, True),
        (NOON - DAY, None, True),
        (None, NOON + DAY, True),
        (NOON + MOMENT, None, False),
        (None, NOON - MOMENT, False),
    ],
)
@pytest.mark.parametrize("given", KINDS, ids=lambda given: given.kind)
async def test_a_consents_period_is_judged_at_the_instant_of_asking(
    linked: Crosswalk, given: Provision, start: datetime | None, end: datetime | None, *, holds: bool
) -> None:
    await tell(linked, consent("e-ada", given, start=start, end=end))
    await linked.record_consent(RIVERBEND, BEN, given, by="usr-ben", start=start, end=end)

    assert await wishes(linked, NOBODY, ADA) == ({given} if holds else set())
    assert await wishes(linked, NOBODY, BEN) == ({given} if holds else set())


@pytest.mark.parametrize(
    ("parties", "concerned"),
    [
        ((), True),
        (("npi 1234567893",), True),
        (("organization org-main",), True),
        (("subject usr-physician",), True),
        (("npi 1999999999", "subject usr-physician"), True),
        (("npi 1999999999", "organization org-other", "subject usr-other"), False),
        (("subject 1234567893",), False),
        (("npi org-main",), False),
        (("npi 123456789",), False),
    ],
)
@pytest.mark.parametrize("given", KINDS, ids=lambda given: given.kind)
async def test_a_provision_for_parties_concerns_them_and_nobody_else(
    linked: Crosswalk, given: Provision, parties: tuple[str, ...], *, concerned: bool
) -> None:
    await tell(linked, consent("e-ada", given, *parties))
    await linked.record_consent(RIVERBEND, BEN, given, by="usr-ben", parties=frozenset(parties))

    assert await wishes(linked, PHYSICIAN, ADA) == ({given} if concerned else set())
    assert await wishes(linked, PHYSICIAN, BEN) == ({given} if concerned else set())


@pytest.mark.parametrize(
    "spoilt",
    [
        {"parties": frozenset({"npi 1999999999", "practitioner d-1"})},
        {"parties": frozenset({"npi \ud800"})},
        {"start": NOON + DAY, "end": NOON - DAY},
    ],
    ids=["unknown kind of party", "unspeakable party", "ends before it begins"],
)
async def test_what_is_not_understood_denies_everyone_always_and_permits_nobody(
    linked: Crosswalk, spoilt: dict[str, Any]
) -> None:
    permit = provision(ConsentKind.PERMIT)
    await tell(
        linked,
        *(replace(consent("e-ada", given), **spoilt) for given in (DENIAL, permit)),
        replace(consent("e-ben", provision(ConsentKind.OPT_IN)), **spoilt),
    )

    assert await wishes(linked, NOBODY, ADA) == {DENIAL}
    assert await wishes(linked, NOBODY, BEN) == {provision(ConsentKind.OPT_IN)}


async def test_a_restriction_in_words_that_cannot_be_kept_denies_everything(linked: Crosswalk) -> None:
    await tell(linked, *(consent("e-ada", provision(kind, tags=["CLINICAL\x00"])) for kind in ConsentKind))

    assert await wishes(linked, NOBODY, ADA) == {DENY_ALL}


async def test_a_source_that_tells_its_consents_anew_replaces_its_own_alone(linked: Crosswalk) -> None:
    await linked.replace_consents(
        RIVERBEND,
        {EHR: [consent("e-ada", DENIAL)], BILLING: [replace(consent("b-ada", PERMIT), source=BILLING)]},
    )
    await linked.record_consent(RIVERBEND, ADA, provision(), by="usr-ada")
    await tell(linked, consent("e-ben", DENIAL))

    assert await wishes(linked, NOBODY, ADA) == {PERMIT, provision()}
    assert await wishes(linked, NOBODY, BEN) == {DENIAL}


async def test_a_synchronisation_brings_consents_along(linked: Crosswalk) -> None:
    told = {EHR: [consent("e-ada", DENIAL), consent("e-new", DENIAL)]}
    await linked.synchronize(RIVERBEND, plan=planning(), relations={}, consents=told)
    assert await wishes(linked, NOBODY, ADA) == {DENIAL}

    await linked.synchronize(RIVERBEND, plan=planning(*EVERYONE, identity("e-new", NEWCOMER)), relations={})
    assert await wishes(linked, NOBODY, NEWCOMER) == {DENIAL}


NEWCOMER = PatientId(str(UUID(int=77)))


async def test_a_revoked_consent_is_none_and_stays_in_the_history(linked: Crosswalk) -> None:
    made = await linked.record_consent(RIVERBEND, ADA, DENIAL, by="usr-ada", end=NOON + DAY)
    assert made
    assert await linked.revoke_consent(RIVERBEND, made, patient=ADA, by="usr-guardian")
    assert await wishes(linked, NOBODY, ADA) == set()
    (first,) = await linked.consents_of(RIVERBEND, ADA)
    assert await linked.revoke_consent(RIVERBEND, made, patient=ADA, by="usr-ada")
    (second,) = await linked.consents_of(RIVERBEND, ADA)

    assert second == first
    assert (first.recorded_by, first.revoked_by) == ("usr-ada", "usr-guardian")
    assert first.revoked_at
    assert first.recorded_at <= first.revoked_at
    assert first.consent == Consent(source=PORTICO, source_id=ADA, consent_id=made, provision=DENIAL, end=NOON + DAY)


async def test_a_patients_consents_are_told_with_those_of_the_sources(linked: Crosswalk) -> None:
    await tell(linked, consent("e-ada", PERMIT, "npi 1234567893", start=NOON), consent("e-ben", PERMIT))
    await linked.record_consent(RIVERBEND, ADA, DENIAL, by="usr-ada")
    theirs, own = await linked.consents_of(RIVERBEND, ADA)

    assert theirs.consent == consent("e-ada", PERMIT, "npi 1234567893", start=NOON)
    assert (theirs.recorded_by, theirs.revoked_at) == (None, None)
    assert own.consent.source == PORTICO
    assert list(await linked.consents_of(HARBOR, ADA)) == []
    assert list(await linked.consents_of(RIVERBEND, PatientId("ada"))) == []


async def test_what_a_source_tells_again_has_been_known_since_it_told_it_first(linked: Crosswalk) -> None:
    await tell(linked, consent("e-ada", PERMIT))
    (before,) = await linked.consents_of(RIVERBEND, ADA)
    await tell(linked, consent("e-ada", PERMIT), consent("e-ben", PERMIT))

    assert list(await linked.consents_of(RIVERBEND, ADA)) == [before]


async def test_nobody_revokes_anothers_consent(linked: Crosswalk) -> None:
    made = await linked.record_consent(RIVERBEND, ADA, DENIAL, by="usr-ada")
    assert made

    assert not await linked.revoke_consent(RIVERBEND, made, patient=BEN, by="usr-ben")
    assert not await linked.revoke_consent(HARBOR, made, patient=ADA, by="usr-ada")
    assert not await linked.revoke_consent(RIVERBEND, ConsentId(str(UUID(int=5))), patient=ADA, by="usr-ada")
    assert not await linked.revoke_consent(RIVERBEND, ConsentId("c-e-ada"), patient=ADA, by="usr-ada")
    assert await wishes(linked, NOBODY, ADA) == {DENIAL}


@pytest.mark.parametrize(
    ("patient", "given", "others"),
    [
        (PatientId(str(UUID(int=99))), DENIAL, {}),
        (PatientId("ada"), DENIAL, {}),
        (ADA, provision(tags=["\x00"]), {}),
        (ADA, DENIAL, {"parties": frozenset({"somebody"})}),
        (ADA, DENIAL, {"start": NOON, "end": NOON - DAY}),
        (ADA, DENIAL, {"by": ""}),
    ],
)
async def test_a_consent_that_cannot_be_kept_exactly_is_not_kept(
    linked: Crosswalk, patient: PatientId, given: Provision, others: dict[str, Any]
) -> None:
    assert await linked.record_consent(RIVERBEND, patient, given, **{"by": "usr-ada", **others}) is None
    assert list(await linked.consents_of(RIVERBEND, ADA)) == []


@pytest.mark.usefixtures("postgres_crosswalk")
async def test_the_application_can_change_nothing_of_a_consent_but_revoke_it_once(shared: Database) -> None:
    crosswalk = PostgresCrosswalk(shared, CrosswalkConfig())
    await crosswalk.synchronize(RIVERBEND, plan=planning(*EVERYONE), relations={})
    made = await crosswalk.record_consent(RIVERBEND, ADA, DENIAL, by="usr-ada")
    assert made
    await crosswalk.revoke_consent(RIVERBEND, made, patient=ADA, by="usr-ada")

    for change in (
        "update portico.consent set revoked_at = null, revoked_by = null",
        "update portico.consent set revoked_at = now()",
        'update portico.consent set provision = \'{"kind": "permit"}\'',
        "update portico.consent set patient = gen_random_uuid()",
        "delete from portico.consent",
        "truncate portico.consent",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await shared.fetch(change)

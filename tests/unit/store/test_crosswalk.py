"""The crosswalk's contract, kept by the one in Postgres and by the one in memory alike."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import asyncpg
import pytest

from portico.access.principal import Principal, PrincipalKind
from portico.records.people import Relation, RelationKind
from portico.records.references import PatientId, SourceName, Tenant
from portico.store.crosswalk import (
    Assurance,
    Crosswalk,
    CrosswalkConfig,
    Link,
    LinkPlan,
    Reason,
    Rule,
    Unlinked,
)
from portico.store.database import Database, DatabaseConfig
from portico.store.memory import MemoryCrosswalk
from portico.store.migration import migrate
from portico.store.postgres import PostgresCrosswalk

RIVERBEND, HARBOR = Tenant("riverbend"), Tenant("harbor")
EHR, SCHEDULING, BILLING = SourceName("ehr"), SourceName("scheduling"), SourceName("billing")
ADA, BEN, CLEO = (PatientId(str(UUID(int=number))) for number in (1, 2, 3))
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)

NOBODY = Principal(
    subject="usr-nobody",
    kind=PrincipalKind.PERSON,
    tenant=RIVERBEND,
    roles=frozenset(),
    purposes=frozenset(),
    client="portal",
    expires_at=0,
)
PHYSICIAN = replace(NOBODY, subject="usr-physician", npi="1234567893", organization="org-main")


def identity(source_id: str, patient: PatientId) -> Link:
    return Link(source=EHR, source_id=source_id, patient=patient, assurance=Assurance.EXACT, rule=Rule.IDENTITY)


def exact(source: SourceName, source_id: str, patient: PatientId) -> Link:
    return Link(source=source, source_id=source_id, patient=patient, assurance=Assurance.EXACT, rule=Rule.EXACT)


def weak(source: SourceName, source_id: str, patient: PatientId) -> Link:
    return replace(exact(source, source_id, patient), assurance=Assurance.WEAK)


def planning(*links: Link, unlinked: Sequence[Unlinked] = ()) -> Callable[[Sequence[Link]], LinkPlan]:
    """A plan that was made elsewhere."""
    sources = frozenset(item.source for item in (*links, *unlinked))
    return lambda _: LinkPlan(sources=sources, links=links, unlinked=tuple(unlinked))


def care(source_id: str, npi: str = "1234567893", **period: datetime) -> Relation:
    return Relation(source=EHR, source_id=source_id, kind=RelationKind.CARE_TEAM, party=npi, **period)


EVERYONE = (
    identity("e-ada", ADA),
    identity("e-ben", BEN),
    identity("e-cleo", CLEO),
    exact(SCHEDULING, "s-ada", ADA),
    exact(BILLING, "b-ada", ADA),
    exact(BILLING, "b-ada-again", ADA),
    exact(BILLING, "b-ben", BEN),
)


@pytest.fixture
def memory_crosswalk() -> Crosswalk:
    return MemoryCrosswalk()


@pytest.fixture(scope="module")
async def shared(postgres: Callable[[str], str]) -> AsyncIterator[Database]:
    """One migrated database for the whole suite; a database for each test would take most of its time."""
    admin = await asyncpg.connect(postgres("postgres"))
    await admin.execute("create database crosswalk_suite")
    await admin.close()
    await migrate(postgres("crosswalk_suite"))
    database = await Database.open(
        DatabaseConfig(url=postgres("crosswalk_suite").replace("postgres:@", "portico_app@"), pool_size=4)
    )
    try:
        yield database
    finally:
        await database.aclose()


@pytest.fixture
async def postgres_crosswalk(shared: Database, postgres: Callable[[str], str]) -> AsyncIterator[Crosswalk]:
    yield PostgresCrosswalk(shared, CrosswalkConfig())
    owner = await asyncpg.connect(postgres("crosswalk_suite"))
    await owner.execute(
        "truncate portico.patient, portico.link, portico.unlinked, portico.relation, portico.guardianship"
    )
    await owner.close()


@pytest.fixture(params=["memory", "postgres"])
def crosswalk(request: pytest.FixtureRequest) -> Crosswalk:
    found: Crosswalk = request.getfixturevalue(f"{request.param}_crosswalk")
    return found


@pytest.fixture
async def linked(crosswalk: Crosswalk) -> Crosswalk:
    await crosswalk.synchronize(RIVERBEND, plan=planning(*EVERYONE), relations={})
    return crosswalk


async def relationships(
    crosswalk: Crosswalk, principal: Principal, patient: PatientId, at: datetime = NOON
) -> set[str]:
    return set((await crosswalk.standings_of(principal, [patient], at=at))[patient].relationships)


async def relate(crosswalk: Crosswalk, relations: Collection[Relation], source: SourceName = EHR) -> None:
    await crosswalk.synchronize(RIVERBEND, plan=planning(), relations={source: relations})


async def test_a_standing_names_a_patient_and_their_ids_in_every_source(linked: Crosswalk) -> None:
    standing = (await linked.standings(NOBODY, source=SCHEDULING, source_ids=["s-ada"], at=NOON))["s-ada"]

    assert standing.patient == ADA
    assert standing.relationships == frozenset()
    assert standing.sources == {EHR: ("e-ada",), SCHEDULING: ("s-ada",), BILLING: ("b-ada", "b-ada-again")}


async def test_two_ids_of_one_patient_have_the_same_standing(linked: Crosswalk) -> None:
    found = await linked.standings(NOBODY, source=BILLING, source_ids=["b-ada", "b-ada-again", "b-ben"], at=NOON)

    assert {id_: standing.patient for id_, standing in found.items()} == {
        "b-ada": ADA,
        "b-ada-again": ADA,
        "b-ben": BEN,
    }


async def test_only_the_ids_that_were_asked_for_are_answered(linked: Crosswalk) -> None:
    assert set(await linked.standings(NOBODY, source=BILLING, source_ids=["b-ada"], at=NOON)) == {"b-ada"}


@pytest.mark.parametrize("id_", ["never-issued", "e-ada", "", "b-ada\x00", "\ud800", "b-ada' or true --", "%"])
async def test_an_id_that_the_source_never_linked_is_absent(linked: Crosswalk, id_: str) -> None:
    assert await linked.standings(NOBODY, source=BILLING, source_ids=[id_], at=NOON) == {}


@pytest.mark.parametrize("id_", [str(UUID(int=99)), "ada", "", str(UUID(int=1)).replace("-", ""), "{" + str(ADA) + "}"])
async def test_what_is_no_canonical_id_of_the_tenant_is_absent(linked: Crosswalk, id_: str) -> None:
    assert await linked.standings_of(NOBODY, [PatientId(id_)], at=NOON) == {}


async def test_nothing_asked_is_nothing_answered(linked: Crosswalk) -> None:
    assert await linked.standings(PHYSICIAN, source=EHR, source_ids=[], at=NOON) == {}
    assert await linked.standings_of(PHYSICIAN, [], at=NOON) == {}
    assert list(await linked.related(PHYSICIAN, [], at=NOON, limit=10)) == []
    assert await linked.identify(RIVERBEND, EHR, []) == {}


async def test_a_principal_is_self_to_the_patient_of_their_token(linked: Crosswalk) -> None:
    ada = replace(NOBODY, patients=frozenset({"e-ada"}))

    assert await relationships(linked, ada, ADA) == {"self"}
    assert await relationships(linked, ada, BEN) == set()


async def test_an_id_of_another_source_makes_nobody_self(linked: Crosswalk) -> None:
    assert await relationships(linked, replace(NOBODY, patients=frozenset({"b-ada"})), ADA) == set()


@pytest.mark.parametrize(
    ("kind", "party", "relationship"),
    [
        (RelationKind.CARE_TEAM, "1234567893", "care_team"),
        (RelationKind.SCHEDULED, "1234567893", "scheduled"),
        (RelationKind.ORGANIZATION, "org-main", "same_organization"),
    ],
)
async def test_a_sources_relation_makes_its_relationship_for_its_party_alone(
    linked: Crosswalk, kind: RelationKind, party: str, relationship: str
) -> None:
    await relate(linked, [Relation(source=EHR, source_id="e-ada", kind=kind, party=party)])

    assert await relationships(linked, PHYSICIAN, ADA) == {relationship}
    assert await relationships(linked, PHYSICIAN, BEN) == set()
    assert await relationships(linked, replace(PHYSICIAN, npi="1999999999", organization="org-other"), ADA) == set()


async def test_npi_and_organization_are_not_taken_for_each_other(linked: Crosswalk) -> None:
    await relate(linked, [care("e-ada", "org-main")])

    assert await relationships(linked, PHYSICIAN, ADA) == set()


async def test_all_relationships_to_one_patient_are_told(linked: Crosswalk) -> None:
    kinds = {RelationKind.CARE_TEAM: "1234567893", RelationKind.ORGANIZATION: "org-main"}
    await relate(
        linked, [Relation(source=EHR, source_id="e-ada", kind=kind, party=party) for kind, party in kinds.items()]
    )
    ada_herself = replace(PHYSICIAN, patients=frozenset({"e-ada"}))

    assert await relationships(linked, ada_herself, ADA) == {"self", "care_team", "same_organization"}


async def test_nothing_follows_from_attributes_that_a_principal_lacks(linked: Crosswalk) -> None:
    await relate(linked, [care("e-ada"), replace(care("e-ada", "org-main"), kind=RelationKind.ORGANIZATION)])

    assert await relationships(linked, NOBODY, ADA) == set()
    assert await relationships(linked, replace(NOBODY, npi="", organization=""), ADA) == set()


@pytest.mark.parametrize(
    ("start", "end", "holds"),
    [
        (None, None, True),
        (NOON, NOON, True),
        (NOON - DAY, None, True),
        (None, NOON + DAY, True),
        (NOON + timedelta(microseconds=1), None, False),
        (None, NOON - timedelta(microseconds=1), False),
        (NOON + DAY, NOON - DAY, False),
    ],
)
async def test_a_period_is_judged_at_the_instant_of_asking_both_ends_inclusive(
    linked: Crosswalk, start: datetime | None, end: datetime | None, *, holds: bool
) -> None:
    await relate(linked, [replace(care("e-ada"), start=start, end=end)])
    await linked.grant_guardianship(RIVERBEND, guardian="usr-physician", patient=ADA, start=start, end=end)

    assert await relationships(linked, PHYSICIAN, ADA) == ({"care_team", "guardian"} if holds else set())


async def test_several_periods_of_one_relation_count_each(linked: Crosswalk) -> None:
    await relate(linked, [care("e-ada", end=NOON - DAY), care("e-ada", start=NOON + DAY)])

    assert await relationships(linked, PHYSICIAN, ADA, NOON - 2 * DAY) == {"care_team"}
    assert await relationships(linked, PHYSICIAN, ADA, NOON) == set()
    assert await relationships(linked, PHYSICIAN, ADA, NOON + 2 * DAY) == {"care_team"}


async def test_a_link_below_the_minimum_is_not_followed_by_anything(linked: Crosswalk) -> None:
    await linked.synchronize(
        RIVERBEND,
        plan=planning(weak(SCHEDULING, "s-ben", BEN)),
        relations={SCHEDULING: [replace(care("s-ben"), source=SCHEDULING, kind=RelationKind.SCHEDULED)]},
    )

    assert await linked.standings(PHYSICIAN, source=SCHEDULING, source_ids=["s-ben"], at=NOON) == {}
    assert await linked.identify(RIVERBEND, SCHEDULING, ["s-ben"]) == {}
    assert (await linked.standings_of(PHYSICIAN, [BEN], at=NOON))[BEN].sources == {EHR: ("e-ben",), BILLING: ("b-ben",)}
    assert await relationships(linked, PHYSICIAN, BEN) == set()
    assert list(await linked.related(PHYSICIAN, ["scheduled"], at=NOON, limit=10)) == []


@pytest.mark.usefixtures("postgres_crosswalk")
async def test_the_minimum_is_configurable(shared: Database) -> None:
    strict = CrosswalkConfig(minimum_assurance=Assurance.EXACT)
    for crosswalk in (MemoryCrosswalk(strict), PostgresCrosswalk(shared, strict)):
        close = replace(exact(BILLING, "b-ada", ADA), assurance=Assurance.CLOSE, rule=Rule.CLOSE_NAME)
        await crosswalk.synchronize(RIVERBEND, plan=planning(identity("e-ada", ADA), close), relations={})
        assert (await crosswalk.standings_of(NOBODY, [ADA], at=NOON))[ADA].sources == {EHR: ("e-ada",)}


async def test_a_relation_waits_for_its_record_to_be_linked(linked: Crosswalk) -> None:
    await relate(linked, [replace(care("s-ben"), source=SCHEDULING, kind=RelationKind.SCHEDULED)], SCHEDULING)
    assert await relationships(linked, PHYSICIAN, BEN) == set()

    await linked.synchronize(
        RIVERBEND, plan=planning(exact(SCHEDULING, "s-ben", BEN), exact(SCHEDULING, "s-ada", ADA)), relations={}
    )
    assert await relationships(linked, PHYSICIAN, BEN) == {"scheduled"}


async def test_a_sources_relation_is_not_anothers(linked: Crosswalk) -> None:
    await relate(linked, [replace(care("e-ada"), source=BILLING)], BILLING)

    assert await relationships(linked, PHYSICIAN, ADA) == set()


async def test_relations_are_replaced_by_source(linked: Crosswalk) -> None:
    scheduled = replace(care("s-ada"), source=SCHEDULING, kind=RelationKind.SCHEDULED)
    await linked.synchronize(RIVERBEND, plan=planning(), relations={EHR: [care("e-ben")], SCHEDULING: [scheduled]})
    await relate(linked, [care("e-ada"), care("e-ada")])

    assert await relationships(linked, PHYSICIAN, ADA) == {"care_team", "scheduled"}
    assert await relationships(linked, PHYSICIAN, BEN) == set()


async def test_guardians_are_granted_and_revoked_at_once(linked: Crosswalk) -> None:
    guardian = replace(NOBODY, subject="usr-guardian")
    granted = await linked.grant_guardianship(RIVERBEND, guardian="usr-guardian", patient=ADA, start=None, end=None)

    assert granted
    assert await relationships(linked, guardian, ADA) == {"guardian"}
    assert await relationships(linked, NOBODY, ADA) == set()
    assert await linked.revoke_guardianship(RIVERBEND, guardian="usr-guardian", patient=ADA)
    assert await relationships(linked, guardian, ADA) == set()
    assert not await linked.revoke_guardianship(RIVERBEND, guardian="usr-guardian", patient=ADA)


async def test_a_new_period_replaces_a_guardianships_old_one(linked: Crosswalk) -> None:
    guardian = replace(NOBODY, subject="usr-guardian")
    for end in (None, NOON - DAY):
        await linked.grant_guardianship(RIVERBEND, guardian="usr-guardian", patient=ADA, start=None, end=end)

    assert await relationships(linked, guardian, ADA) == set()


async def test_guardianships_outlast_a_synchronisation(linked: Crosswalk) -> None:
    await linked.grant_guardianship(RIVERBEND, guardian="usr-nobody", patient=ADA, start=None, end=None)
    await linked.synchronize(RIVERBEND, plan=planning(*EVERYONE), relations={EHR: [], SCHEDULING: [], BILLING: []})

    assert await relationships(linked, NOBODY, ADA) == {"guardian"}


@pytest.mark.parametrize("patient", [str(UUID(int=99)), "ada"])
async def test_nobody_becomes_guardian_of_an_unknown_patient(linked: Crosswalk, patient: str) -> None:
    unknown = PatientId(patient)

    assert not await linked.grant_guardianship(RIVERBEND, guardian="g", patient=unknown, start=None, end=None)
    assert not await linked.revoke_guardianship(RIVERBEND, guardian="g", patient=unknown)


async def test_related_lists_in_the_order_of_canonical_ids_and_in_pages(linked: Crosswalk) -> None:
    await relate(linked, [care("e-cleo"), care("e-ada"), care("e-ben")])

    everyone = await linked.related(PHYSICIAN, ["care_team"], at=NOON, limit=10)
    first = await linked.related(PHYSICIAN, ["care_team"], at=NOON, limit=2)
    rest = await linked.related(PHYSICIAN, ["care_team"], at=NOON, limit=2, after=first[-1].patient)

    assert [standing.patient for standing in everyone] == [ADA, BEN, CLEO]
    assert [*first, *rest] == list(everyone)


async def test_related_is_about_any_of_the_relationships_and_tells_all_of_them(linked: Crosswalk) -> None:
    await relate(linked, [care("e-ada")])
    doctor_ben = replace(PHYSICIAN, patients=frozenset({"e-ben", "e-ada"}))

    found = await linked.related(doctor_ben, ["care_team"], at=NOON, limit=10)
    both = await linked.related(doctor_ben, ["care_team", "self"], at=NOON, limit=10)

    assert {standing.patient: standing.relationships for standing in found} == {ADA: {"care_team", "self"}}
    assert [standing.patient for standing in both] == [ADA, BEN]


@pytest.mark.parametrize("unknown", ["assigned", "emergency", "none", "", "care_team'--"])
async def test_nobody_stands_in_an_unknown_relationship(linked: Crosswalk, unknown: str) -> None:
    await relate(linked, [care("e-ada")])

    assert list(await linked.related(PHYSICIAN, [unknown], at=NOON, limit=10)) == []


async def test_nothing_crosses_from_one_tenant_to_another(linked: Crosswalk) -> None:
    await relate(linked, [care("e-ada")])
    await linked.grant_guardianship(RIVERBEND, guardian="usr-physician", patient=ADA, start=None, end=None)
    elsewhere = replace(PHYSICIAN, tenant=HARBOR, patients=frozenset({"e-ada"}))

    assert await linked.standings(elsewhere, source=EHR, source_ids=["e-ada"], at=NOON) == {}
    assert await linked.standings_of(elsewhere, [ADA], at=NOON) == {}
    assert list(await linked.related(elsewhere, ["self", "care_team", "guardian"], at=NOON, limit=10)) == []
    assert await linked.identify(HARBOR, EHR, ["e-ada"]) == {}
    assert not await linked.grant_guardianship(HARBOR, guardian="g", patient=ADA, start=None, end=None)
    assert not await linked.revoke_guardianship(HARBOR, guardian="usr-physician", patient=ADA)


async def test_the_same_ids_mean_different_patients_in_different_tenants(linked: Crosswalk) -> None:
    await linked.synchronize(HARBOR, plan=planning(identity("e-ada", CLEO)), relations={EHR: [care("e-ada")]})

    assert await linked.identify(HARBOR, EHR, ["e-ada"]) == {"e-ada": CLEO}
    assert await linked.identify(RIVERBEND, EHR, ["e-ada"]) == {"e-ada": ADA}
    assert await relationships(linked, PHYSICIAN, ADA) == set()


async def test_a_plan_is_given_every_link_of_the_tenant_and_is_returned(linked: Crosswalk) -> None:
    await linked.synchronize(HARBOR, plan=planning(identity("h-1", ADA)), relations={})
    given: list[Link] = []

    def plan(existing: Sequence[Link]) -> LinkPlan:
        given.extend(existing)
        return LinkPlan(sources=frozenset())

    assert await linked.synchronize(RIVERBEND, plan=plan, relations={}) == LinkPlan(sources=frozenset())
    assert given == sorted(EVERYONE, key=lambda link: (link.source, link.source_id))


async def test_links_of_planned_sources_are_replaced_and_others_stay(linked: Crosswalk) -> None:
    await linked.synchronize(RIVERBEND, plan=planning(exact(BILLING, "b-new", CLEO)), relations={})

    assert await linked.identify(RIVERBEND, BILLING, ["b-ada", "b-ben", "b-new"]) == {"b-new": CLEO}
    assert await linked.identify(RIVERBEND, SCHEDULING, ["s-ada"]) == {"s-ada": ADA}


async def test_a_canonical_id_is_never_dropped_or_moved(linked: Crosswalk) -> None:
    await linked.synchronize(RIVERBEND, plan=planning(identity("e-ben", CLEO)), relations={})

    assert await linked.identify(RIVERBEND, EHR, ["e-ada", "e-ben"]) == {"e-ada": ADA, "e-ben": BEN}


async def test_the_unlinked_are_listed_until_they_are_linked(linked: Crosswalk) -> None:
    ambiguous = Unlinked(source=BILLING, source_id="b-1", reason=Reason.AMBIGUOUS, candidates=(ADA, BEN))
    unknown = Unlinked(source=BILLING, source_id="b-2", reason=Reason.NOT_IN_EHR)
    await linked.synchronize(RIVERBEND, plan=planning(unlinked=[unknown, ambiguous]), relations={})
    assert list(await linked.unlinked(RIVERBEND)) == [ambiguous, unknown]
    assert list(await linked.unlinked(HARBOR)) == []

    clearer = replace(ambiguous, reason=Reason.NAME_MISMATCH, candidates=(ADA,))
    await linked.synchronize(RIVERBEND, plan=planning(exact(BILLING, "b-2", CLEO), unlinked=[clearer]), relations={})
    assert list(await linked.unlinked(RIVERBEND)) == [clearer]


async def test_a_failing_plan_changes_nothing(linked: Crosswalk) -> None:
    def failing(_: Sequence[Link]) -> LinkPlan:
        raise LookupError

    with pytest.raises(LookupError):
        await linked.synchronize(RIVERBEND, plan=failing, relations={EHR: [care("e-ada")]})

    assert await relationships(linked, PHYSICIAN, ADA) == set()


async def test_a_reader_never_sees_half_a_synchronisation(linked: Crosswalk) -> None:
    worlds = [
        (exact(BILLING, "b-1", ADA), exact(SCHEDULING, "s-1", ADA)),
        (exact(BILLING, "b-1", BEN), exact(SCHEDULING, "s-1", BEN)),
    ]
    done = asyncio.Event()

    async def write() -> None:
        for turn in range(60):
            links = worlds[turn % 2]
            npi = ("1234567893", "1999999999")[turn % 2]
            await linked.synchronize(RIVERBEND, plan=planning(*links), relations={EHR: [care("e-ada", npi)]})
            await asyncio.sleep(0)
        done.set()

    async def read() -> int:
        seen = 0
        while not done.is_set():
            standings = await linked.standings_of(PHYSICIAN, [ADA, BEN], at=NOON)
            holders = [patient for patient, found in standings.items() if BILLING in found.sources]
            assert [patient for patient, found in standings.items() if SCHEDULING in found.sources] == holders
            if holders and standings[ADA].relationships:
                assert holders == [ADA]
            seen += 1
            await asyncio.sleep(0)
        return seen

    await linked.synchronize(RIVERBEND, plan=planning(*worlds[1]), relations={})
    _, *reads = await asyncio.gather(write(), read(), read())
    assert all(reads)


async def test_two_synchronisations_at_once_give_a_person_one_canonical_id(crosswalk: Crosswalk) -> None:
    fresh = iter((ADA, BEN, CLEO, *(PatientId(str(UUID(int=number))) for number in range(50, 60))))

    def plan(existing: Sequence[Link]) -> LinkPlan:
        patient = next((old.patient for old in existing), None) or next(fresh)
        return LinkPlan(sources=frozenset({EHR}), links=(identity("e-1", patient),))

    plans = await asyncio.gather(*(crosswalk.synchronize(RIVERBEND, plan=plan, relations={}) for _ in range(4)))

    assert {link.patient for made in plans for link in made.links} == {ADA}


async def test_a_revocation_counts_for_every_read_that_starts_after_it(linked: Crosswalk) -> None:
    guardian = replace(NOBODY, subject="usr-guardian")
    for _ in range(100):
        await linked.grant_guardianship(RIVERBEND, guardian="usr-guardian", patient=ADA, start=None, end=None)
        reading = asyncio.gather(*(relationships(linked, guardian, ADA) for _ in range(3)))
        await linked.revoke_guardianship(RIVERBEND, guardian="usr-guardian", patient=ADA)
        assert await relationships(linked, guardian, ADA) == set()
        await reading

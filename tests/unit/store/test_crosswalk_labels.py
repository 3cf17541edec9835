"""Labels: what any linked source says is sensitive of a patient, or of a visit."""

from __future__ import annotations

from dataclasses import replace

from portico.access.decisions import Facts
from portico.records.people import RelationKind, SensitiveVisit
from portico.records.references import SourceName
from portico.store.crosswalk import Crosswalk, PersonFacts
from tests.unit.store.world import (
    ADA,
    BEN,
    BILLING,
    EHR,
    HARBOR,
    NOBODY,
    NOON,
    PHYSICIAN,
    RIVERBEND,
    SCHEDULING,
    care,
    consent,
    identity,
    learn,
    planning,
    provision,
    standing,
    weak,
)


def visit(source_id: str, number: str, *labels: str, source: SourceName = EHR) -> SensitiveVisit:
    return SensitiveVisit(source=source, source_id=source_id, visit=number, labels=frozenset(labels))


async def visits(crosswalk: Crosswalk, *told: SensitiveVisit, source: SourceName = EHR) -> None:
    await crosswalk.synchronize(RIVERBEND, plan=planning(), relations={}, visits={source: told})


async def test_a_patients_labels_are_those_of_all_linked_sources(linked: Crosswalk) -> None:
    await learn(linked, PersonFacts(source_id="e-ada", labels=frozenset({"VIP", "EMP"})))
    await learn(linked, PersonFacts(source_id="b-ada", labels=frozenset({"R"})), source=BILLING)

    assert (await standing(linked, NOBODY, ADA)).facts.labels == {"VIP", "EMP", "R"}
    assert (await standing(linked, NOBODY, BEN)).facts.labels == set()


async def test_a_label_that_is_told_no_longer_is_none(linked: Crosswalk) -> None:
    await learn(linked, PersonFacts(source_id="e-ada", labels=frozenset({"VIP", "EMP"})))
    await learn(linked, PersonFacts(source_id="e-ada", labels=frozenset({"EMP"})))

    assert (await standing(linked, NOBODY, ADA)).facts.labels == {"EMP"}


async def test_visits_are_told_by_number_with_all_their_labels(linked: Crosswalk) -> None:
    await visits(linked, visit("e-ada", "v-1", "PSY", "SUD"), visit("e-ada", "v-2", "HIV"), visit("e-ben", "v-3", "R"))
    await visits(linked, visit("b-ada", "v-1", "RPRO", source=BILLING), source=BILLING)
    found = await standing(linked, NOBODY, ADA)

    assert found.visits == {"v-1": {"PSY", "SUD", "RPRO"}, "v-2": {"HIV"}}
    assert found.facts.labels == set()


async def test_a_sources_visits_are_replaced_and_its_peoples_labels_stay(linked: Crosswalk) -> None:
    await learn(linked, PersonFacts(source_id="e-ada", labels=frozenset({"VIP"})))
    await visits(linked, visit("e-ada", "v-1", "PSY"))
    await visits(linked, visit("e-ada", "v-2", "HIV"))
    found = await standing(linked, NOBODY, ADA)

    assert found.facts.labels == {"VIP"}
    assert found.visits == {"v-2": {"HIV"}}


async def test_labels_stay_within_their_tenant(linked: Crosswalk) -> None:
    await linked.synchronize(HARBOR, plan=planning(identity("e-ada", ADA)), relations={})
    await learn(linked, PersonFacts(source_id="e-ada", labels=frozenset({"VIP"})))
    await visits(linked, visit("e-ada", "v-1", "PSY"))
    found = await standing(linked, replace(NOBODY, tenant=HARBOR), ADA)

    assert found.facts.labels == set()
    assert found.visits == {}


async def test_hole_20_a_weak_link_brings_nothing_of_its_record(linked: Crosswalk) -> None:
    """One wrong identity link opens another chart (b.well 2471, 2488): below its level it is not followed."""
    told = replace(consent("s-ben", provision()), source=SCHEDULING)
    await linked.synchronize(
        RIVERBEND,
        plan=planning(weak(SCHEDULING, "s-ben", BEN)),
        relations={SCHEDULING: [replace(care("s-ben"), source=SCHEDULING, kind=RelationKind.SCHEDULED)]},
        people={SCHEDULING: [PersonFacts(source_id="s-ben", labels=frozenset({"VIP"}))]},
        visits={SCHEDULING: [visit("s-ben", "v-1", "PSY", source=SCHEDULING)]},
        consents={SCHEDULING: [told]},
    )
    found = await standing(linked, PHYSICIAN, BEN)

    assert await linked.standings(PHYSICIAN, source=SCHEDULING, source_ids=["s-ben"], at=NOON) == {}
    assert SCHEDULING not in found.sources
    assert (found.facts, found.visits) == (Facts(), {})
    assert list(await linked.consents_of(RIVERBEND, BEN)) == []

"""Linking a synthetic population, of which the truth is known."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from portico.records.people import Person
from portico.records.references import SourceName
from portico.records.systems import MEMBER, MRN, SSN
from portico.records.values import Identifier
from portico.store.crosswalk import Link, LinkPlan, Reason, Rule, Unlinked
from resolvers.linking import EHR, link
from sandbox.population import model
from sandbox.population.generator import generate
from sandbox.population.planted import Planted

BILLING, SCHEDULING = SourceName("billing"), SourceName("scheduling")
POPULATION = generate("riverbend", seed=7, size=200, now=datetime(2026, 3, 2, 15, tzinfo=UTC))
PLANTED = {person.key: person for person in POPULATION.people}


def told(source: SourceName, id_: str, family: str, given: str, birth_date: str | None, **known: str | None) -> Person:
    systems = {"mrn": MRN, "ssn": SSN, "member": MEMBER}
    return Person(
        source=source,
        source_id=id_,
        identifiers=tuple(
            Identifier(system=system, value=value) for name, system in systems.items() if (value := known.get(name))
        ),
        family=family,
        given=given,
        birth_date=birth_date,
    )


def charted(person: model.Person, id_: str) -> Person:
    member = person.coverages[0].member_id if person.coverages else None
    return told(EHR, id_, person.family, person.given, person.birth_date, mrn=person.mrn, ssn=person.ssn, member=member)


def known_as(source: SourceName, alias: model.Alias) -> Person:
    return told(source, alias.id, alias.family, alias.given, alias.birth_date, mrn=alias.mrn, member=alias.member_id)


@pytest.fixture(scope="module")
def plan() -> LinkPlan:
    people = POPULATION.people
    return link(
        {
            EHR: [charted(person, person.ehr_id) for person in people if person.ehr_id],
            SCHEDULING: [known_as(SCHEDULING, person.scheduling) for person in people if person.scheduling],
            BILLING: [known_as(BILLING, person.billing) for person in people if person.billing],
        },
        [],
        identity_source=EHR,
    )


def outcome(plan: LinkPlan, source: SourceName, alias: model.Alias | None) -> Rule | Reason:
    assert alias
    found: list[Link | Unlinked] = [*plan.links, *plan.unlinked]
    (one,) = (item for item in found if (item.source, item.source_id) == (source, alias.id))
    return one.rule if isinstance(one, Link) else one.reason


def test_no_record_is_linked_to_somebody_else(plan: LinkPlan) -> None:
    truth = {(EHR, person.ehr_id): person.key for person in POPULATION.people}
    truth |= {(SCHEDULING, person.scheduling.id): person.key for person in POPULATION.people if person.scheduling}
    truth |= {(BILLING, person.billing.id): person.key for person in POPULATION.people if person.billing}
    patients = {found.patient: truth[EHR, found.source_id] for found in plan.links if found.source == EHR}

    assert all(truth[found.source, found.source_id] == patients[found.patient] for found in plan.links)


def test_everyone_without_a_peculiarity_is_linked_everywhere(plan: LinkPlan) -> None:
    ordinary = [person for person in POPULATION.people if person.key not in set(Planted)]
    linked = {(found.source, found.source_id) for found in plan.links}
    missing = [
        person.key
        for person in ordinary
        for source, alias in ((SCHEDULING, person.scheduling), (BILLING, person.billing))
        if alias and (source, alias.id) not in linked
    ]

    assert len(ordinary) > 150
    assert missing == []


@pytest.mark.parametrize(
    ("planted", "expected"),
    [
        (Planted.PATIENT, Rule.EXACT),
        (Planted.MISSPELT, Rule.CLOSE_NAME),
        (Planted.SHARED_MEMBER, Reason.NAME_MISMATCH),
        (Planted.NAMESAKE, Reason.AMBIGUOUS),
        (Planted.OTHER_NAMESAKE, Reason.AMBIGUOUS),
        (Planted.UNCHARTED, Reason.NOT_IN_EHR),
        (Planted.ACCENTED, Rule.EXACT),
        (Planted.APOSTROPHE, Rule.EXACT),
        (Planted.MARKUP, Rule.EXACT),
        (Planted.SPREADSHEET, Rule.EXACT),
        (Planted.SEGMENTED, Rule.EXACT),
    ],
)
def test_the_planted_people_are_linked_at_billing_as_they_should_be(
    plan: LinkPlan, planted: Planted, expected: Rule | Reason
) -> None:
    assert outcome(plan, BILLING, PLANTED[planted].billing) is expected


@pytest.mark.parametrize(
    ("planted", "expected"),
    [
        (Planted.NAMESAKE, Rule.EXACT),
        (Planted.SHARED_MEMBER, Rule.EXACT),
        (Planted.UNCHARTED, Reason.NOT_IN_EHR),
    ],
)
def test_scheduling_which_knows_the_mrn_links_whom_billing_cannot(
    plan: LinkPlan, planted: Planted, expected: Rule | Reason
) -> None:
    assert outcome(plan, SCHEDULING, PLANTED[planted].scheduling) is expected


def test_the_namesakes_are_listed_as_possible_duplicates_and_stay_two(plan: LinkPlan) -> None:
    namesakes = {PLANTED[key].ehr_id for key in (Planted.NAMESAKE, Planted.OTHER_NAMESAKE)}
    listed = {left.source_id for left in plan.unlinked if left.reason is Reason.POSSIBLE_DUPLICATE}
    patients = {found.patient for found in plan.links if found.source == EHR and found.source_id in namesakes}

    assert namesakes <= listed
    assert len(patients) == 2

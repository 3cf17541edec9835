"""What holds of linking whoever the people are."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from portico.records.people import Person
from portico.records.references import PatientId, SourceName
from portico.records.systems import MEMBER, MRN, SSN
from portico.records.values import Identifier
from portico.store.crosswalk import Assurance, Link, LinkPlan, Rule
from resolvers.linking import EHR, link
from resolvers.resemblance import Likeness, Profile, birth_date_likeness, family_likeness, given_likeness, slips

SOURCES = (EHR, SourceName("billing"), SourceName("scheduling"))

# A small world, so that names, dates and identifiers meet by accident.
FAMILIES = st.sampled_from(["Reyes", "Reyez", "Schwarzenbach", "Schwartzenbach", "Oyelaran", None])
GIVEN = st.sampled_from(["Daniel", "Danielle", "Zoë", "Zoe", None])
DATES = st.sampled_from(["1980-04-12", "1980-04-21", "1948-02-29", None])
IDENTIFIERS = st.builds(
    Identifier, system=st.sampled_from([MRN, MEMBER, SSN]), value=st.sampled_from(["A1", "A2", "B3", "00"])
)


@st.composite
def populations(draw: st.DrawFn) -> list[Person]:
    return [
        Person(
            source=source,
            source_id=f"{source}-{number}",
            identifiers=tuple(draw(st.lists(IDENTIFIERS, max_size=3))),
            family=draw(FAMILIES),
            given=draw(GIVEN),
            birth_date=draw(DATES),
        )
        for source in SOURCES
        for number in range(draw(st.integers(0, 4)))
    ]


def mint(person: Person) -> PatientId:
    return PatientId(str(UUID(bytes=person.source_id.encode().rjust(16, b"\0")[-16:])))


def plan_for(people: Sequence[Person], existing: Sequence[Link] = ()) -> LinkPlan:
    by_source = {source: [each for each in people if each.source == source] for source in SOURCES}
    return link(by_source, existing, identity_source=EHR, mint=mint)


@given(people=populations(), seed=st.integers())
@settings(deadline=None)
def test_the_order_in_which_people_come_does_not_matter(people: list[Person], seed: int) -> None:
    shuffled = list(people)
    Random(seed).shuffle(shuffled)  # noqa: S311  # an order, not a secret

    assert plan_for(shuffled) == plan_for(people)


@given(people=populations())
@settings(deadline=None)
def test_every_record_has_one_link_or_one_reason_and_no_record_two_patients(people: list[Person]) -> None:
    plan = plan_for(people)
    links = [(found.source, found.source_id) for found in plan.links]
    unlinked = [(left.source, left.source_id) for left in plan.unlinked if left.source != EHR]

    assert len(links) == len(set(links))
    assert sorted(links + unlinked) == sorted((each.source, each.source_id) for each in people)


@given(people=populations())
@settings(deadline=None)
def test_charts_are_never_merged(people: list[Person]) -> None:
    charted = [found.patient for found in plan_for(people).links if found.rule is Rule.IDENTITY]

    assert len(charted) == len(set(charted)) == len([each for each in people if each.source == EHR])


@given(people=populations())
@settings(deadline=None)
def test_a_link_rests_on_a_shared_identifier_and_an_agreeing_name_and_date(people: list[Person]) -> None:
    profiles = {(each.source, each.source_id): Profile.of(each) for each in people}
    plan = plan_for(people)
    charts = {found.patient: profiles[EHR, found.source_id] for found in plan.links if found.rule is Rule.IDENTITY}
    for found in plan.links:
        if found.rule is Rule.IDENTITY:
            continue
        foreign, chart = profiles[found.source, found.source_id], charts[found.patient]
        name = min(family_likeness(foreign, chart), given_likeness(foreign, chart))
        assert foreign.identifiers & chart.identifiers
        assert name + birth_date_likeness(foreign, chart) >= Likeness.SAME + Likeness.CLOSE
        assert (found.assurance is Assurance.EXACT) == (found.rule is Rule.EXACT)


@given(people=populations(), source=st.sampled_from(SOURCES))
@settings(deadline=None)
def test_an_unrelated_person_changes_nothing_for_the_others(people: list[Person], source: SourceName) -> None:
    unrelated = Person(
        source=source,
        source_id="unrelated",
        identifiers=(Identifier(system=MRN, value="Z9"),),
        family="Unrelated",
        given="Quite",
        birth_date="2001-01-01",
    )
    before, after = plan_for(people), plan_for([*people, unrelated])

    assert [found for found in after.links if found.source_id != "unrelated"] == list(before.links)
    assert [left for left in after.unlinked if left.source_id != "unrelated"] == list(before.unlinked)


@given(people=populations())
@settings(deadline=None)
def test_linking_again_changes_nothing(people: list[Person]) -> None:
    first = plan_for(people)

    assert plan_for(people, first.links) == first


@given(one=st.text("abc", max_size=6), other=st.text("abc", max_size=6))
@settings(deadline=None)
def test_slips_are_symmetric_and_none_only_between_equals(one: str, other: str) -> None:
    assert slips(one, other) == slips(other, one)
    assert (slips(one, other) == 0) == (one == other)
    assert slips(one, other) >= abs(len(one) - len(other))

"""Linking: a shared identifier and an agreeing name and birth date, or no link."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from uuid import UUID

import pytest

from portico.access.principal import Principal, PrincipalKind
from portico.records.context import CallContext
from portico.records.errors import SourceUnavailable
from portico.records.people import Person, Relation, RelationKind
from portico.records.references import PatientId, SourceName, Tenant
from portico.records.systems import MEMBER, MRN, SSN
from portico.records.values import Identifier
from portico.store.crosswalk import Assurance, Link, LinkPlan, Reason, Rule, Unlinked
from portico.store.memory import MemoryCrosswalk
from resolvers.linking import EHR, Linker, LinkingConfig, link

BILLING, SCHEDULING = SourceName("billing"), SourceName("scheduling")
TENANT = Tenant("riverbend")


def person(source: SourceName, source_id: str, **facts: str | None) -> Person:
    """Ada Novak, born 1980-04-12, with the identifiers given; other facts take the place of hers."""
    systems = {"mrn": MRN, "ssn": SSN, "member": MEMBER}
    return Person(
        source=source,
        source_id=source_id,
        identifiers=tuple(
            Identifier(system=system, value=value) for name, system in systems.items() if (value := facts.get(name))
        ),
        family=facts.get("family", "Novakova"),
        given=facts.get("given", "Adela"),
        birth_date=facts.get("birth_date", "1980-04-12"),
    )


def patient_of(source_id: str) -> PatientId:
    return PatientId(str(UUID(int=int.from_bytes(source_id.encode(), "big"))))


def linked(*people: Person, existing: Sequence[Link] = ()) -> LinkPlan:
    sources = {EHR, *(each.source for each in people)}
    by_source = {source: [each for each in people if each.source == source] for source in sources}
    return link(by_source, existing, identity_source=EHR, mint=lambda each: patient_of(each.source_id))


def outcome(foreign: Person, *charted: Person) -> Link | Unlinked:
    plan = linked(*charted, foreign)
    (found,) = (item for item in (*plan.links, *plan.unlinked) if item.source == foreign.source)
    return found


def rule(foreign: Person, *charted: Person) -> Rule | Reason:
    found = outcome(foreign, *charted)
    return found.rule if isinstance(found, Link) else found.reason


CHARTED = person(EHR, "e1", mrn="M-100", ssn="123-45-6780", member="W900")


@pytest.mark.parametrize("shared", [{"mrn": "M-100"}, {"ssn": "123456780"}, {"member": "w900"}])
def test_a_shared_identifier_with_the_same_name_and_birth_date_links_exactly(shared: dict[str, str]) -> None:
    assert outcome(person(BILLING, "b1", **shared), CHARTED) == Link(
        source=BILLING, source_id="b1", patient=patient_of("e1"), assurance=Assurance.EXACT, rule=Rule.EXACT
    )


@pytest.mark.parametrize(
    ("slip", "expected"),
    [
        ({"family": "Novakowa"}, Rule.CLOSE_NAME),
        ({"given": "Adella"}, Rule.CLOSE_NAME),
        ({"given": "Adela Maria"}, Rule.CLOSE_NAME),
        ({"birth_date": "1980-04-21"}, Rule.CLOSE_BIRTH_DATE),
        ({"birth_date": "1980-04-13"}, Rule.CLOSE_BIRTH_DATE),
    ],
)
@pytest.mark.parametrize("shared", [{"mrn": "M-100"}, {"ssn": "123456780"}])
def test_one_slip_beside_a_personal_identifier_links_closely(
    shared: dict[str, str], slip: dict[str, str], expected: Rule
) -> None:
    found = outcome(person(BILLING, "b1", **shared, **slip), CHARTED)

    assert isinstance(found, Link)
    assert (found.rule, found.assurance) == (expected, Assurance.CLOSE)


@pytest.mark.parametrize(
    ("differing", "reason"),
    [
        ({"family": "Oyelaran"}, Reason.NAME_MISMATCH),
        ({"given": "Temitope"}, Reason.NAME_MISMATCH),
        ({"family": None}, Reason.NAME_MISMATCH),
        ({"given": None}, Reason.NAME_MISMATCH),
        ({"birth_date": "1948-02-29"}, Reason.BIRTH_DATE_MISMATCH),
        ({"birth_date": None}, Reason.BIRTH_DATE_MISMATCH),
        ({"family": "Novakowa", "birth_date": "1980-04-21"}, Reason.BIRTH_DATE_MISMATCH),
    ],
)
def test_an_identifier_without_the_person_links_nobody(differing: dict[str, str | None], reason: Reason) -> None:
    foreign = person(BILLING, "b1", mrn="M-100", **differing)

    assert outcome(foreign, CHARTED) == Unlinked(
        source=BILLING, source_id="b1", reason=reason, candidates=(patient_of("e1"),)
    )


@pytest.mark.parametrize(
    ("slip", "expected"),
    [
        ({}, Rule.EXACT),
        ({"family": "Novakowa"}, Rule.CLOSE_NAME),
        ({"given": "Adella"}, Reason.NAME_MISMATCH),
        ({"birth_date": "1980-04-13"}, Reason.BIRTH_DATE_MISMATCH),
    ],
)
def test_a_member_number_alone_forgives_no_slip_that_tells_one_of_a_family_from_another(
    slip: dict[str, str], expected: Rule | Reason
) -> None:
    assert rule(person(BILLING, "b1", member="W900", **slip), CHARTED) is expected


def test_a_family_under_one_member_number_is_told_apart() -> None:
    sister = person(EHR, "e2", given="Berta", mrn="M-200", member="W900")

    assert outcome(person(BILLING, "b2", given="Berta", member="W900"), CHARTED, sister) == Link(
        source=BILLING, source_id="b2", patient=patient_of("e2"), assurance=Assurance.EXACT, rule=Rule.EXACT
    )
    assert rule(person(BILLING, "b3", given="Clara", member="W900"), CHARTED, sister) is Reason.NAME_MISMATCH


def test_name_and_birth_date_alone_never_link() -> None:
    assert outcome(person(BILLING, "b1"), CHARTED) == Unlinked(
        source=BILLING, source_id="b1", reason=Reason.NO_SHARED_IDENTIFIER, candidates=(patient_of("e1"),)
    )
    assert rule(person(BILLING, "b1", mrn="M-999"), CHARTED) is Reason.NO_SHARED_IDENTIFIER


def test_namesakes_without_an_identifier_are_ambiguous() -> None:
    namesake = person(EHR, "e2", mrn="M-200")

    assert outcome(person(BILLING, "b1"), CHARTED, namesake) == Unlinked(
        source=BILLING,
        source_id="b1",
        reason=Reason.AMBIGUOUS,
        candidates=tuple(sorted((patient_of("e1"), patient_of("e2")))),
    )


def test_who_is_unknown_to_the_ehr_is_said_to_be() -> None:
    assert rule(person(BILLING, "b1", family="Stranger", mrn="M-999"), CHARTED) is Reason.NOT_IN_EHR


def test_identifiers_of_two_patients_are_a_conflict_even_if_one_of_them_agrees() -> None:
    other = person(EHR, "e2", family="Other", mrn="M-200", member="W200")

    assert outcome(person(BILLING, "b1", mrn="M-100", member="W200"), CHARTED, other) == Unlinked(
        source=BILLING,
        source_id="b1",
        reason=Reason.IDENTIFIER_CONFLICT,
        candidates=tuple(sorted((patient_of("e1"), patient_of("e2")))),
    )


@pytest.mark.parametrize("contradiction", [{"member": "W900", "mrn": "M-777"}, {"mrn": "M-100", "ssn": "987654320"}])
def test_a_personal_identifier_that_contradicts_the_patients_own_is_a_conflict(contradiction: dict[str, str]) -> None:
    assert rule(person(BILLING, "b1", **contradiction), CHARTED) is Reason.IDENTIFIER_CONFLICT


def test_a_personal_identifier_decides_among_those_who_share_a_member_number() -> None:
    twin = person(EHR, "e2", given="Adele", mrn="M-200", member="W900")

    found = outcome(person(BILLING, "b1", given="Adelle", mrn="M-200", member="W900"), CHARTED, twin)
    assert isinstance(found, Link)
    assert found.patient == patient_of("e2")


def test_two_charts_with_one_identifier_leave_the_record_ambiguous() -> None:
    again = person(EHR, "e2", mrn="M-100")

    assert rule(person(BILLING, "b1", mrn="M-100"), CHARTED, again) is Reason.AMBIGUOUS


def test_two_records_of_one_source_may_be_one_patient() -> None:
    plan = linked(CHARTED, person(BILLING, "b1", mrn="M-100"), person(BILLING, "b2", ssn="123456780"))

    assert {found.source_id for found in plan.links if found.patient == patient_of("e1")} == {"e1", "b1", "b2"}


@pytest.mark.parametrize(
    "again",
    [
        person(EHR, "e2", mrn="M-200"),
        person(EHR, "e2", mrn="M-100", family="Elsewise"),
        person(EHR, "e2", ssn="123456780", birth_date=None),
    ],
)
def test_two_charts_of_seemingly_one_person_stay_two_and_are_listed(again: Person) -> None:
    plan = linked(CHARTED, again)

    assert {found.source_id: found.patient for found in plan.links} == {
        "e1": patient_of("e1"),
        "e2": patient_of("e2"),
    }
    assert [(left.source_id, left.reason, left.candidates) for left in plan.unlinked] == [
        ("e1", Reason.POSSIBLE_DUPLICATE, (patient_of("e2"),)),
        ("e2", Reason.POSSIBLE_DUPLICATE, (patient_of("e1"),)),
    ]


def test_charts_without_a_name_are_not_taken_for_duplicates_of_each_other() -> None:
    assert linked(person(EHR, "e1", family=None), person(EHR, "e2", family=None)).unlinked == ()


def test_a_family_is_not_a_duplicate_for_its_member_number() -> None:
    assert linked(CHARTED, person(EHR, "e2", given="Berta", member="W900")).unlinked == ()


def test_canonical_ids_are_kept_across_runs_and_everything_else_is_judged_anew() -> None:
    kept = patient_of("kept")
    existing = [
        Link(source=EHR, source_id="e1", patient=kept, assurance=Assurance.EXACT, rule=Rule.IDENTITY),
        Link(source=BILLING, source_id="b1", patient=kept, assurance=Assurance.EXACT, rule=Rule.EXACT),
        Link(source=BILLING, source_id="e2", patient=kept, assurance=Assurance.EXACT, rule=Rule.EXACT),
    ]
    plan = linked(
        CHARTED, person(EHR, "e2", family="Other"), person(BILLING, "b1", family="Oyelaran", mrn="M-100"),
        existing=existing,
    )  # fmt: skip

    assert {found.source_id: found.patient for found in plan.links} == {"e1": kept, "e2": patient_of("e2")}
    assert [left.reason for left in plan.unlinked] == [Reason.NAME_MISMATCH]


def test_a_new_canonical_id_says_nothing_about_whom_it_names() -> None:
    first, second = (link({EHR: [CHARTED]}, [], identity_source=EHR).links[0].patient for _ in range(2))

    assert first != second
    assert UUID(first).version == 4


@dataclass(slots=True)
class Register:
    """A source that only knows who its people are. `down` makes its relations fail, after its people were read."""

    source: SourceName
    listed: list[Person] = field(default_factory=list)
    related: list[Relation] = field(default_factory=list)
    down: bool = False

    async def people(self, _: CallContext) -> AsyncIterator[Person]:
        for each in self.listed:
            yield each

    async def relations(self, _: CallContext) -> AsyncIterator[Relation]:
        if self.down:
            raise SourceUnavailable(self.source)
        for each in self.related:
            yield each


@dataclass(slots=True)
class Clinic:
    """A tenant with an EHR and a billing system that share Ada."""

    ehr: Register = field(default_factory=lambda: Register(EHR, [CHARTED]))
    billing: Register = field(default_factory=lambda: Register(BILLING, [person(BILLING, "b1", mrn="M-100")]))
    crosswalk: MemoryCrosswalk = field(default_factory=MemoryCrosswalk)

    @property
    def linker(self) -> Linker:
        return Linker({TENANT: (self.ehr, self.billing)}, self.crosswalk, LinkingConfig())

    async def patients(self) -> dict[str, PatientId]:
        return {
            id_: patient
            for source, ids in ((EHR, ["e1", "e2"]), (BILLING, ["b1", "b2"]))
            for id_, patient in (await self.crosswalk.identify(TENANT, source, ids)).items()
        }


async def test_a_run_links_what_the_sources_know_and_keeps_ids_the_next_time() -> None:
    clinic = Clinic()
    first = await clinic.linker.run(TENANT)
    patients = await clinic.patients()
    await clinic.linker.run(TENANT)

    assert first.failed == frozenset()
    assert patients["e1"] == patients["b1"]
    assert await clinic.patients() == patients


async def test_a_run_brings_the_relations_along() -> None:
    clinic = Clinic()
    clinic.ehr.related = [Relation(source=EHR, source_id="e1", kind=RelationKind.CARE_TEAM, party="1234567893")]
    await clinic.linker.run(TENANT)
    physician = Principal(
        subject="usr-physician",
        kind=PrincipalKind.PERSON,
        tenant=TENANT,
        roles=frozenset(),
        purposes=frozenset(),
        client="portal",
        npi="1234567893",
        expires_at=0,
    )

    found = await clinic.crosswalk.related(physician, ["care_team"], at=datetime.now(UTC), limit=10)
    assert [standing.sources for standing in found] == [{EHR: ("e1",), BILLING: ("b1",)}]


async def test_a_source_that_is_down_keeps_what_was_known_of_it() -> None:
    clinic = Clinic()
    await clinic.linker.run(TENANT)
    before = await clinic.patients()
    clinic.billing.down = True
    clinic.billing.listed = []
    clinic.ehr.listed.append(person(EHR, "e2", family="Other"))
    run = await clinic.linker.run(TENANT)

    assert run.failed == {BILLING}
    assert {id_: patient for id_, patient in (await clinic.patients()).items() if id_ != "e2"} == before


async def test_without_the_identity_source_nothing_changes() -> None:
    clinic = Clinic()
    await clinic.linker.run(TENANT)
    before = await clinic.patients()
    clinic.ehr.down = True
    clinic.billing.listed = []

    with pytest.raises(SourceUnavailable):
        await clinic.linker.run(TENANT)
    assert await clinic.patients() == before


async def test_a_record_seen_twice_during_a_scan_counts_once() -> None:
    clinic = Clinic()
    clinic.billing.listed.append(replace(clinic.billing.listed[0]))
    run = await clinic.linker.run(TENANT)

    assert len([found for found in run.plan.links if found.source == BILLING]) == 1


async def test_what_a_source_says_in_anothers_name_is_not_believed() -> None:
    clinic = Clinic()
    clinic.billing.related = [Relation(source=EHR, source_id="e1", kind=RelationKind.CARE_TEAM, party="1234567893")]
    run = await clinic.linker.run(TENANT)

    assert run.failed == {BILLING}
    assert set(await clinic.patients()) == {"e1"}


async def test_a_relation_without_a_party_and_an_id_that_cannot_be_kept_are_left_out() -> None:
    clinic = Clinic()
    clinic.billing.listed.append(person(BILLING, "b\x00"))
    clinic.ehr.related = [Relation(source=EHR, source_id="e1", kind=RelationKind.CARE_TEAM, party="")]
    run = await clinic.linker.run(TENANT)

    assert run.failed == frozenset()
    assert {found.source_id for found in run.plan.links} == {"e1", "b1"}

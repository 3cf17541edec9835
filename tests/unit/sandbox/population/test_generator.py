from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from portico.records.sensitivity import labels_of
from sandbox.population.clinic import npi
from sandbox.population.generator import generate
from sandbox.population.model import Claim, Consent, ConsentRule, Person, Population, Visit
from sandbox.population.planted import GUARDIAN_SUBJECT, PHYSICIAN, Planted
from tests.changed import replace

NOW = datetime(2026, 6, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def riverbend() -> Population:
    return generate("riverbend", seed=7, size=60, now=NOW)


@pytest.fixture(scope="module")
def harbor() -> Population:
    return generate("harbor", seed=7, size=12, now=NOW)


def person(population: Population, key: str) -> Person:
    return next(each for each in population.people if each.key == key)


def visits_of(population: Population, key: str) -> list[Visit]:
    return [each for each in population.visits if each.person == key]


def claims_of(population: Population, key: str) -> list[Claim]:
    return [each.claim for each in visits_of(population, key) if each.claim]


def test_same_seed_gives_the_same_population(riverbend: Population) -> None:
    assert generate("riverbend", seed=7, size=60, now=NOW) == riverbend


def test_another_seed_gives_other_people(riverbend: Population) -> None:
    other = generate("riverbend", seed=8, size=60, now=NOW)
    assert {each.family for each in other.people} != {each.family for each in riverbend.people}


def test_a_larger_population_has_the_same_planted_people() -> None:
    small, large = (generate("riverbend", seed=7, size=size, now=NOW) for size in (40, 90))
    for key in Planted:
        assert person(small, key) == person(large, key)


def test_reference_instant_defaults_to_the_start_of_today() -> None:
    today = datetime.combine(datetime.now(UTC).date(), NOW.time(), tzinfo=UTC)
    assert generate("t", seed=1, size=3) == generate("t", seed=1, size=3, now=today)


def test_size_is_the_number_of_people(riverbend: Population, harbor: Population) -> None:
    assert (len(riverbend.people), len(harbor.people)) == (60, 12)


def test_everybody_planted_is_in_a_population_large_enough(riverbend: Population) -> None:
    assert {each.key for each in riverbend.people} >= set(Planted)


def test_large_group_has_two_organizations_and_sites_in_three_time_zones(riverbend: Population) -> None:
    assert len(riverbend.organizations) == 2
    assert len({each.timezone for each in riverbend.locations}) == 3
    assert len(riverbend.practitioners) == 8
    employed = Counter(each.organization for each in riverbend.people)
    assert employed["org-1"] > employed["org-2"] > 0


def test_small_group_has_one_organization(harbor: Population) -> None:
    assert len(harbor.organizations) == 1
    assert len({each.timezone for each in harbor.locations}) == 2


def test_keys_and_ids_are_unique_and_references_lead_somewhere(riverbend: Population) -> None:
    p = riverbend
    for names in (
        [each.key for each in p.people],
        [each.ehr_id for each in p.people if each.ehr_id],
        [each.mrn for each in p.people],
        [each.ssn for each in p.people],
        [each.scheduling.id for each in p.people if each.scheduling],
        [each.billing.id for each in p.people if each.billing],
        [each.number for each in p.visits],
        [each.id for each in p.slots],
        [coverage.ehr_id for each in p.people for coverage in each.coverages],
    ):
        assert len(names) == len(set(names))
    doctors, sites = {each.key for each in p.practitioners}, {each.key for each in p.locations}
    assert {each.practitioner for each in p.visits} <= doctors
    assert {each.location for each in p.visits} <= sites
    assert {entry.practitioner for each in p.people for entry in each.care_team} <= doctors


def test_ids_of_two_tenants_are_the_same_so_that_mixing_them_shows(riverbend: Population, harbor: Population) -> None:
    ours, theirs = person(riverbend, Planted.PATIENT), person(harbor, Planted.PATIENT)
    assert (ours.ehr_id, ours.mrn, ours.ssn) == (theirs.ehr_id, theirs.mrn, theirs.ssn)
    assert (ours.family, ours.given) != (theirs.family, theirs.given)
    assert riverbend.practitioners[0].npi == harbor.practitioners[0].npi


def test_everybody_has_one_to_eight_visits_that_end_after_they_begin(riverbend: Population) -> None:
    counts = Counter(each.person for each in riverbend.visits)
    assert set(counts) == {each.key for each in riverbend.people}
    assert all(1 <= count <= 8 for count in counts.values())
    assert all(each.start < each.end for each in riverbend.visits)


def test_visits_are_of_every_kind(riverbend: Population) -> None:
    kinds = {(each.appointment_status, each.start < NOW) for each in riverbend.visits}
    assert kinds >= {("fulfilled", True), ("cancelled", True), ("noshow", True), ("booked", False)}


def test_only_visits_that_took_place_have_an_encounter_or_a_claim(riverbend: Population) -> None:
    for visit in riverbend.visits:
        if visit.appointment_status == "fulfilled":
            assert visit.start < NOW
        else:
            assert visit.encounter_id is None
            assert visit.claim is None


def test_claims_come_after_their_visit_and_their_money_adds_up(riverbend: Population) -> None:
    assert {each.claim.status for each in riverbend.visits if each.claim} >= {"paid", "denied", "pended", "submitted"}
    for visit in riverbend.visits:
        claim = visit.claim
        if claim is None:
            continue
        assert visit.start.date() <= date.fromisoformat(claim.created) <= NOW.date()
        assert all(line.billed_cents > 0 for line in claim.lines)
        if claim.status == "paid":
            allowed = sum(line.allowed_cents or 0 for line in claim.lines)
            paid = sum(line.paid_cents or 0 for line in claim.lines)
            assert claim.patient_responsibility_cents == allowed - paid >= 0
            assert all((line.allowed_cents or 0) <= line.billed_cents for line in claim.lines)


def test_slots_lie_in_the_next_two_weeks_at_working_hours_of_their_site(riverbend: Population) -> None:
    zones = {each.key: ZoneInfo(each.timezone) for each in riverbend.locations}
    for slot in riverbend.slots:
        local = slot.start.astimezone(zones[slot.location])
        assert NOW < slot.start < NOW + timedelta(days=16)
        assert local.weekday() < 5
        assert 9 <= local.hour < 16
    assert {each.status for each in riverbend.slots} >= {"free", "busy", "busy-unavailable"}


def test_no_slot_is_booked_twice_and_booked_times_are_busy(riverbend: Population) -> None:
    ahead = [(each.practitioner, each.start) for each in riverbend.visits if each.start > NOW]
    busy = {(each.practitioner, each.start) for each in riverbend.slots if each.status == "busy"}
    assert len(ahead) == len(set(ahead))
    assert set(ahead) == busy


def test_a_full_diary_turns_people_away_and_books_nobody_twice() -> None:
    crowded = generate("harbor", seed=7, size=25, now=NOW - timedelta(days=2))
    assert len([each for each in crowded.visits if each.start > NOW]) <= len(crowded.slots)
    thronged = generate("riverbend", seed=7, size=1000, now=NOW)
    ahead = [(each.practitioner, each.start) for each in thronged.visits if each.start > NOW]
    assert len(ahead) == len(set(ahead)) <= len(thronged.slots)


def test_patient_persona_has_every_kind_of_visit_and_claim(riverbend: Population) -> None:
    statuses = Counter(each.appointment_status for each in visits_of(riverbend, Planted.PATIENT))
    assert statuses == {"fulfilled": 4, "cancelled": 1, "noshow": 1, "booked": 2}
    assert {each.status for each in claims_of(riverbend, Planted.PATIENT)} == {"paid", "denied", "pended"}
    assert person(riverbend, Planted.PATIENT).coverages


def test_patient_persona_was_once_seen_in_the_hour_that_clocks_repeat(riverbend: Population) -> None:
    night = visits_of(riverbend, Planted.PATIENT)[0]
    zone = next(each.timezone for each in riverbend.locations if each.key == night.location)
    local = night.start.astimezone(ZoneInfo(zone))
    assert (local.hour, local.minute, local.fold) == (1, 30, 1)
    assert night.encounter_class.code == "EMER"


def test_physician_cares_for_some_sees_one_more_and_never_saw_the_stranger(riverbend: Population) -> None:
    team = {each.key for each in riverbend.people if any(one.practitioner == PHYSICIAN for one in each.care_team)}
    seen = {each.person for each in riverbend.visits if each.practitioner == PHYSICIAN}
    assert Planted.PATIENT in team
    assert Planted.REFERRED not in team
    assert Planted.REFERRED in seen
    assert Planted.STRANGER not in team | seen
    assert person(riverbend, Planted.STRANGER).organization == "org-2"


def test_children_have_the_guardian_and_the_grown_ward_had_them(riverbend: Population) -> None:
    current = {each.child for each in riverbend.guardianships if each.end is None}
    former = {each.child for each in riverbend.guardianships if each.end and each.end < NOW}
    assert current == {Planted.ELDER_CHILD, Planted.YOUNGER_CHILD, Planted.NEARLY_OF_AGE}
    assert former == {Planted.GROWN_WARD}
    assert {each.guardian for each in riverbend.guardianships} == {GUARDIAN_SUBJECT}


def test_guardianships_are_only_of_children_who_are_there() -> None:
    assert generate("t", seed=7, size=1, now=NOW).guardianships == ()


def test_misspelt_person_has_the_right_record_number_in_billing(riverbend: Population) -> None:
    misspelt = person(riverbend, Planted.MISSPELT)
    assert misspelt.billing
    assert misspelt.billing.family != misspelt.family
    assert misspelt.billing.mrn == misspelt.mrn
    assert claims_of(riverbend, Planted.MISSPELT)


def test_shared_member_number_belongs_to_somebody_else_in_billing(riverbend: Population) -> None:
    victim = person(riverbend, Planted.SHARED_MEMBER)
    assert victim.billing
    assert victim.billing.member_id == victim.coverages[0].member_id
    assert victim.billing.mrn is None
    assert victim.billing.family != victim.family
    assert victim.billing.birth_date != victim.birth_date
    assert claims_of(riverbend, Planted.SHARED_MEMBER)


def test_namesakes_differ_by_identifiers_that_billing_does_not_have(riverbend: Population) -> None:
    one, other = person(riverbend, Planted.NAMESAKE), person(riverbend, Planted.OTHER_NAMESAKE)
    assert (one.family, one.given, one.birth_date) == (other.family, other.given, other.birth_date)
    assert one.mrn != other.mrn
    for each in (one, other):
        assert each.billing
        assert each.billing.mrn is None
        assert each.billing.member_id is None
        assert each.scheduling
        assert each.scheduling.mrn == each.mrn


def test_unscheduled_person_has_visits_but_no_appointments(riverbend: Population) -> None:
    assert person(riverbend, Planted.UNSCHEDULED).scheduling is None
    assert all(each.appointment_id is None for each in visits_of(riverbend, Planted.UNSCHEDULED))


def test_uncharted_person_has_no_encounters_and_no_coverage(riverbend: Population) -> None:
    uncharted = person(riverbend, Planted.UNCHARTED)
    assert uncharted.ehr_id is None
    assert uncharted.coverages == ()
    assert uncharted.billing
    assert all(each.encounter_id is None for each in visits_of(riverbend, Planted.UNCHARTED))


def test_deceased_person_has_nothing_ahead(riverbend: Population) -> None:
    deceased = person(riverbend, Planted.DECEASED)
    assert deceased.deceased
    assert deceased.deceased_at
    assert deceased.deceased_at < NOW
    assert all(each.start < NOW for each in visits_of(riverbend, Planted.DECEASED))


def test_employee_bears_a_practitioners_name(riverbend: Population) -> None:
    employee = person(riverbend, Planted.EMPLOYEE)
    assert (employee.family, employee.given) in {(each.family, each.given) for each in riverbend.practitioners}
    assert employee.labels == ("EMP",)


def test_sensitive_visit_and_restricted_record_are_labelled(riverbend: Population) -> None:
    assert person(riverbend, Planted.RESTRICTED).labels == ("VIP",)
    labelled = [each for each in riverbend.visits if each.labels and each.person in set(Planted)]
    assert [(each.person, each.labels) for each in labelled] == [(Planted.SENSITIVE, ("PSY",))]


def told(visit: Visit) -> list[frozenset[str]]:
    """What the EHR's, the vendor's and billing's codes of a visit tell."""
    claim = visit.claim
    assert claim
    systems = (
        (visit.service, *visit.reasons),
        (visit.service,),
        (*claim.diagnoses, *(line.service for line in claim.lines)),
    )
    return [labels_of((each.system, each.code) for each in codes) for codes in systems]


@pytest.mark.parametrize(
    ("key", "label"),
    [
        (Planted.IN_TREATMENT, "SUD"),
        (Planted.LIVING_WITH_HIV, "HIV"),
        (Planted.EXPECTING, "RPRO"),
        (Planted.NEARLY_OF_AGE, "RPRO"),
    ],
)
def test_a_sensitive_visit_that_nobody_flags_has_the_codes_for_it_in_all_three_systems(
    riverbend: Population, key: Planted, label: str
) -> None:
    first, *others = [each for each in visits_of(riverbend, key) if each.claim]
    assert not first.labels
    assert told(first) == [{label}] * 3
    assert all(told(each) == [{"N"}] * 3 for each in others), "what is ordinary is judged to be"


def test_every_visit_can_be_judged_and_some_of_the_rest_are_sensitive(riverbend: Population) -> None:
    ordinary = [each for each in riverbend.visits if each.person not in set(Planted)]
    judged = [
        labels_of((each.system, each.code) for each in (visit.service, *visit.reasons)) for visit in riverbend.visits
    ]
    assert all(labels and labels <= {"N", "PSY", "SUD", "HIV", "RPRO"} for labels in judged)
    sensitive = [each for each in ordinary if each.claim and {"N"} not in told(each)]
    assert 0 < len(sensitive) < len(ordinary) / 5


def test_merged_person_is_the_survivor_charted_again(riverbend: Population) -> None:
    merged, survivor = person(riverbend, Planted.MERGED), person(riverbend, Planted.SURVIVOR)
    assert merged.replaced_by == survivor.key
    assert survivor.replaced_by is None
    assert (merged.family, merged.given, merged.birth_date) == (survivor.family, survivor.given, survivor.birth_date)
    assert merged.mrn != survivor.mrn
    assert visits_of(riverbend, Planted.MERGED)


@pytest.mark.parametrize("today", [datetime(2026, 6, 1, tzinfo=UTC), datetime(2028, 2, 19, tzinfo=UTC)])
def test_adolescent_ward_comes_of_age_in_ten_days(today: datetime) -> None:
    youth = person(generate("riverbend", seed=7, size=40, now=today), Planted.NEARLY_OF_AGE)
    born = date.fromisoformat(youth.birth_date)
    of_age = date(born.year + 18, born.month, born.day)
    assert timedelta(days=10) <= of_age - today.date() <= timedelta(days=11)


def consents_of(population: Population, key: str) -> list[Consent]:
    return [each for each in population.consents if each.person == key]


def test_most_people_permit_research_and_some_do_not(riverbend: Population) -> None:
    permits = {
        each.person
        for each in riverbend.consents
        if each.rule == ConsentRule(effect="permit", purposes=("HRESCH",)) and (each.end is None or each.end > NOW)
    }
    charted = {each.key for each in riverbend.people if each.ehr_id}
    assert len(charted) * 0.7 < len(permits) < len(charted)
    assert permits < charted
    names = [each.ehr_id for each in riverbend.consents]
    assert len(names) == len(set(names))


def test_planted_consents_are_of_every_kind(riverbend: Population) -> None:
    (refusal, *_) = consents_of(riverbend, Planted.REFUSING_CLINIC)
    assert refusal.rule == ConsentRule(effect="deny", organizations=("org-1",))
    (self_payer, *_) = consents_of(riverbend, Planted.SELF_PAYER)
    assert self_payer.rule == ConsentRule(effect="deny", purposes=("HPAYMT",))
    (opting_in,) = consents_of(riverbend, Planted.OPTING_IN)
    treated = ConsentRule(effect="permit", purposes=("TREAT",), practitioners=(PHYSICIAN,))
    assert (opting_in.rule, opting_in.exceptions) == (ConsentRule(effect="deny"), (treated,))
    (treatment, *_) = consents_of(riverbend, Planted.IN_TREATMENT)
    assert treatment.rule == replace(treated, labels=("SUD",))
    (lapsed,) = consents_of(riverbend, Planted.LAPSED)
    assert lapsed.end
    assert lapsed.end < NOW


@pytest.mark.parametrize(
    ("key", "payload"),
    [
        (Planted.ACCENTED, "Å"),
        (Planted.APOSTROPHE, "'"),
        (Planted.MARKUP, "<script>"),
        (Planted.SPREADSHEET, "="),
        (Planted.SEGMENTED, "^"),
    ],
)
def test_awkward_names_are_there_in_every_source(riverbend: Population, key: Planted, payload: str) -> None:
    awkward = person(riverbend, key)
    assert payload in awkward.family
    assert awkward.scheduling
    assert awkward.billing
    assert awkward.family == awkward.scheduling.family == awkward.billing.family


def test_every_fifth_insured_person_is_known_to_billing_by_member_number_alone(riverbend: Population) -> None:
    by_member = [each for each in riverbend.people if each.billing and each.billing.mrn is None]
    assert len(by_member) > 5
    assert all(each.billing and each.billing.member_id for each in by_member if "amesake" not in each.key)


def test_nobody_real_can_be_meant(riverbend: Population) -> None:
    assert all(each.ssn.startswith("9") for each in riverbend.people), "numbers from 900 on are never issued"
    assert all("-555-01" in each.phone for each in riverbend.people), "kept for fiction"
    assert all(each.email.endswith(".example") for each in riverbend.people), "RFC 2606"


@pytest.mark.parametrize("n", [1, 2, 9, 12345678])
def test_provider_identifiers_have_a_valid_check_digit(n: int) -> None:
    digits = [int(digit) for digit in "80840" + npi(n)]
    doubled = [digit * 2 if place % 2 else digit for place, digit in enumerate(reversed(digits))]
    assert sum(value // 10 + value % 10 for value in doubled) % 10 == 0
    assert len(npi(n)) == 10

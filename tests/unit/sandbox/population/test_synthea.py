from __future__ import annotations

import copy
import io
import json
import tarfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from sandbox.population.generator import generate
from sandbox.population.model import Population, Visit
from sandbox.population.synthea import bundles
from sandbox.population.synthea.bundles import UnusableData
from sandbox.population.synthea.intake import Intake, take_in

EXAMPLE = Path(bundles.__file__).with_name("example.json")
PATIENT = "0c1f6a52-0000-4000-8000-000000000001"

Bundle = dict[str, Any]


@pytest.fixture(scope="module")
def population() -> Population:
    return generate("harbor", seed=7, size=12, now=datetime(2026, 6, 1, tzinfo=UTC))


@pytest.fixture
def example() -> Bundle:
    bundle: Bundle = json.loads(EXAMPLE.read_text())
    return bundle


@pytest.fixture
def taking(population: Population, tmp_path: Path) -> Callable[..., Intake]:
    def take(*documents: Bundle | str) -> Intake:
        for number, document in enumerate(documents):
            text = document if isinstance(document, str) else json.dumps(document)
            (tmp_path / f"{number}.json").write_text(text)
        return take_in(population, tmp_path)

    return take


def resource(bundle: Bundle, kind: str, nth: int = 0) -> Bundle:
    found: list[Bundle] = [entry["resource"] for entry in bundle["entry"] if entry["resource"]["resourceType"] == kind]
    return found[nth]


def added(intake: Intake, population: Population) -> list[Visit]:
    """The visits that were booked; a further claim's entry is none."""
    return [each for each in intake.population.visits[len(population.visits) :] if each.appointment_id]


def test_patient_becomes_a_person_of_all_three_sources(population: Population) -> None:
    person = take_in(population, EXAMPLE).population.people[-1]
    assert (person.family, person.given, person.birth_date, person.gender) == (
        "Exemplar", "Erika", "1971-02-03", "female",
    )  # fmt: skip
    assert (person.mrn, person.ssn, person.drivers_license) == ("EX-1", "999-10-0001", "S99900001")
    assert person.ehr_id == PATIENT
    assert person.scheduling
    assert person.billing
    assert person.scheduling.mrn == person.billing.mrn == "EX-1"
    assert (person.language, person.address.city) == ("es", "Denver")
    assert person.organization == population.organizations[0].key


def test_encounters_become_appointments_and_encounters_in_utc(population: Population) -> None:
    checkup, emergency = added(take_in(population, EXAMPLE), population)
    assert checkup.start == datetime(2019, 3, 4, 16, 0, tzinfo=UTC)
    assert (checkup.appointment_status, checkup.encounter_status) == ("fulfilled", "finished")
    assert checkup.appointment_id
    assert emergency.encounter_class.code == "EMER"
    assert emergency.reason == "Acute bronchitis (disorder)"
    assert emergency.reasons[0].code == "10509002"


def test_claims_get_what_their_payer_answered_to_the_cent(population: Population) -> None:
    checkup, emergency = added(take_in(population, EXAMPLE), population)
    paid, submitted = checkup.claim, emergency.claim
    assert paid
    assert submitted
    assert (paid.status, paid.claim_type, paid.created) == ("paid", "institutional", "2019-03-04")
    assert [line.billed_cents for line in paid.lines] == [12500, 14052]
    assert [line.paid_cents for line in paid.lines] == [None, 11242]
    assert paid.patient_responsibility_cents == 2810
    assert (submitted.status, submitted.coverage) == ("submitted", None)
    assert [each.code for each in submitted.diagnoses] == ["10509002"]


def test_payer_of_the_answer_becomes_a_coverage(population: Population) -> None:
    intake = take_in(population, EXAMPLE)
    (coverage,) = intake.population.people[-1].coverages
    checkup, _ = added(intake, population)
    assert (coverage.payer, coverage.payer_code) == ("Example Mutual", "EXAMPLEMUTUA")
    assert checkup.claim
    assert checkup.claim.coverage == coverage.key


def test_shared_resources_get_well_formed_identifiers_and_a_site(population: Population) -> None:
    intake = take_in(population, EXAMPLE).population
    doctor, site = intake.practitioners[-1], intake.locations[-1]
    assert len(doctor.npi) == 10
    assert doctor.npi not in {each.npi for each in population.practitioners}
    assert (site.name, site.timezone) == ("Example Hospital", "America/Denver")
    assert site.site not in {each.site for each in population.locations}


def test_own_doctor_and_those_who_were_seen_are_the_care_team(population: Population) -> None:
    person = take_in(population, EXAMPLE).population.people[-1]
    team = [entry.practitioner for entry in person.care_team]
    assert set(team) == {person.general_practitioner, "synthea-0c1f6a52-0000-4000-8000-000000000003"}
    assert len(team) == 2


def test_everything_is_counted(population: Population) -> None:
    intake = take_in(population, EXAMPLE)
    assert intake.taken == {
        "Patient": 1, "Organization": 1, "Practitioner": 1, "Encounter": 2, "Condition": 1, "Claim": 3,
        "ExplanationOfBenefit": 1, "Coverage": 1,
    }  # fmt: skip
    assert intake.left == {("Observation", "not held by the simulated sources"): 1}


def test_a_further_claim_for_a_visit_is_billed_under_its_number_alone(population: Population) -> None:
    visits = take_in(population, EXAMPLE).population.visits[len(population.visits) :]
    (further,) = [each for each in visits if not each.appointment_id]
    (visit,) = [each for each in visits if each.number == further.number and each is not further]
    assert further.claim
    assert visit.claim
    assert (further.person, further.encounter_id, further.encounter_status) == (visit.person, None, None)
    assert further.claim.number != visit.claim.number


def test_who_was_there_before_stays_as_they_were(population: Population) -> None:
    after = take_in(population, EXAMPLE).population
    assert after.people[: len(population.people)] == population.people
    assert after.visits[: len(population.visits)] == population.visits
    numbers = [each.number for each in after.visits if each.appointment_id]
    assert len(numbers) == len(set(numbers))


def test_folder_archive_and_file_give_the_same(population: Population, tmp_path: Path) -> None:
    folder = tmp_path / "bundles" / "deeper"
    folder.mkdir(parents=True)
    (folder / "one.json").write_bytes(EXAMPLE.read_bytes())
    with tarfile.open(tmp_path / "bundles.tar.xz", "w:xz") as archive:
        archive.add(folder, "deeper")
    expected = take_in(population, EXAMPLE)
    assert take_in(population, tmp_path / "bundles") == expected
    assert take_in(population, tmp_path / "bundles.tar.xz") == expected


def test_shared_resources_may_come_in_another_bundle_by_identifier(
    example: Bundle, taking: Callable[..., Intake]
) -> None:
    hospital, people = copy.deepcopy(example), copy.deepcopy(example)
    shared = {"Organization", "Practitioner"}
    hospital["entry"] = [each for each in example["entry"] if each["resource"]["resourceType"] in shared]
    people["entry"] = [each for each in people["entry"] if each["resource"]["resourceType"] not in shared]
    encounter = resource(people, "Encounter")
    encounter["participant"][0]["individual"]["reference"] = "Practitioner?identifier=http://hl7.org/fhir/sid/us-npi|60"
    assert taking(people, hospital).taken["Encounter"] == 2


def test_same_person_twice_is_taken_once(example: Bundle, taking: Callable[..., Intake]) -> None:
    intake = taking(example, example)
    assert intake.taken["Patient"] == 1
    assert intake.left["Patient", "somebody has this id or record number already"] == 1
    assert intake.left["Claim", "without a usable patient"] == 3


def test_documents_that_are_no_bundles_are_counted(example: Bundle, taking: Callable[..., Intake]) -> None:
    intake = taking(example, "{not json", "[]", '{"resourceType": "Patient"}', "[" * 2000, "")
    assert intake.taken["Patient"] == 1
    assert intake.left["document", "not a FHIR bundle in JSON"] == 5


@pytest.mark.parametrize(
    ("kind", "path", "value", "reason"),
    [
        ("Encounter", ("subject", "reference"), "urn:uuid:somebody", "about somebody else than the bundle"),
        ("Encounter", ("participant",), [], "an unknown practitioner or organization"),
        ("Encounter", ("period", "start"), "yesterday", "no start or no known status"),
        ("Encounter", ("period", "start"), "2019-03-04T09:00:00", "no start or no known status"),
        ("Encounter", ("status",), "lost", "no start or no known status"),
        ("Encounter", ("id",), "../../etc", "no id"),
        ("Claim", ("patient", "reference"), "urn:uuid:somebody", "about somebody else than the bundle"),
        ("Claim", ("type",), None, "no known type or no date"),
        ("Claim", ("created",), 7, "no known type or no date"),
        ("Condition", ("code",), {}, "no code"),
        ("Organization", ("name",), "x" * 201, "no name"),
        ("Practitioner", ("name",), [{"family": "a\0b", "given": ["c"]}], "no name.family"),
    ],
)
def test_a_resource_that_cannot_be_used_costs_itself_and_says_why(
    kind: str, path: tuple[str, ...], value: object, reason: str, example: Bundle, taking: Callable[..., Intake]
) -> None:
    place = resource(example, kind)
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    intake = taking(example)
    assert intake.left[kind, reason] == 1
    assert intake.taken["Patient"] == 1


@pytest.mark.parametrize("amount", [True, "12", -1, 1e12, None, {}])
def test_an_absurd_amount_is_no_amount(amount: object, example: Bundle, taking: Callable[..., Intake]) -> None:
    resource(example, "Claim")["item"][1]["net"]["value"] = amount
    claim = next(each.claim for each in taking(example).population.visits[::-1] if each.claim and each.claim.coverage)
    assert all(0 <= line.billed_cents < 10**9 for line in claim.lines)


@pytest.mark.parametrize("broken", [None, 7, [], {}, "x"])
def test_fields_of_any_other_type_never_crash(broken: object, example: Bundle, taking: Callable[..., Intake]) -> None:
    for entry in example["entry"]:
        for name in entry["resource"]:
            if name not in {"resourceType", "id"} and entry["resource"]["resourceType"] != "Patient":
                entry["resource"][name] = broken
    assert taking(example).taken["Patient"] == 1


@pytest.mark.parametrize("missing", ["identifier", "name", "birthDate"])
def test_without_a_usable_patient_nothing_is_taken(
    missing: str, example: Bundle, taking: Callable[..., Intake]
) -> None:
    del resource(example, "Patient")[missing]
    with pytest.raises(UnusableData, match="no bundle with a usable patient"):
        taking(example)


def test_a_missing_path_is_said_plainly(population: Population, tmp_path: Path) -> None:
    with pytest.raises(UnusableData, match="No such file"):
        take_in(population, tmp_path / "nowhere.json")


def archive_of(path: Path, name: str, content: bytes = b"{}", kind: bytes = tarfile.REGTYPE) -> Path:
    with tarfile.open(path, "w:xz") as archive:
        member = tarfile.TarInfo(name)
        member.type = kind
        member.size = len(content) if kind == tarfile.REGTYPE else 0
        member.linkname = "/etc/passwd"
        archive.addfile(member, io.BytesIO(content))
    return path


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("../out.json", tarfile.REGTYPE),
        ("/etc/out.json", tarfile.REGTYPE),
        ("a/../../out.json", tarfile.REGTYPE),
        ("link.json", tarfile.SYMTYPE),
        ("link.json", tarfile.LNKTYPE),
        ("fifo.json", tarfile.FIFOTYPE),
    ],
)
def test_archives_that_point_out_of_themselves_are_refused(
    name: str, kind: bytes, population: Population, tmp_path: Path
) -> None:
    path = archive_of(tmp_path / "hostile.tar.xz", name, kind=kind)
    with pytest.raises(UnusableData, match="member 1 of the archive points out of it"):
        take_in(population, path)


def test_a_truncated_archive_is_refused(population: Population, tmp_path: Path) -> None:
    path = archive_of(tmp_path / "cut.tar.xz", "a.json", EXAMPLE.read_bytes())
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(UnusableData):
        take_in(population, path)


@pytest.mark.parametrize("packed", [True, False])
def test_an_oversized_bundle_is_refused(packed: bool, tmp_path: Path) -> None:
    path = tmp_path / "bomb"
    path.write_bytes(b" " * 1001)
    if packed:
        archive_of(path, "a.json", b" " * 1001)
    with pytest.raises(UnusableData, match="larger than 1000 bytes"):
        list(bundles.documents(path, limit_bytes=1000))


def test_links_in_a_folder_are_not_followed(population: Population, tmp_path: Path) -> None:
    (tmp_path / "link.json").symlink_to(EXAMPLE)
    with pytest.raises(UnusableData, match="no bundle with a usable patient"):
        take_in(population, tmp_path)

"""What each source is asked, as it noted it: no more than the policies could ever release, and once for everybody."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping

import pytest

from tests.e2e.whole.rights import Rights
from tests.e2e.whole.stage import Demo
from tests.e2e.whole.walk import Walk
from tests.oracles.reply import Json
from tests.spec.served_world import SchemaText

ASKING = ("front-desk", "biller", "researcher", "website")
VENDOR_BATCH = 50

FOR: Mapping[tuple[str, str], Mapping[str, str]] = {
    ("ehr", "Patient"): {
        "name": "Patient.name",
        "birthDate": "Patient.birthDate",
        "gender": "Patient.gender",
        "communication": "Patient.language",
        "deceased": "Patient.deceased",
        "identifier": "Patient.mrn Patient.ssn Patient.identifiers",
        "telecom": "Patient.phone Patient.email",
        "address": "Patient.address",
        "generalPractitioner": "Patient.generalPractitioner",
        "managingOrganization": "Patient.managingOrganization",
    },
    ("ehr", "Encounter"): {
        "status": "Encounter.status",
        "class": "Encounter.class",
        "serviceType": "Encounter.serviceType",
        "period": "Encounter.period",
        "reasonCode": "Encounter.reasons",
        "participant": "Encounter.practitioner",
        "location": "Encounter.location",
        "serviceProvider": "Encounter.organization",
        "identifier": "Encounter.appointment Encounter.claims Appointment.encounter Claim.encounter",
    },
    ("ehr", "Coverage"): {
        "status": "Coverage.status",
        "payor": "Coverage.payer",
        "subscriberId": "Coverage.memberId Claim.coverage",
        "identifier": "Coverage.memberId Claim.coverage",
        "class": "Coverage.plan",
        "period": "Coverage.period",
    },
    ("ehr", "CareTeam"): {
        "status": "CareTeamMember.role CareTeamMember.period CareTeamMember.practitioner",
        "participant": "CareTeamMember.role CareTeamMember.period CareTeamMember.practitioner",
        "period": "CareTeamMember.period",
    },
    ("scheduling", "appointments"): {
        "starts": "Appointment.start",
        "startsFold": "Appointment.start",
        "ends": "Appointment.end",
        "endsFold": "Appointment.end",
        "tz": "Appointment.start Appointment.end",
        "state": "Appointment.status",
        "visitType": "Appointment.serviceType",
        "note": "Appointment.reason",
        "visitNo": "Appointment.encounter Appointment.claims Encounter.appointment Claim.appointment",
        "provider": "Appointment.practitioner",
        "site": "Appointment.location",
    },
    ("billing", "clm_hdr"): {
        "stat_cd": "Claim.status",
        "clm_typ": "Claim.type",
        "ent_dt": "Claim.created",
        "svc_fr_dt": "Claim.servicePeriod",
        "svc_to_dt": "Claim.servicePeriod",
        "dx_list": "Claim.diagnoses",
        "dx_txt": "Claim.diagnoses",
        "listed": "Claim.lines",
        "billed": "Claim.billed",
        "allowed": "Claim.allowed",
        "paid": "Claim.paid",
        "patient": "Claim.patientResponsibility",
        "visit_no": "Claim.encounter Claim.appointment Appointment.claims Encounter.claims",
        "rndr_npi": "Claim.provider",
        "mbr_id": "Claim.coverage",
    },
}
"""What each source calls what it is asked for, and the coordinates of which one at least must need it."""
NAMES = frozenset({
    "id", "meta", "subject", "beneficiary", "apptId", "clientId", "flags", "clm_no", "sbscr_no", "sens_cd",
})  # fmt: skip
"""What says which record it is, about whom, and what its source calls it: a decision depends on it."""
JUDGED: Mapping[tuple[str, str], frozenset[str]] = {
    ("ehr", "Encounter"): frozenset({"type", "serviceType", "reasonCode", "identifier"}),
    ("scheduling", "appointments"): frozenset({"visitType", "visitNo"}),
    ("billing", "clm_hdr"): frozenset({"dx_list", "coded", "visit_no"}),
}
"""The codes that say how sensitive a record is, and the number of the visit whose labels it inherits.

Every decision about a record depends on them, whatever of it is wanted; they go no further than the decision.
"""
_SELECTED = re.compile(r"^select (.*?) from (?:clm_hdr|\()", re.DOTALL | re.IGNORECASE)
_COLUMN = re.compile(r"(?:h|lines|services|charges|remittances)\.(\w+)")


def _wanted(call: Json) -> tuple[tuple[str, str], set[str]]:
    """Which type a call asked for, and which parts of it."""
    source, operation, parameters = call["source"], call["operation"], call["parameters"]
    if source == "billing":
        selected = _SELECTED.match(" ".join(parameters["sql"].split()))
        columns = _COLUMN.findall(selected[1]) if selected else []
        return (source, operation.rpartition(" ")[2]), set(columns)
    kind = operation.split("/")[1].partition("?")[0]
    parts = parameters.get("fields") or parameters.get("_elements", "").split(",")
    return (source, kind), set(parts)


def _judged(kind: tuple[str, str]) -> frozenset[str]:
    """What is asked for whatever is wanted, because a decision depends on it."""
    return NAMES | JUDGED.get(kind, frozenset())


def _calls(demo: Demo) -> Iterator[tuple[tuple[str, str], set[str]]]:
    return (_wanted(call) for call in demo.calls())


@pytest.fixture(autouse=True)
def forgotten(demo: Demo) -> None:
    """No calls are noted yet."""
    demo.forget_calls()


@pytest.mark.parametrize("persona", ASKING)
def test_what_could_never_be_released_is_asked_of_no_source(
    demo: Demo, text: SchemaText, rights: Mapping[str, Rights], persona: str
) -> None:
    Walk(demo, demo.token(persona), text).everything()
    asked = list(_calls(demo))
    about_patients = {(kind, part) for kind, parts in asked if kind in FOR for part in parts - _judged(kind)}
    without_right = {
        (kind, part)
        for kind, part in about_patients
        if not rights[persona].coordinates & set(FOR[kind].get(part, "").split())
    }
    assert without_right == set()
    assert bool(about_patients) == (persona != "website")
    assert asked


def test_the_table_knows_all_that_is_ever_asked_about_a_patient(demo: Demo, text: SchemaText) -> None:
    """Else a part that it doesn't know could be asked for unseen. The physician may see nearly everything."""
    Walk(demo, demo.token("physician"), text).everything()
    asked = list(_calls(demo))
    known = {kind: FOR[kind].keys() | JUDGED.get(kind, frozenset()) for kind in FOR}
    met: dict[tuple[str, str], set[str]] = {}
    for kind, parts in asked:
        if kind in FOR:
            met.setdefault(kind, set()).update(parts - NAMES)
    assert met == known


@pytest.mark.parametrize(
    ("persona", "query"),
    [
        ("website", "{ patients { edges { cursor } } appointments { edges { cursor } } claims { edges { cursor } } }"),
        ("auditor", "{ patients { edges { cursor } } claims { edges { cursor } } slots { edges { cursor } } }"),
        ("operator", "{ practitioners { edges { cursor } } slots { edges { cursor } } patients { edges { cursor } } }"),
        ("front-desk", "{ claims { edges { cursor } } }"),
        ("biller", "{ slots { edges { cursor } } }"),
    ],
)
def test_who_may_not_see_a_type_causes_no_call_for_it(demo: Demo, persona: str, query: str) -> None:
    answer = demo.ask(persona, query)
    assert all(not (root or {}).get("edges") for root in answer["data"].values())
    assert demo.calls() == []


@pytest.mark.parametrize(
    ("persona", "query", "source", "kind", "untold"),
    [
        (
            "front-desk",
            "appointments(first: 2) { edges { node { start reason } } }",
            "scheduling",
            "appointments",
            "note",
        ),
        ("front-desk", "claims { edges { node { created } } }", "billing", "clm_hdr", "created"),
        ("biller", "phone email mrn", "ehr", "Patient", "telecom"),
        ("researcher", "name { family } mrn ssn phone address { city } gender", "ehr", "Patient", "name"),
        ("researcher", "ssn identifiers { value } gender", "ehr", "Patient", "identifier"),
        ("researcher", "coverages { edges { node { payer memberId } } }", "ehr", "Coverage", "subscriberId"),
        ("researcher", "appointments { edges { node { status reason } } }", "scheduling", "appointments", "note"),
    ],
)
def test_a_field_that_is_withheld_is_not_fetched(
    demo: Demo, persona: str, query: str, source: str, kind: str, untold: str
) -> None:
    answer = demo.ask(persona, f"{{ patients(first: 3) {{ edges {{ node {{ gender {query} }} }} }} }}")
    assert {error["extensions"]["code"] for error in answer["errors"]} == {"UNAUTHORIZED_FIELD_OR_TYPE"}
    asked = list(_calls(demo))
    assert ("ehr", "Patient") in {of for of, _ in asked}
    assert not [parts for of, parts in asked if of == (source, kind) and untold in parts]


def test_a_value_is_asked_for_where_it_is_released(demo: Demo) -> None:
    """The same questions of somebody with the right: the tests above can fail."""
    question = "{ patients(first: 3) { edges { node { phone appointments { edges { node { reason } } } } } } }"
    assert "errors" not in demo.ask("physician", question)
    parts = dict(_calls(demo))
    assert "telecom" in parts["ehr", "Patient"]
    assert "note" in parts["scheduling", "appointments"]


def test_only_what_is_selected_is_asked_for(demo: Demo) -> None:
    demo.data(
        "biller", "{ patients(first: 3) { edges { node { gender claims { edges { node { paid { amount } } } } } } } }"
    )
    parts = dict(_calls(demo))
    patient, claim = (parts[kind] - _judged(kind) for kind in (("ehr", "Patient"), ("billing", "clm_hdr")))
    assert patient == {"gender", "managingOrganization", "name"}, "to see whose each row is, and to put them in order"
    assert claim == {"paid", "ent_dt"}, "by whose day they are put in order"


def test_however_many_patients_each_source_is_asked_once_a_level(demo: Demo) -> None:
    question = """query ($n: Int!) { patients(first: $n) { edges { node { gender
      appointments(first: 5) { edges { node { status } } } encounters(first: 5) { edges { node { status } } }
      claims(first: 5) { edges { node { status } } } coverages(first: 5) { edges { node { payer } } } } } } }"""
    counts: dict[int, Counter[tuple[str, str]]] = {}
    for number in (1, 10, 35):
        demo.forget_calls()
        found = demo.data("biller", question, n=number)["patients"]["edges"]
        assert len(found) == number < VENDOR_BATCH
        counts[number] = Counter(kind for kind, _ in _calls(demo))
    assert {("scheduling", "appointments"), ("billing", "clm_hdr")} < counts[35].keys()
    assert {type_ for source, type_ in counts[35] if source == "ehr"} == {"Patient", "Encounter", "Coverage"}
    assert counts[1].keys() <= counts[10].keys() <= counts[35].keys()
    pages = counts[35].pop(("scheduling", "appointments"))
    assert pages <= 2, "the vendor's pages hold a hundred appointments"
    assert set(counts[35].values()) == {1}, counts[35]


def test_what_two_paths_lead_to_is_fetched_once(demo: Demo) -> None:
    demo.data(
        "physician",
        """{ patients(first: 5) { edges { node { generalPractitioner { npi }
          appointments(first: 5) { edges { node { practitioner { npi } patient { gender } } } } } } } }""",
    )
    counts = Counter(kind for kind, _ in _calls(demo))
    assert counts["ehr", "Patient"] == 1
    assert counts["ehr", "Practitioner"] <= 2, "by id and by NPI"


def test_no_secret_and_no_token_is_in_what_the_sources_noted(demo: Demo, text: SchemaText) -> None:
    Walk(demo, demo.token("physician"), text).everything()
    noted = "\n".join(str(call) for call in demo.calls())
    secrets = [path.read_bytes() for path in demo.state.secrets.iterdir()]
    assert len(noted) > 10_000
    assert not [secret for secret in secrets if secret.decode(errors="ignore").strip() in noted]
    assert demo.token("physician").rpartition(".")[2] not in noted
    assert "earer " not in noted

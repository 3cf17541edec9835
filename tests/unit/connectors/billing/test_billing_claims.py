from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.billing import BillingMapping
from connectors.billing.claims import Translation
from connectors.billing.queries import ATTRIBUTES
from portico.records import systems
from portico.records.references import By, RecordId, RecordType, Reference, SourceName
from portico.records.types import Claim, ClaimStatus, ClaimType
from portico.records.values import ClaimLine, Coding, Identifier, Money, Period

SOURCE = SourceName("billing")
MAPPING = BillingMapping.load()
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
ICD = "http://hl7.org/fhir/sid/icd-10-cm"

LINE = {
    "number": 1, "service_date": "20260308", "kind": "C", "code": "99213", "display": "Office visit", "units": 2,
    "billed": "120.50", "allowed_cents": "9000", "paid_cents": None,
}  # fmt: skip
ROW: dict[str, str | None] = {
    "clm_no": "CLM1", "sbscr_no": "SUB1", "sens_cd": "P", "stat_cd": "PP", "clm_typ": "I", "ent_dt": "2026-03-09",
    "svc_fr_dt": "20260308", "svc_to_dt": "20260309", "dx_list": "ABK:I10;ABF:E11.9", "dx_txt": "High pressure\nSugar",
    "lines": orjson.dumps([LINE]).decode(), "billed": "120.50", "allowed": "9000", "paid": "5", "patient": "-100",
    "visit_no": "V-1", "rndr_npi": "1000000012", "mbr_id": "MBR1", "services": '[["C","99213"]]',
}  # fmt: skip
EVERYTHING = frozenset(ATTRIBUTES)


def translated(changes: dict[str, str | None] | None = None, *wanted: str, zone: str = "UTC") -> Claim:
    attributes = frozenset(wanted) or EVERYTHING
    (claim,) = Translation(SOURCE, MAPPING, ZoneInfo(zone)).claims([{**ROW, **(changes or {})}], attributes, NOW)
    return claim


def dollars(amount: str) -> Money:
    return Money(amount=Decimal(amount), currency="USD")


def test_a_row_becomes_a_claim() -> None:
    claim = translated()
    assert claim.id == RecordId(RecordType.CLAIM, SOURCE, "CLM1")
    assert claim.subject == "SUB1"
    assert claim.labels == {"PSY"}
    assert (claim.provenance.source, claim.provenance.source_id) == (SOURCE, "CLM1")
    assert (claim.provenance.retrieved_at, claim.provenance.mapping_version) == (NOW, MAPPING.version)
    assert (claim.status, claim.claim_type, claim.created) == (ClaimStatus.PAID, ClaimType.INSTITUTIONAL, "2026-03-09")
    assert claim.diagnoses == (
        Coding(system=ICD, code="I10", display="High pressure"),
        Coding(system=ICD, code="E11.9", display="Sugar"),
    )
    assert claim.lines == (
        ClaimLine(
            number=1,
            service=Coding(system="http://www.ama-assn.org/go/cpt", code="99213", display="Office visit"),
            service_date="2026-03-08",
            units=2,
            billed=dollars("120.50"),
            allowed=dollars("90.00"),
            paid=None,
        ),
    )
    assert (claim.billed, claim.allowed, claim.paid) == (dollars("120.50"), dollars("90.00"), dollars("0.05"))
    assert claim.patient_responsibility == dollars("-1.00")
    assert claim.visit == "V-1"
    assert claim.provider == Reference(RecordType.PRACTITIONER, By.NPI, "1000000012")
    assert claim.coverage == Reference(RecordType.COVERAGE, By.MEMBER, "MBR1")


def test_a_row_with_nothing_but_names_is_a_claim_too() -> None:
    blank = dict.fromkeys(ROW.keys() - {"clm_no", "sbscr_no"})
    claim = translated(blank)
    assert claim.labels == frozenset()
    assert (claim.diagnoses, claim.lines) == ((), ())
    assert not {name for name in EVERYTHING - {"diagnoses", "lines"} if getattr(claim, name) is not None}


@pytest.mark.parametrize(
    ("changes", "labels"),
    [
        ({}, {"N"}),
        ({"sens_cd": "P"}, {"PSY"}),
        ({"dx_list": "ABK:F11.20;ABF:I10"}, {"SUD"}),
        ({"dx_list": "ABK:F1120"}, {"SUD"}),
        ({"dx_list": "BK:042"}, {"HIV"}),
        ({"services": '[["C","99213"],["H","H0020"],["C","59425"]]'}, {"SUD", "RPRO"}),
        ({"dx_list": "SCT:86406008", "sens_cd": "P;S"}, {"HIV", "PSY", "SUD"}),
        ({"dx_list": "", "services": None}, set()),
        ({"dx_list": "ZZ:local", "services": '[["Z","local"]]'}, set()),
        ({"dx_list": "ZZ:local"}, {"N"}),
        ({"dx_list": "SCT:1"}, {"R"}),
    ],
)
def test_a_claims_labels_are_what_billing_set_and_what_its_codes_say(
    changes: dict[str, str | None], labels: set[str]
) -> None:
    assert translated({"sens_cd": "", **changes}, "status").labels == labels


@given(
    sensitivities=st.lists(st.sampled_from(["P", "S", "?"]), max_size=2),
    diagnoses=st.lists(st.sampled_from(["ABK:I10", "ABF:F11.20", "BK:042", "ZZ:local"]), max_size=3),
    services=st.lists(st.sampled_from([("C", "99213"), ("H", "H0020"), ("Z", "local")]), max_size=3),
    times=st.sampled_from([1, 500]),
)
def test_claims_that_say_the_same_are_labelled_alike_however_much_they_say(
    sensitivities: list[str], diagnoses: list[str], services: list[tuple[str, str]], times: int
) -> None:
    said = ";".join(sensitivities), ";".join(diagnoses * times), orjson.dumps(services).decode()
    row = {**ROW, **dict(zip(("sens_cd", "dx_list", "services"), said, strict=True))}
    translation = Translation(SOURCE, MAPPING, ZoneInfo("UTC"))
    first, second = translation.claims([row, row], frozenset(), NOW)
    apart = [translated({"sens_cd": said[0], "dx_list": each, "services": None}, "status") for each in {"", *diagnoses}]
    apart += [translated({"sens_cd": "", "dx_list": "", "services": said[2]}, "status")]
    labels = frozenset().union(*(claim.labels for claim in apart))
    assert first.labels == second.labels == (labels - {"N"} or labels)


@pytest.mark.parametrize("attribute", sorted(EVERYTHING))
def test_only_what_is_wanted_is_read(attribute: str) -> None:
    claim = translated(None, attribute)
    assert {name for name in EVERYTHING if getattr(claim, name) is not None} == {attribute}


def test_a_service_period_lasts_from_the_first_instant_to_the_end_of_the_last_day() -> None:
    assert translated().service_period == Period(
        start=datetime(2026, 3, 8, tzinfo=UTC), end=datetime(2026, 3, 9, 23, 59, 59, tzinfo=UTC)
    )


def test_days_are_those_of_the_clinics_own_zone() -> None:
    period = translated(None, "service_period", zone="America/New_York").service_period
    assert period
    assert period.start
    assert period.end
    # Summer time began on the first of these days.
    assert period.start.astimezone(UTC) == datetime(2026, 3, 8, 5, tzinfo=UTC)
    assert period.end.astimezone(UTC) == datetime(2026, 3, 10, 3, 59, 59, tzinfo=UTC)


@pytest.mark.parametrize(
    "written",
    ["00000000", "        ", "20260230", "2026-3-8", "2026030\N{ARABIC-INDIC DIGIT EIGHT}", "", None, "9" * 8],
)
def test_a_day_that_never_was_is_absent(written: str | None) -> None:
    assert translated({"svc_fr_dt": written}).service_period == Period(
        start=None, end=datetime(2026, 3, 9, 23, 59, 59, tzinfo=UTC)
    )
    assert translated({"svc_fr_dt": written, "svc_to_dt": written}).service_period is None


@pytest.mark.parametrize(("column", "attribute"), [("stat_cd", "status"), ("clm_typ", "claim_type")])
def test_an_unknown_code_costs_its_own_value_only(column: str, attribute: str) -> None:
    claim = translated({column: "??"})
    assert getattr(claim, attribute) is None
    assert claim.visit == "V-1"


@pytest.mark.parametrize(
    ("listed", "described", "expected"),
    [
        ("ABK:I10", "", [(ICD, "I10", None)]),
        ("ABK:I10", "One\nToo many", [(ICD, "I10", "One")]),
        ("ABK:I10;ABF:E11.9", "One", [(ICD, "I10", "One"), (ICD, "E11.9", None)]),
        ("ZZ:local", "Own code", [(None, "local", "Own code")]),
        ("I10", "No qualifier", [(None, None, "No qualifier")]),
        ("ABK:a:b", "Colon", [(ICD, "a:b", "Colon")]),
    ],
)
def test_diagnoses_are_read_as_far_as_they_go(
    listed: str, described: str, expected: list[tuple[str | None, str | None, str | None]]
) -> None:
    diagnoses = translated({"dx_list": listed, "dx_txt": described}).diagnoses
    assert diagnoses == tuple(Coding(system=system, code=code, display=text) for system, code, text in expected)


@pytest.mark.parametrize("column", ["clm_no", "sbscr_no"])
@pytest.mark.parametrize("value", ["", None])
def test_a_row_that_is_nobodys_breaks_the_answer(column: str, value: str | None) -> None:
    with pytest.raises(ValueError, match="doesn't say what or whose it is"):
        translated({column: value})


@pytest.mark.parametrize("lines", ["{", "[1]", '[{"number": 1}]', '{"number": 1}', '[{"number": "one"}]'])
def test_lines_that_cannot_be_read_break_the_answer(lines: str) -> None:
    with pytest.raises((KeyError, TypeError, ValueError)):
        translated({"lines": lines})


@given(st.integers(min_value=-(10**12), max_value=10**12))
def test_cents_are_exact(cents: int) -> None:
    paid = translated({"paid": str(cents)}, "paid").paid
    assert paid
    assert paid.amount * 100 == cents
    assert paid.amount.as_tuple().exponent == -2


@given(
    st.dictionaries(
        st.sampled_from(sorted(ROW.keys() - {"lines", "services", "billed", "allowed", "paid", "patient"})), st.text()
    )
)
def test_whatever_text_stands_in_a_row_it_is_read_or_refused(changes: dict[str, str | None]) -> None:
    try:
        claim = translated(changes)
    except ValueError:
        assert not changes.get("clm_no", "x") or not changes.get("sbscr_no", "x")
    else:
        assert claim.id.value == changes.get("clm_no", "CLM1")


SUBSCRIBER = {
    "sbscr_no": "SUB1", "chart_no": "MRN1", "mbr_id": "MBR1", "lst_nm": "Müller", "fst_nm": "Zoë", "dob": "19800229",
}  # fmt: skip


def test_a_subscriber_becomes_a_person_with_canonical_identifiers() -> None:
    person = Translation(SOURCE, MAPPING, ZoneInfo("UTC")).person(SUBSCRIBER)
    assert (person.source, person.source_id) == (SOURCE, "SUB1")
    assert (person.family, person.given, person.birth_date) == ("Müller", "Zoë", "1980-02-29")
    assert person.identifiers == (
        Identifier(system=systems.MRN, value="MRN1", type="MR"),
        Identifier(system=systems.MEMBER, value="MBR1", type="MB"),
    )


def test_a_subscriber_of_whom_little_is_known_has_little() -> None:
    bare = {**dict.fromkeys(SUBSCRIBER), "sbscr_no": "SUB1", "chart_no": "", "dob": "00000000"}
    person = Translation(SOURCE, MAPPING, ZoneInfo("UTC")).person(bare)
    assert (person.identifiers, person.family, person.given, person.birth_date) == ((), None, None, None)

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.billing import BillingMapping
from connectors.billing.mapping import SHIPPED
from portico.records.errors import Fault
from portico.records.types import ClaimStatus, ClaimType
from sandbox.billing import codes

MAPPING = BillingMapping.load()


def test_every_canonical_status_and_type_has_a_code() -> None:
    assert set(MAPPING.statuses.values()) == set(ClaimStatus)
    assert set(MAPPING.claim_types.values()) == set(ClaimType)


def test_the_mapping_understands_every_code_that_the_billing_system_writes() -> None:
    assert {word: MAPPING.statuses[code] for word, code in codes.STATUSES.items()} == {
        status.value: status for status in ClaimStatus
    }
    assert MAPPING.statuses[codes.PATIENT_OWES] is ClaimStatus.PAID
    assert {word: MAPPING.claim_types[code].value for word, code in codes.TYPES.items()} == {
        word: word for word in codes.TYPES
    }
    for system, qualifier in codes.DIAGNOSIS_QUALIFIERS.items():
        assert MAPPING.diagnosis_systems[qualifier] == system
        assert MAPPING.diagnosis_systems[codes.PRINCIPAL.get(qualifier, qualifier)] == system
    assert {code: system for system, code in codes.SERVICE_TYPES.items()} == MAPPING.service_systems
    assert {code: label for label, code in codes.SENSITIVITIES.items()} == MAPPING.labels


def test_a_status_is_searched_by_all_its_codes() -> None:
    assert MAPPING.status_codes(("paid",)) == ["PD", "PP"]
    assert MAPPING.status_codes(("denied", "no such status")) == ["DN"]
    assert MAPPING.status_codes(("PD",)) == []


@pytest.mark.parametrize(
    ("written", "labels"),
    [("", set()), ("P", {"PSY"}), ("P;R", {"PSY", "R"}), (";P;;", {"PSY"})],
)
def test_sensitivities_are_labels(written: str, labels: set[str]) -> None:
    assert MAPPING.labels_of(written) == labels


@given(st.text().filter(lambda code: code and code not in MAPPING.labels and ";" not in code))
def test_an_unknown_sensitivity_restricts_as_much_as_all_known_ones(code: str) -> None:
    assert MAPPING.labels_of(f"P;{code}") == set(MAPPING.labels.values())


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('version = "billing-2026.1"', ""),
        ('version = "billing-2026.1"', 'version = ""'),
        ('version = "billing-2026.1"', 'version = "1"\nsurprise = 1'),
        ('currency = "USD"', 'currency = "dollars"'),
        ('NW = "draft"', 'NW = "drafted"'),
        ('P = "professional"', 'P = "amateur"'),
        ('R = "R"', "R = 1"),
        ('type = "MR" }', 'kind = "MR" }'),
        ("chart_no = {", "chart = {"),
        ("[statuses]", "[states]"),
        ("[statuses]", "statuses = 1\n[other]"),
        ('NW = "draft"', "NW = draft"),
    ],
)
def test_a_broken_mapping_is_a_fault_at_start(tmp_path: Path, before: str, after: str) -> None:
    text = SHIPPED.read_text()
    assert before in text
    broken = tmp_path / "mapping.toml"
    broken.write_text(text.replace(before, after, 1))
    with pytest.raises(Fault, match=r"mapping\.toml is no usable billing mapping"):
        BillingMapping.load(broken)


def test_a_missing_mapping_is_a_fault_at_start(tmp_path: Path) -> None:
    with pytest.raises(Fault):
        BillingMapping.load(tmp_path / "none.toml")

"""What a record inherits, and what a record without any label is."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from portico.access.decisions import Facts
from portico.records.references import RecordId, RecordType, SourceName
from portico.records.sensitivity import LABELLED, of
from portico.records.types import RECORD_CLASSES, Record
from portico.records.values import Provenance

NOBODYS = frozenset[str]()
KINDS = sorted(LABELLED)


def record(type_: RecordType, *labels: str, **values: object) -> Record:
    return RECORD_CLASSES[type_](
        id=RecordId(type_, SourceName("s"), "1"),
        provenance=Provenance(source="s", source_id="1", retrieved_at=datetime.now(UTC), mapping_version="1"),
        labels=frozenset(labels),
        **values,  # type: ignore[arg-type]  # a test's own values
    )


@pytest.mark.parametrize("type_", KINDS)
def test_an_unlabelled_record_of_a_kind_that_carries_labels_is_restricted(type_: RecordType) -> None:
    assert of(record(type_), NOBODYS, NOBODYS, adolescent=False) == {"R"}
    assert of(record(type_), frozenset({"VIP"}), NOBODYS, adolescent=False) == {"R", "VIP"}


@pytest.mark.parametrize("type_", sorted(set(RecordType) - LABELLED))
def test_an_unlabelled_record_of_any_other_kind_is_not(type_: RecordType) -> None:
    assert of(record(type_), NOBODYS, NOBODYS, adolescent=False) == NOBODYS


@pytest.mark.parametrize("type_", KINDS)
def test_a_record_judged_normal_is_restricted_by_what_it_inherits_alone(type_: RecordType) -> None:
    visit, plain = frozenset({"PSY"}), record(type_, "N")
    assert of(plain, NOBODYS, NOBODYS, adolescent=False) == NOBODYS
    assert of(plain, NOBODYS, visit, adolescent=False) == {"PSY"}
    assert of(plain, frozenset({"VIP", "N"}), visit, adolescent=False) == {"PSY", "VIP"}


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        (["N"], set()),
        (["R"], {"R"}),
        (["VIP"], {"VIP"}),
        (["PSY"], {"PSY", "minor-confidential"}),
        (["HIV", "N"], {"HIV", "minor-confidential"}),
        (["SUD"], {"SUD", "minor-confidential"}),
        (["RPRO"], {"RPRO", "minor-confidential"}),
    ],
)
def test_care_to_which_adolescents_consent_themselves_is_confidential(labels: list[str], expected: set[str]) -> None:
    encounter = record(RecordType.ENCOUNTER, *labels)
    assert of(encounter, NOBODYS, NOBODYS, adolescent=True) == expected
    assert of(encounter, NOBODYS, NOBODYS, adolescent=False) == expected - {"minor-confidential"}


@pytest.mark.parametrize("type_", list(RecordType))
def test_decisions_read_that_a_record_is_normal_where_records_carry_labels(type_: RecordType) -> None:
    """Who takes N from a row of the matrix takes the ordinary records with it."""
    assert Facts().about(type_.value).labels == ({"N"} if type_ in LABELLED else NOBODYS)
    assert Facts(labels=frozenset({"R"})).about(type_.value).labels == {"R"}

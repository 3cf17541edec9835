"""Linking where the EHR has merged one record into another: nothing passes to the other by itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from portico.records.people import Person
from portico.store.crosswalk import Assurance, Link, Reason, Rule, Unlinked
from resolvers.linking import EHR
from tests.unit.resolvers.clinic import BILLING, CHARTED, linked, patient_of, person

OLD = replace(CHARTED, replaced_by="e2")
SURVIVOR = person(EHR, "e2", mrn="M-200")
CARRIES_BOTH = replace(SURVIVOR, identifiers=SURVIVOR.identifiers + CHARTED.identifiers)
"""The survivor, who has taken over the identifiers of the merged record."""
BILLED = person(BILLING, "b1", mrn="M-100")


def billed(*charted: Person, existing: Sequence[Link] = (), record: Person = BILLED) -> Link | Unlinked:
    plan = linked(*charted, record, existing=existing)
    outcomes: list[Link | Unlinked] = [*plan.links, *plan.unlinked]
    (found,) = (one for one in outcomes if one.source == BILLING)
    return found


def linked_to(source_id: str) -> Link:
    return Link(
        source=BILLING, source_id="b1", patient=patient_of(source_id), assurance=Assurance.EXACT, rule=Rule.EXACT
    )


def test_a_merged_record_keeps_its_canonical_id_and_is_listed_with_the_other() -> None:
    plan = linked(OLD, SURVIVOR)

    assert {found.source_id: (found.patient, found.rule) for found in plan.links} == {
        "e1": (patient_of("e1"), Rule.IDENTITY),
        "e2": (patient_of("e2"), Rule.IDENTITY),
    }
    assert plan.unlinked == (
        Unlinked(source=EHR, source_id="e1", reason=Reason.MERGED, candidates=(patient_of("e2"),)),
    )


def test_a_record_merged_into_one_that_is_not_there_is_listed_without_a_candidate() -> None:
    assert linked(replace(OLD, replaced_by="e9")).unlinked == (
        Unlinked(source=EHR, source_id="e1", reason=Reason.MERGED),
    )


def test_what_was_linked_to_the_merged_stays_even_if_the_other_has_taken_over_its_identifiers() -> None:
    before = billed(CHARTED, SURVIVOR)

    assert before == linked_to("e1")
    assert billed(OLD, CARRIES_BOTH, existing=[linked_to("e1")]) == before


def test_what_fits_both_and_was_linked_to_neither_waits_for_a_human_being() -> None:
    found = billed(OLD, CARRIES_BOTH)

    assert isinstance(found, Unlinked)
    assert (found.reason, set(found.candidates)) == (Reason.AMBIGUOUS, {patient_of("e1"), patient_of("e2")})


def test_a_link_follows_once_its_own_source_says_so() -> None:
    renamed = person(BILLING, "b1", mrn="M-200")

    assert billed(OLD, CARRIES_BOTH, existing=[linked_to("e1")], record=renamed) == linked_to("e2")


def test_nothing_of_the_other_passes_to_the_merged() -> None:
    record = person(BILLING, "b1", mrn="M-200")

    assert billed(OLD, CARRIES_BOTH, existing=[linked_to("e2")], record=record) == linked_to("e2")


def test_unmerging_links_as_before() -> None:
    assert billed(CHARTED, SURVIVOR, existing=[linked_to("e1")]) == linked_to("e1")
    assert [left.reason for left in linked(CHARTED, SURVIVOR).unlinked] == [Reason.POSSIBLE_DUPLICATE] * 2


def test_a_record_that_its_own_source_has_merged_is_linked_to_nobody() -> None:
    merged = replace(BILLED, replaced_by="b2")

    assert billed(CHARTED, record=merged) == Unlinked(
        source=BILLING, source_id="b1", reason=Reason.MERGED, candidates=(patient_of("e1"),)
    )
    assert billed(SURVIVOR, record=replace(merged, family="Oyelaran")) == Unlinked(
        source=BILLING, source_id="b1", reason=Reason.MERGED
    )

"""What an operation selects, filters and sorts by: nothing else is asked of the policies and the sources."""

from __future__ import annotations

from typing import Any

import pytest

from graph.cost import Budgets
from graph.documents import Documents
from graph.schema import GraphSchema, build
from graph.selection import Selection, Selector
from portico.access.decisions import Ceiling
from portico.records.errors import BadArgument
from portico.records.exchange import GraphQLRequest
from portico.records.references import RecordType


@pytest.fixture(scope="module")
def schema() -> GraphSchema:
    return build()


def _selected(schema: GraphSchema, query: str, **variables: Any) -> Selection:
    documents = Documents(schema.core, Budgets())
    document, coerced = documents.prepare(GraphQLRequest(query=query, variables=variables))
    return Selector(schema, document.node, coerced).walk(document)


def _names(schema: GraphSchema, query: str, **variables: Any) -> set[str]:
    return {coordinate.name for _, coordinate in _selected(schema, query, **variables).coordinates(schema)}


def _all(schema: GraphSchema) -> Ceiling:
    names = {one.name for coordinates in schema.tags.values() for one in coordinates.values()}
    return Ceiling(frozenset(names), "d", "r")


def test_fields_count_by_the_type_that_has_them(schema: GraphSchema) -> None:
    query = "{ patients { edges { node { name { family } ssn appointments { edges { node { start } } } } } } }"
    assert _names(schema, query) == {"Patient.name", "Patient.ssn", "Patient.appointments", "Appointment.start"}


def test_fragments_named_or_not_count_where_they_are_spread(schema: GraphSchema) -> None:
    query = """{ patients { edges { node { ...F ... on Patient { email } ... { phone } } } } }
      fragment F on Patient { mrn ...G } fragment G on Patient { gender }"""
    assert _names(schema, query) == {f"Patient.{name}" for name in ("email", "phone", "mrn", "gender")}


def test_a_field_of_an_interface_counts_for_every_type_behind_it(schema: GraphSchema) -> None:
    names = _names(schema, '{ node(id: "x") { id ... on Claim { status } } }')
    assert {"Patient.id", "Claim.id", "Slot.id", "Claim.status"} <= names
    assert "Slot.status" not in names


@pytest.mark.parametrize(
    ("directives", "counts"),
    [
        ("", True),
        ("@skip(if: true)", False),
        ("@skip(if: false)", True),
        ("@include(if: false)", False),
        ("@include(if: true)", True),
        ("@include(if: true) @skip(if: true)", False),
        ("@include(if: $yes) @skip(if: $no)", True),
        ("@include(if: $no)", False),
        ("@skip(if: $yes)", False),
    ],
)
@pytest.mark.parametrize("place", ["ssn %s", "... %s { ssn }", "... on Patient %s { ssn }", "...F %s"])
def test_what_is_skipped_does_not_count(schema: GraphSchema, directives: str, counts: bool, place: str) -> None:
    fragment = " fragment F on Patient { ssn }" if "...F" in place else ""
    query = f"""query ($yes: Boolean = true, $no: Boolean = false) {{
      patients {{ edges {{ node {{ gender {place % directives} }} }} }}
      viewer {{ kind @skip(if: $no) roles @include(if: $yes) }} }}{fragment}"""
    assert ("Patient.ssn" in _names(schema, query)) is counts


def test_what_a_list_behind_an_edge_is_filtered_or_sorted_by_counts_too(schema: GraphSchema) -> None:
    query = """query ($f: AppointmentFilter) { patients { edges { node {
      appointments(filter: $f, orderBy: START_DESC) { edges { cursor } } } } } }"""
    names = _names(schema, query, f={"status": ["BOOKED"]})
    assert {"Appointment.status", "Appointment.start"} <= names
    wanted = _selected(schema, query, f={"status": ["BOOKED"]}).wanted(schema, _all(schema))
    assert wanted[RecordType.APPOINTMENT].fields == frozenset()
    assert wanted[RecordType.APPOINTMENT].attributes == {"status", "start"}


def test_a_bad_argument_behind_an_edge_is_left_to_be_said_at_its_path(schema: GraphSchema) -> None:
    query = """query ($f: AppointmentFilter) { patients { edges { node {
      appointments(filter: $f) { edges { cursor } } } } } }"""
    assert _names(schema, query, f={"patient": ""}) == {"Patient.appointments"}


def test_null_for_an_argument_with_a_default_is_refused(schema: GraphSchema) -> None:
    query = "query ($n: Int) { patients { edges { node { claims(first: $n) { edges { cursor } } } } } }"
    with pytest.raises(BadArgument, match="claims"):
        _selected(schema, query, n=None)


def test_what_the_ceiling_denies_is_wanted_but_not_fetched(schema: GraphSchema) -> None:
    query = "{ patients { edges { node { ssn gender claims { edges { node { status } } } } } } }"
    ceiling = Ceiling(frozenset({"Patient.gender", "Claim.status"}), "d", "r")
    wanted = _selected(schema, query).wanted(schema, ceiling)
    assert wanted[RecordType.PATIENT].fields == {"ssn", "gender", "claims"}
    assert wanted[RecordType.PATIENT].attributes == {"gender"}


def test_what_leads_on_or_joins_is_fetched_with_what_is_selected(schema: GraphSchema) -> None:
    query = """{ claims { edges { node { provider { npi } coverage { plan } encounter { status } } } }
      appointments { edges { node { location { name } claims { edges { cursor } } } } } }"""
    wanted = _selected(schema, query).wanted(schema, _all(schema))
    assert wanted[RecordType.CLAIM].attributes == {"provider", "coverage", "visit", "created"}
    assert wanted[RecordType.COVERAGE].attributes == {"plan", "member_id"}
    assert wanted[RecordType.ENCOUNTER].attributes == {"status", "visit"}
    assert wanted[RecordType.APPOINTMENT].attributes == {"location", "visit"}
    assert wanted[RecordType.PRACTITIONER].attributes == {"npi"}


def test_ids_and_provenance_come_along_unasked(schema: GraphSchema) -> None:
    query = "{ patients { edges { node { id provenance { source } } } } }"
    wanted = _selected(schema, query).wanted(schema, _all(schema))
    assert wanted[RecordType.PATIENT].fields == {"id", "provenance"}
    assert wanted[RecordType.PATIENT].attributes == frozenset()


def test_only_the_chosen_operation_counts(schema: GraphSchema) -> None:
    documents = Documents(schema.core, Budgets())
    query = "query A { patients { edges { node { ssn } } } } query B { patients { edges { node { gender } } } }"
    document, coerced = documents.prepare(GraphQLRequest(query=query, operation_name="B"))
    selection = Selector(schema, document.node, coerced).walk(document)
    assert selection.fields == {"Patient": {"gender"}}


def test_introspection_selects_nothing(schema: GraphSchema) -> None:
    assert _names(schema, "{ __typename __schema { types { name } } viewer { __typename } }") == set()

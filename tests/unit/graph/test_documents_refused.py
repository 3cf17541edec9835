"""Documents that are too large, ambiguous or malformed are refused before anything is asked of anybody."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from graph.cost import Budgets, Meter
from graph.documents import Documents
from graph.errors import DocumentRefused
from graph.schema import GraphSchema, build
from portico.records.exchange import GraphQLRequest
from tests.house import MemoryHouse

SECRET = "Smithereens-900-51-0001"


@pytest.fixture(scope="module")
def schema() -> GraphSchema:
    return build()


@pytest.fixture
def documents(schema: GraphSchema) -> Documents:
    return Documents(schema.core, Budgets())


def _refusal(documents: Documents, query: str, name: str | None = None, **variables: Any) -> dict[str, Any]:
    with pytest.raises(DocumentRefused) as refused:
        documents.prepare(GraphQLRequest(query=query, variables=variables, operation_name=name))
    assert len(refused.value.errors) <= 5
    error: dict[str, Any] = refused.value.errors[0]
    return error


def _prepared(documents: Documents, query: str, name: str | None = None, **variables: Any) -> Any:
    return documents.prepare(GraphQLRequest(query=query, variables=variables, operation_name=name))


def _nested(levels: int) -> str:
    """patients / edges / node / managingOrganization is no way deeper; visits of visits are."""
    inner = "id"
    for _ in range(levels):
        inner = f"encounter {{ appointment {{ {inner} }} }}"
    return f"{{ appointments {{ edges {{ node {{ {inner} }} }} }} }}"


def _through_fragments(levels: int) -> str:
    parts = [f"fragment F{n} on Appointment {{ encounter {{ appointment {{ ...F{n + 1} }} }} }}" for n in range(levels)]
    parts.append(f"fragment F{levels} on Appointment {{ id }}")
    return "{ appointments { edges { node { ...F0 } } } } " + " ".join(parts)


@pytest.mark.parametrize("write", [_nested, _through_fragments])
def test_depth_is_counted_through_fields_and_through_fragments(
    documents: Documents, write: Callable[[int], str]
) -> None:
    _prepared(documents, write(5))
    error = _refusal(documents, write(6))
    assert error["extensions"] == {"code": "COST_EXCEEDED", "budget": "depth", "limit": 15}


def test_aliases_are_counted_as_often_as_their_fragment_is_spread(documents: Documents) -> None:
    fragment = "fragment F on Viewer { a: kind b: kind c: kind d: kind e: kind f: kind g: kind }"
    twice = "query { v1: viewer { ...F } v2: viewer { ...F } } "
    _prepared(documents, twice + fragment)
    thrice = "query { v1: viewer { ...F } v2: viewer { ...F } v3: viewer { ...F } } "
    assert _refusal(documents, thrice + fragment)["extensions"]["budget"] == "aliases"


def test_roots_are_counted_wherever_they_stand(documents: Documents) -> None:
    _prepared(documents, "{ " + "viewer { kind } " * 10 + "}")
    assert _refusal(documents, "{ " + "viewer { kind } " * 11 + "}")["extensions"]["budget"] == "roots"
    spread = "{ ...F ...F } fragment F on Query { " + "viewer { kind } " * 6 + "}"
    assert _refusal(documents, spread)["extensions"]["budget"] == "roots"


def test_selections_multiply_with_their_fragments(documents: Documents) -> None:
    doubling = " ".join(f"fragment F{n} on Viewer {{ ...F{n + 1} ...F{n + 1} }}" for n in range(60))
    query = "{ viewer { ...F0 } } " + doubling + " fragment F60 on Viewer { kind }"
    began = time.process_time()
    assert _refusal(documents, query)["extensions"]["budget"] == "selections"
    assert time.process_time() - began < 1


def test_five_thousand_fields_are_over_the_budget_of_tokens(documents: Documents) -> None:
    error = _refusal(documents, "{ viewer { " + "kind " * 5_000 + "} }")
    assert error["extensions"]["code"] == "GRAPHQL_PARSE_FAILED"
    assert _refusal(documents, "{ viewer { " + "kind " * 600 + "} }")["extensions"]["budget"] == "selections"


@pytest.mark.parametrize("length", [1, 2, 3])
@pytest.mark.parametrize("used", [True, False])
def test_a_fragment_that_contains_itself_is_refused_used_or_not(documents: Documents, length: int, used: bool) -> None:
    cycle = " ".join(f"fragment F{n} on Viewer {{ ...F{(n + 1) % length} }}" for n in range(length))
    error = _refusal(documents, f"{{ viewer {{ {'...F0' if used else 'kind'} }} }} {cycle}")
    assert error["extensions"]["code"] == "COST_EXCEEDED"


LISTS = [
    "patients(first: %s) { edges { node { appointments(first: %s) { edges { node { id } } } } } }",
    """patients(first: %s) { ...P } }
      fragment P on PatientConnection { edges { node { appointments(first: %s) { ...A } } } }
      fragment A on AppointmentConnection { edges { node { id } }""",
    """patients(first: %s) { ... { e: edges { n: node { ... on Patient {
      appointments(first: %s) { ... { edges { cursor } } } } } } } }""",
    """p: patients(first: %s) { ... on PatientConnection { edges { node {
      visits: appointments(first: %s) { edges { cursor } } } } } }""",
]


@pytest.mark.parametrize("list_", LISTS)
def test_records_are_counted_however_the_rows_are_selected(documents: Documents, list_: str) -> None:
    _prepared(documents, f"{{ {list_ % (99, 99)} }}")
    error = _refusal(documents, f"{{ {list_ % (100, 100)} }}")
    assert error["extensions"] == {"code": "COST_EXCEEDED", "budget": "nodes", "limit": 10_000}


@pytest.mark.parametrize("list_", LISTS)
def test_records_are_counted_by_the_values_of_variables(documents: Documents, list_: str) -> None:
    given = f"query ($n: Int!) {{ {list_ % ('$n', '$n')} }}"
    _prepared(documents, given, n=99)
    for hundred in (100, 100.0):
        assert _refusal(documents, given, n=hundred)["extensions"]["budget"] == "nodes"
    by_default = f"query ($n: Int = 100) {{ {list_ % ('$n', '$n')} }}"
    assert _refusal(documents, by_default)["extensions"]["budget"] == "nodes"
    _prepared(documents, by_default, n=3)


def test_a_list_without_a_size_counts_at_its_default(documents: Documents) -> None:
    deep = """{ patients { edges { node { appointments { edges { node { claims { edges { node { encounter { claims {
      edges { cursor } } } } } } } } } } } } }"""
    assert _refusal(documents, deep)["extensions"]["budget"] == "nodes"


def test_records_asked_for_by_id_multiply_what_is_under_them(documents: Documents) -> None:
    query = "query ($i: [ID!]!) { nodes(ids: $i) { ... on Patient { claims(first: 100) { edges { cursor } } } } }"
    _prepared(documents, query, i=["x"] * 99)
    assert _refusal(documents, query, i=["x"] * 100)["extensions"]["budget"] == "nodes"
    literal = query.replace("($i: [ID!]!)", "").replace("$i", str(["x"] * 100).replace("'", '"'))
    assert _refusal(documents, literal)["extensions"]["budget"] == "nodes"


@pytest.mark.parametrize("first", ["99999999999999999999", "-99999999999999999999", "1" * 1_000])
def test_a_number_beyond_any_integer_is_refused_and_not_repeated(documents: Documents, first: str) -> None:
    error = _refusal(documents, f"{{ patients(first: {first}) {{ edges {{ cursor }} }} }}")
    assert error["extensions"]["code"] == "GRAPHQL_VALIDATION_FAILED"
    assert first not in str(error)


@pytest.mark.parametrize("levels", [50, 190, 201, 400, 1_000, 20_000])
@pytest.mark.parametrize(
    "write",
    [
        lambda n: "{ viewer " * n + "{ kind }" + " }" * n,
        lambda n: (
            "{ viewer { kind } patients(filter: " + "{ family: " * n + '"a"' + " }" * n + ") { edges { cursor } } }"
        ),
        lambda n: "{ nodes(ids: " + "[" * n + '"a"' + "]" * n + ") { id } }",
        lambda n: "query ($a: " + "[" * n + "ID" + "]" * n + ") { viewer { kind } }",
    ],
)
def test_deep_nesting_of_any_kind_is_refused_in_good_order(
    documents: Documents, levels: int, write: Callable[[int], str]
) -> None:
    error = _refusal(documents, write(levels))
    assert error["extensions"]["code"] in {"GRAPHQL_PARSE_FAILED", "GRAPHQL_VALIDATION_FAILED", "COST_EXCEEDED"}


@pytest.mark.parametrize("levels", [190, 201, 20_000])
def test_fragments_without_a_name_may_be_nested_as_deep_as_can_be_parsed(documents: Documents, levels: int) -> None:
    query = "{ viewer { " + "... { " * levels + "kind" + " }" * levels + " } }"
    if levels < 200:
        _prepared(documents, query)
    else:
        assert _refusal(documents, query)["extensions"]["code"] == "GRAPHQL_PARSE_FAILED"


@pytest.mark.parametrize("value", [["x"], [[["x"]]], {"a": {"b": {}}}])
def test_a_deep_variable_is_refused(documents: Documents, value: Any) -> None:
    deep = value
    for _ in range(5_000):
        deep = [deep]
    error = _refusal(documents, "query ($i: [ID!]!) { nodes(ids: $i) { id } }", i=deep)
    assert error["extensions"]["code"] == "GRAPHQL_VALIDATION_FAILED"


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("", "GRAPHQL_PARSE_FAILED"),
        ("   # nothing", "GRAPHQL_PARSE_FAILED"),
        ("{", "GRAPHQL_PARSE_FAILED"),
        ("{}", "GRAPHQL_PARSE_FAILED"),
        ("{ viewer { } }", "GRAPHQL_PARSE_FAILED"),
        ("{ \x00 }", "GRAPHQL_PARSE_FAILED"),
        ("\N{ZERO WIDTH SPACE}{ viewer { kind } }", "GRAPHQL_PARSE_FAILED"),
        ("{ viewer }", "GRAPHQL_VALIDATION_FAILED"),
        ("{ viewer { kind { x } } }", "GRAPHQL_VALIDATION_FAILED"),
        ("{ viewer { nothing } }", "GRAPHQL_VALIDATION_FAILED"),
        ("{ viewer { kind @nothing } }", "GRAPHQL_VALIDATION_FAILED"),
        ("{ node { id } }", "GRAPHQL_VALIDATION_FAILED"),
        ("{ viewer { kind } } { viewer { kind } }", "OPERATION_RESOLUTION_FAILURE"),
        ("query A { viewer { kind } } query B { viewer { kind } }", "OPERATION_RESOLUTION_FAILURE"),
        ("fragment F on Viewer { kind }", "OPERATION_RESOLUTION_FAILURE"),
        ("type Query { a: Int }", "OPERATION_RESOLUTION_FAILURE"),
        ("mutation { anything }", "GRAPHQL_VALIDATION_FAILED"),
        ("subscription { anything }", "OPERATION_RESOLUTION_FAILURE"),
        ("{ ...F } fragment F on Nothing { a }", "GRAPHQL_VALIDATION_FAILED"),
        ("{ ...Nowhere }", "GRAPHQL_VALIDATION_FAILED"),
        ("query A { viewer { kind } } query A { viewer { kind } }", "OPERATION_RESOLUTION_FAILURE"),
    ],
)
def test_a_malformed_or_ambiguous_document_is_refused(documents: Documents, query: str, code: str) -> None:
    assert _refusal(documents, query)["extensions"]["code"] == code


def test_an_operation_is_chosen_by_its_name_and_must_exist(documents: Documents) -> None:
    several = "query A { viewer { kind } } query B { viewer { roles } } mutation C { anything }"
    for name in ("D", "", "a"):
        assert _refusal(documents, several, name)["extensions"]["code"] == "OPERATION_RESOLUTION_FAILURE"
    both = "query A { viewer { kind } } query B { viewer { roles } }"
    document, _ = _prepared(documents, both, "B")
    assert document.name == "B"
    assert _refusal(documents, "{ viewer { kind } }", "A")["extensions"]["code"] == "OPERATION_RESOLUTION_FAILURE"


def test_every_operation_of_a_document_is_measured_not_only_the_chosen_one(documents: Documents) -> None:
    huge = "query Huge { " + "viewer { kind } " * 11 + "}"
    assert _refusal(documents, "query Small { viewer { kind } } " + huge, "Small")["extensions"]["budget"] == "roots"


def test_suggestions_are_never_made(documents: Documents) -> None:
    for query in (
        "{ viewr { kind } }",
        "{ viewer { knd } }",
        "{ patients(frst: 1) { edges { cursor } } }",
        "{ patients(orderBy: FAMILY_ASK) { edges { cursor } } }",
        "{ ... on Pateint { id } }",
        "{ viewer { kind @skp(if: true) } }",
        '{ patients(filter: {famly: "a"}) { edges { cursor } } }',
    ):
        assert "Did you mean" not in str(_refusal(documents, query))
    error = _refusal(
        documents, "query ($f: PatientFilter) { patients(filter: $f) { edges { cursor } } }", f={"famly": 1}
    )
    assert "Did you mean" not in str(error)


@pytest.mark.parametrize(
    ("query", "variables"),
    [
        (f'{{ patients(first: "{SECRET}") {{ edges {{ cursor }} }} }}', {}),
        (f'{{ patients(orderBy: "{SECRET}") {{ edges {{ cursor }} }} }}', {}),
        (f'{{ patients(filter: {{birthDate: {{a: "{SECRET}"}}}}) {{ edges {{ cursor }} }} }}', {}),
        (f'{{ appointments(filter: {{startFrom: "{SECRET}"}}) {{ edges {{ cursor }} }} }}', {}),
        (f'{{ viewer {{ kind }} "{SECRET}" }}', {}),
        (f'{{ viewer {{ kind }} """{SECRET}""" }}', {}),
        (f'query "{SECRET}" {{ viewer {{ kind }} }}', {}),
        ("query ($n: Int!) { patients(first: $n) { edges { cursor } } }", {"n": SECRET}),
        ("query ($n: Int!) { patients(first: $n) { edges { cursor } } }", {"n": {"a": SECRET}}),
        ("query ($o: PatientOrder!) { patients(orderBy: $o) { edges { cursor } } }", {"o": SECRET}),
        ("query ($f: PatientFilter) { patients(filter: $f) { edges { cursor } } }", {"f": {"family": [SECRET]}}),
        ("query ($f: PatientFilter) { patients(filter: $f) { edges { cursor } } }", {"f": {SECRET: "x"}}),
        (
            "query ($f: AppointmentFilter) { appointments(filter: $f) { edges { cursor } } }",
            {"f": {"startFrom": SECRET}},
        ),
        ("query ($i: ID!) { node(id: $i) { id } }", {"i": [SECRET]}),
        ("query ($i: [ID!]!) { nodes(ids: $i) { id } }", {"i": [None, SECRET]}),
    ],
)
def test_no_refusal_repeats_a_value(documents: Documents, query: str, variables: dict[str, Any]) -> None:
    error = _refusal(documents, query, **variables)
    assert error["extensions"]["code"] in {"GRAPHQL_PARSE_FAILED", "GRAPHQL_VALIDATION_FAILED"}
    assert SECRET not in str(error)
    assert error["message"]


def test_a_missing_variable_is_named(documents: Documents) -> None:
    error = _refusal(documents, "query ($id: ID!) { node(id: $id) { id } }")
    assert error["message"].startswith("$id ")


def test_many_mistakes_are_told_a_few_at_a_time(documents: Documents) -> None:
    with pytest.raises(DocumentRefused) as refused:
        documents.prepare(GraphQLRequest(query="{ " + " ".join(f"a{n}" for n in range(10)) + " }"))
    assert 1 <= len(refused.value.errors) <= 6


def test_documents_are_remembered_by_their_text_up_to_a_number_of_characters(schema: GraphSchema) -> None:
    documents = Documents(schema.core, Budgets(), capacity=300)
    texts = [f"query Q{n} {{ viewer {{ kind }} }}" for n in range(50)]
    for text in texts:
        first, _ = _prepared(documents, text)
        again, _ = _prepared(documents, text)
        assert first.node is again.node
        assert sum(known.characters for known in documents._known.values()) <= 300
    assert len(documents._known) == 300 // len(texts[-1])
    latest, _ = _prepared(documents, texts[-1])
    assert latest.digest in documents._known


def test_a_document_larger_than_all_that_is_remembered_is_answered_and_forgotten(schema: GraphSchema) -> None:
    documents = Documents(schema.core, Budgets(), capacity=10)
    document, _ = _prepared(documents, "{ viewer { kind roles } }")
    assert document.operation
    assert not documents._known


def test_an_invalid_document_is_refused_from_memory_too(documents: Documents) -> None:
    for _ in range(2):
        assert _refusal(documents, "{ nothing }")["extensions"]["code"] == "GRAPHQL_VALIDATION_FAILED"


def test_measuring_takes_linear_time(schema: GraphSchema) -> None:
    """Four times the document, at most some ten times the time: squares and powers would show."""
    documents = Documents(schema.core, Budgets(tokens=10**6, selections=10**6, depth=10**6))

    def seconds(size: int) -> float:
        chain = " ".join(f"fragment F{n} on Viewer {{ kind ...F{n + 1} }}" for n in range(size))
        text = f"{{ viewer {{ ...F0 }} }} {chain} fragment F{size} on Viewer {{ kind }}"
        node = documents._parse(text)
        best = 9.0
        for _ in range(3):
            began = time.process_time()
            Meter(node, documents._budgets).check(node.definitions[0])  # type: ignore[arg-type]  # the operation
            best = min(best, time.process_time() - began)
        return best

    assert seconds(160) < 12 * seconds(40) + 0.01


async def test_a_refused_document_asks_nobody_anything(house: MemoryHouse) -> None:
    house.engine.asked.clear()
    for query in ("{", "{ nothing }", _nested(20), "mutation { a }", "{ patients(first: 1.5) { edges { cursor } } }"):
        answer = await house.answer("biller", query)
        assert answer.executed is False
        assert b'"data"' not in answer.body
    assert house.asked() == []
    assert house.engine.asked == []
    assert house.trail.entries == []


@pytest.mark.parametrize(
    "query",
    [
        "query ($n: Int) { patients(first: $n) { edges { cursor } } }",
        "query ($n: Int) { patients { edges { node { claims(first: $n) { edges { cursor } } } } } }",
        "query ($n: PatientOrder) { patients(orderBy: $n) { edges { cursor } } }",
    ],
)
async def test_null_for_what_has_a_default_is_a_bad_argument_and_no_bug(house: MemoryHouse, query: str) -> None:
    """Validation lets it pass, because a variable that is left out would mean the default."""
    assert "errors" not in await house.ask("biller", query)
    answer = await house.ask("biller", query, n=None)
    assert answer["data"] is None
    assert [error["extensions"]["code"] for error in answer["errors"]] == ["BAD_ARGUMENT"]


async def test_introspection_is_answered_and_names_what_the_schema_names(house: MemoryHouse) -> None:
    query = '{ __schema { types { name } } __type(name: "Patient") { fields { name description } } __typename }'
    answer = await house.ask("website", query)
    assert answer["data"]["__typename"] == "Query"
    assert {"name", "ssn"} <= {field["name"] for field in answer["data"]["__type"]["fields"]}
    assert house.asked() == []


async def test_a_subscription_that_would_be_valid_elsewhere_is_refused_here(house: MemoryHouse) -> None:
    answer = await house.ask("biller", "subscription { __typename }")
    assert [error["extensions"]["code"] for error in answer["errors"]] == ["OPERATION_RESOLUTION_FAILURE"]

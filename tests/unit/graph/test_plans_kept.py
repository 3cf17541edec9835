"""What is remembered of a plan serves every request, and knows of none."""

from __future__ import annotations

import pytest

from graph.cost import Budgets
from graph.documents import Documents
from graph.plans import Bound, Plans
from graph.schema import GraphSchema, build
from portico.records.errors import BadArgument
from portico.records.exchange import GraphQLRequest
from resolvers.pages import ListArguments

NESTED = """query ($n: Int!, $when: DateTime) { patients(first: $n) { edges { node {
  mrn claims(first: 3) { edges { node { id } } }
  appointments(filter: {startFrom: $when}) { edges { node { id } } } } } } }"""
WRONG = """query ($n: Int!) { patients(first: $n) { edges { node {
  appointments(first: 999) { edges { node { id } } } } } } }"""


@pytest.fixture(scope="module")
def schema() -> GraphSchema:
    return build()


def bound(schema: GraphSchema, plans: Plans, query: str, **variables: object) -> Bound:
    documents = Documents(schema.core, Budgets())
    made = plans.of(*documents.prepare(GraphQLRequest(query=query, variables=variables)))
    assert isinstance(made, Bound)
    return made


def arguments(made: Bound) -> dict[str, object]:
    return {step.key: given for step, given in made.steps.items()}


def test_arguments_that_depend_on_variables_are_each_requests_own(schema: GraphSchema) -> None:
    plans = Plans(schema)
    first = bound(schema, plans, NESTED, n=1, when="2026-01-01T00:00:00Z")
    other = bound(schema, plans, NESTED, n=2, when="2026-02-01T00:00:00Z")
    assert first.plan is other.plan
    assert [dict(one)["first"] for made in (first, other) for one in made.roots.values()] == [1, 2]
    one, two = arguments(first), arguments(other)
    assert one["claims"] == two["claims"]
    assert isinstance(one["appointments"], ListArguments)
    assert isinstance(two["appointments"], ListArguments)
    assert [each.values for each in one["appointments"].conditions] == [("2026-01-01T00:00:00+00:00",)]
    assert [each.values for each in two["appointments"].conditions] == [("2026-02-01T00:00:00+00:00",)]


def test_what_is_wrong_with_an_argument_is_kept_without_the_request_that_showed_it(schema: GraphSchema) -> None:
    plans = Plans(schema)
    for number in (1, 2):
        error = arguments(bound(schema, plans, WRONG, n=number))["appointments"]
        assert isinstance(error, BadArgument)
        assert "first" in error.message
        assert (error.__traceback__, error.__context__, error.__cause__) == (None, None, None)

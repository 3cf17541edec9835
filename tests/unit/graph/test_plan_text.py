"""A plan can be read."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest
from typer.testing import CliRunner

from graph.cost import Budgets
from graph.documents import Documents
from graph.plan_text import plan_text
from graph.schema import GraphSchema, build
from portico.__main__ import app
from portico.access.decisions import Ceiling
from portico.planning import SOURCES
from portico.records.exchange import GraphQLRequest


@pytest.fixture(scope="module")
def schema() -> GraphSchema:
    return build()


def told(schema: GraphSchema, query: str, operation: str | None = None, ceiling: Ceiling | None = None) -> str:
    document = Documents(schema.core, Budgets()).read(GraphQLRequest(query=query, operation_name=operation))
    return "\n".join(plan_text(schema, document, SOURCES, ceiling))


def test_places_of_one_edge_and_its_arguments_are_one_call(schema: GraphSchema) -> None:
    query = """{ a: claim(id: "x") { patient { mrn } } b: claim(id: "y") { patient { gender } } }"""
    assert told(schema, query) == dedent("""\
        the query: planned, 6 fields

        before any source: the ceiling of 3 coordinates

        level 1
          claim(id: "x"): Claim, by id, the billing system
          claim(id: "y"): Claim, by id, the billing system
          decide Claim

        level 2
          Claim.patient: Patient, by the ids of its patient, the EHR, once for all
          decide Patient
          write Patient: mrn
          write Patient: gender

        asked for, besides ids
          Claim: nothing
          Patient: gender, mrn""")


def test_an_interface_is_told_by_the_types_of_which_more_is_written(schema: GraphSchema) -> None:
    text = told(schema, """{ node(id: "x") { id ... on Patient { mrn } ... on Slot { start } } }""")
    assert text.partition("asked for")[0] == dedent("""\
        the query: planned, 14 fields

        before any source: the ceiling of 13 coordinates

        level 1
          node(id: "x"): by id, whatever system the id is of
          decide Patient, Slot
          write Patient: id, mrn
          write Slot: id, start

        """)


def test_what_portico_keeps_itself_is_asked_of_nobody(schema: GraphSchema) -> None:
    text = told(schema, "{ viewer { kind } patients { edges { node { accesses { edges { cursor } } } } } }")
    assert "viewer: Viewer, searched for, Portico itself" in text
    assert "Patient.accesses: Access, by its patient, Portico itself, once for all" in text


def test_what_conditions_leave_open_is_told_as_if_it_were_in(schema: GraphSchema) -> None:
    query = """query ($a: Boolean!, $b: Boolean!) {
      viewer { kind @include(if: $a) subject @skip(if: $b) tenant @skip(if: true) } }"""
    assert "write Viewer: kind, subject\n" in told(schema, query)


def test_a_list_of_which_nothing_is_read_is_told(schema: GraphSchema) -> None:
    assert "patients: Patient, searched for, the EHR" in told(schema, "{ patients { pageInfo { hasNextPage } } }")


def test_a_ceiling_tells_what_it_prunes_and_nothing_is_asked_for_that(schema: GraphSchema) -> None:
    query = "{ patients { edges { node { mrn ssn } } } }"
    text = told(schema, query, ceiling=Ceiling(frozenset({"Patient.mrn"}), "", ""))
    assert "  Patient: mrn\n" in text
    assert text.endswith("pruned by the ceiling\n  Patient.ssn")
    every = Ceiling(frozenset({"Patient.mrn", "Patient.ssn"}), "", "")
    assert told(schema, query, ceiling=every).endswith("pruned by the ceiling\n  nothing")


def test_why_there_is_no_plan_is_told(schema: GraphSchema) -> None:
    query = """query Q { viewer { kind } } query I { viewer { kind } __type(name: "Patient") { name } }
      mutation M { breakTheGlass(input: {patient: "x", reason: "y"}) { id } }"""
    assert told(schema, query, "Q").startswith("query Q: planned")
    assert told(schema, query, "I").startswith("I: no plan, because it asks about the schema itself")
    assert told(schema, query, "M") == "M: no plan, because it is a mutation; graphql-core executes it"


class TestCommand:
    """`portico plan` says in plain lines what is wrong."""

    def run(self, *arguments: str, document: str = "{ viewer { kind } }") -> tuple[int, str]:
        result = CliRunner().invoke(app, ["plan", *arguments], input=document)
        return result.exit_code, result.output

    def test_a_document_comes_from_a_file_or_from_standard_input(self, tmp_path: Path) -> None:
        path = tmp_path / "one.graphql"
        path.write_text("{ viewer { kind } }")
        assert self.run(str(path)) == self.run("-")
        assert self.run("-")[0] == 0

    def test_an_operation_is_chosen_by_its_name(self) -> None:
        document = "query A { viewer { kind } } query B { sources { name } }"
        assert self.run("-", "--operation", "B", document=document)[1].startswith("query B: planned")
        assert self.run("-", document=document) == (
            1, "portico: operationName is required: there are several operations.\n",
        )  # fmt: skip

    @pytest.mark.parametrize("who", ["biller", "/HPAYMT", "biller/", ""])
    def test_who_is_a_role_and_a_purpose(self, who: str) -> None:
        code, said = self.run("-", "--as", who)
        assert (code, said) == (2, "portico: --as takes a role and a purpose of use, such as biller/HPAYMT\n")

    def test_a_file_that_is_not_there_is_told(self) -> None:
        assert self.run("nothing.graphql") == (2, "portico: nothing.graphql can't be read\n")

    @pytest.mark.parametrize(
        ("document", "said"),
        [
            ("{ viewer { kind }", "Syntax Error"),
            ("{ nothing }", "Cannot query field 'nothing' on type 'Query'."),
        ],
    )
    def test_what_is_no_document_of_the_schema_is_refused(self, document: str, said: str) -> None:
        code, output = self.run("-", document=document)
        assert said in output
        assert code == 1

    @pytest.mark.parametrize(
        ("who", "said"),
        [
            ("nobody/HRESCH", "no such role; there are patient, guardian, physician, front-desk, biller, researcher,"),
            ("physician/HPAYMT", "physician has no purpose HPAYMT; there are TREAT, ETREAT"),
            ("biller/NOTHING", "biller has no purpose NOTHING; there are HPAYMT"),
        ],
    )
    def test_whom_the_policies_do_not_know_is_refused_with_whom_they_know(self, who: str, said: str) -> None:
        code, output = self.run("-", "--as", who)
        assert code == 2
        assert output.startswith(f"portico: {said}")

    def test_a_role_to_which_the_policies_give_nothing_of_it_has_an_empty_ceiling(self) -> None:
        code, output = self.run("-", "--as", "auditor/HOPERAT", document="{ patients { edges { node { mrn } } } }")
        assert code == 0
        assert output.endswith("pruned by the ceiling\n  Patient.mrn\n")

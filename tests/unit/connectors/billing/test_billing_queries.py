from __future__ import annotations

import re
from datetime import date

import pytest

from connectors.billing import BillingMapping, queries
from portico.records.errors import UnsupportedPredicate
from portico.records.references import By, RecordType
from portico.records.search import FIELDS, ORDERS, Condition, Op, Search
from portico.records.types import Claim, Record

MAPPING = BillingMapping.load()
EVERYTHING = frozenset(queries.ATTRIBUTES)


def search(*where: Condition, order: str = "created", descending: bool = False, after: str | None = None) -> Search:
    return Search(type=RecordType.CLAIM, where=where, order=order, descending=descending, limit=10, after=after)


def built(search_: Search, *wanted: str) -> queries.Statement:
    return queries.search_claims(search_, frozenset(wanted), MAPPING)


def test_every_attribute_of_a_claim_has_its_columns() -> None:
    assert {*Claim.__struct_fields__} - {*Record.__struct_fields__} == EVERYTHING


def test_nothing_is_selected_that_nobody_wants() -> None:
    sql = queries.find_claims(By.ID, ["CLM1"], frozenset(), row_limit=5).sql
    selected = sql.split("from")[0]
    assert re.findall(r"h\.(\w+)", selected) == ["clm_no", "sbscr_no", "sens_cd", "dx_list"]
    assert re.findall(r"\) (\w+) on true", sql) == ["services"], "which codes were billed says how sensitive it is"


@pytest.mark.parametrize(
    ("attribute", "tables"),
    [
        ("status", set()),
        ("diagnoses", set()),
        ("billed", {"clm_ln"}),
        ("paid", {"remit"}),
        ("patient_responsibility", {"remit"}),
        ("lines", {"clm_ln", "remit"}),
    ],
)
def test_lines_and_remittances_are_joined_only_when_asked_for(attribute: str, tables: set[str]) -> None:
    sql = queries.find_claims(By.ID, ["CLM1"], frozenset({attribute}), row_limit=5).sql
    assert set(re.findall(r"from (\w+)", sql)) == {"clm_hdr", "clm_ln"} | tables
    assert ("chg_amt" in sql) == ("clm_ln" in tables)


def test_attributes_from_one_join_join_once() -> None:
    sql = queries.find_claims(By.ID, ["CLM1"], EVERYTHING, row_limit=5).sql
    assert sql.count(") remittances on true") == sql.count(") charges on true") == sql.count(") lines on true") == 1


def test_keys_are_bound_and_never_written() -> None:
    statement = queries.find_claims(By.PATIENT, ["'; drop table clm_hdr;--"], EVERYTHING, row_limit=5)
    assert "drop" not in statement.sql
    assert statement.arguments == (["'; drop table clm_hdr;--"], 6)


def test_keys_that_no_column_can_hold_are_not_asked_for() -> None:
    statement = queries.find_claims(By.ID, ["a\0b", "\ud800", "CLM1", "é"], EVERYTHING, row_limit=5)
    assert statement.arguments[0] == ["CLM1", "é"]


def test_every_predicate_of_the_vocabulary_is_bound() -> None:
    for field, ops in FIELDS[RecordType.CLAIM].items():
        for op in ops:
            value = "2026-03-08" if field == "created" else "paid"
            statement = built(search(Condition(field, op, (value,))))
            assert value not in statement.sql
            assert len(statement.arguments) == 2
            assert "$2" in statement.sql


def test_a_search_fetches_one_more_than_the_page() -> None:
    assert built(search()).arguments == (11,)


@pytest.mark.parametrize("order", sorted(ORDERS[RecordType.CLAIM]))
@pytest.mark.parametrize("descending", [False, True])
def test_a_page_is_ordered_alike_before_and_after_its_columns_are_joined(order: str, descending: bool) -> None:
    inner, outer = re.findall(r"order by (.*)", built(search(order=order, descending=descending)).sql)
    assert inner == outer
    assert inner.endswith(" desc") is descending


def test_a_position_holds_what_the_order_needs() -> None:
    by_date = built(search(after=queries.position("CLM 1", "2026-03-08")))
    assert by_date.arguments == (11, date(2026, 3, 8), "CLM 1")
    by_number = built(search(order="id", after=queries.position("CLM 1", None)))
    assert by_number.arguments == (11, "CLM 1")


@pytest.mark.parametrize("after", ["", "CLM1", "2026-13-01 CLM1", "yesterday"])
def test_a_position_of_nobodys_is_refused(after: str) -> None:
    with pytest.raises(UnsupportedPredicate):
        built(search(after=after))


@pytest.mark.parametrize(
    "condition",
    [
        Condition("created", Op.FROM, ("yesterday",)),
        Condition("created", Op.IN, ("2026-01-01",)),
        Condition("clm_no", Op.IN, ("CLM1",)),
        Condition("patient", Op.PREFIX, ("SUB",)),
    ],
)
def test_a_predicate_outside_the_vocabulary_is_refused_and_not_dropped(condition: Condition) -> None:
    with pytest.raises(UnsupportedPredicate):
        built(search(condition))


def test_every_column_is_read_as_text() -> None:
    for attribute, columns in queries.ATTRIBUTES.items():
        for expression in columns.expressions:
            assert re.fullmatch(r"h\.\w+::text|to_char\(.*\) as \w+|(lines|charges|remittances)\.\w+.*", expression), (
                attribute
            )

"""What one read costs at the source, and what of the source's rows counts."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import pytest

from portico.records.errors import SourceInvalid
from portico.records.references import By, RecordType
from portico.records.search import Condition, Op, Search
from portico.records.types import Claim
from portico.records.values import Money
from sandbox.control import Control
from tests.contract.questions import context
from tests.contract.small_population import small_population
from tests.unit.connectors.billing.serving import Connect

SUBSCRIBERS = [person.billing.id for person in small_population().people if person.billing]
CLAIM = "CLM00010"
"""One of many of subscriber SUB00010: adjudicated, one line."""


@asynccontextmanager
async def changed(
    superuser: asyncpg.Connection[asyncpg.Record], change: str, undo: str, number: str = CLAIM
) -> AsyncIterator[None]:
    """The database after a change to one row, named by its number as $1."""
    await superuser.execute(change, number)
    try:
        yield
    finally:
        await superuser.execute(undo, number)


def operations(control: Control) -> list[object]:
    return [call["operation"] for call in control.calls]


def statement(control: Control) -> str:
    (call,) = control.calls
    parameters = call["parameters"]
    assert isinstance(parameters, dict)
    return str(parameters["sql"])


async def the_claim(connect: Connect, *attributes: str) -> Claim | None:
    found = await connect().find(context(*attributes), RecordType.CLAIM, By.ID, [CLAIM])
    return found[0] if found else None


@pytest.mark.parametrize("count", [1, 3, len(SUBSCRIBERS)])
async def test_any_number_of_patients_costs_one_statement(connect: Connect, control: Control, count: int) -> None:
    await connect().find(
        context("lines", "paid", "status", "diagnoses"), RecordType.CLAIM, By.PATIENT, SUBSCRIBERS[:count]
    )
    assert operations(control) == ["SELECT clm_hdr"]


async def test_the_source_is_told_whom_it_is_asked_about(connect: Connect, control: Control) -> None:
    await connect(row_limit=50).find(context(), RecordType.CLAIM, By.PATIENT, SUBSCRIBERS[:2])
    (call,) = control.calls
    assert call["tenant"] == "alder"
    assert call["parameters"] == {"sql": statement(control), "arguments": [SUBSCRIBERS[:2], 51]}


async def test_a_page_of_a_search_costs_one_statement(connect: Connect, control: Control) -> None:
    where = (Condition("status", Op.IN, ("paid",)), Condition("created", Op.FROM, ("2026-01-01",)))
    await connect().search(
        context("billed"), Search(type=RecordType.CLAIM, where=where, order="created", descending=True, limit=5)
    )
    (call,) = control.calls
    assert call["operation"] == "SELECT clm_hdr"
    assert isinstance(call["parameters"], dict)
    assert call["parameters"]["arguments"] == [6, ["PD", "PP"], "2026-01-01"]


async def test_people_are_scanned_page_by_page(connect: Connect, control: Control) -> None:
    people = [person async for person in connect(scan_page_rows=4).people(context())]
    assert [person.source_id for person in people] == sorted(SUBSCRIBERS)
    assert operations(control) == ["SELECT sbscr"] * (len(SUBSCRIBERS) // 4 + 1)


async def test_relations_cost_nothing(connect: Connect, control: Control) -> None:
    assert [relation async for relation in connect().relations(context())] == []
    assert not control.calls


async def test_the_source_sees_only_the_columns_that_are_wanted(connect: Connect, control: Control) -> None:
    assert await the_claim(connect, "status", "coverage")
    assert re.findall(r"h\.(\w+)", statement(control).split("from")[0]) == [
        "clm_no", "sbscr_no", "sens_cd", "dx_list", "stat_cd", "mbr_id",
    ]  # fmt: skip


async def test_many_selections_share_one_connection(connect: Connect, control: Control) -> None:
    connector = connect(pool_size=1)
    attributes = ["status", "lines", "paid", "visit", "provider", "billed", "created"]
    for number in range(2 ** len(attributes)):
        wanted = [name for bit, name in enumerate(attributes) if number >> bit & 1]
        (claim,) = await connector.find(context(*wanted), RecordType.CLAIM, By.ID, [CLAIM])
        assert {name for name in attributes if getattr(claim, name) is not None} == set(wanted)
    assert len(control.calls) == 2 ** len(attributes)


async def test_concurrent_reads_wait_for_a_connection_and_keep_apart(connect: Connect) -> None:
    connector = connect(pool_size=2)
    answers = await asyncio.gather(
        *(connector.find(context(), RecordType.CLAIM, By.PATIENT, [number]) for number in SUBSCRIBERS * 5)
    )
    for number, claims in zip(SUBSCRIBERS * 5, answers, strict=True):
        assert {claim.subject for claim in claims} <= {number}


async def test_a_flagged_claim_is_gone(connect: Connect, superuser: asyncpg.Connection[asyncpg.Record]) -> None:
    async with changed(
        superuser,
        "update clm_hdr set del_flg = 'Y' where clm_no = $1",
        "update clm_hdr set del_flg = 'N' where clm_no = $1",
    ):
        assert await the_claim(connect) is None
        page = await connect().search(context(), Search(type=RecordType.CLAIM, order="id", limit=100))
        assert CLAIM not in {hit.record.id.value for hit in page.hits}
    assert await the_claim(connect)


async def test_a_flagged_subscriber_is_nobody(connect: Connect, superuser: asyncpg.Connection[asyncpg.Record]) -> None:
    async with changed(
        superuser,
        "update sbscr set del_flg = 'Y' where sbscr_no = $1",
        "update sbscr set del_flg = 'N' where sbscr_no = $1",
        number=SUBSCRIBERS[0],
    ):
        people = {person.source_id async for person in connect().people(context())}
    assert people == set(SUBSCRIBERS[1:])


async def test_a_flagged_line_counts_nowhere(connect: Connect, superuser: asyncpg.Connection[asyncpg.Record]) -> None:
    before = await the_claim(connect, "lines", "billed")
    async with changed(
        superuser,
        "insert into clm_ln values ($1, 9, '20260101', 'C', '99999', 'struck out', 1, 999.99, 'Y')",
        "delete from clm_ln where clm_no = $1 and ln_no = 9",
    ):
        after = await the_claim(connect, "lines", "billed")
    assert before
    assert after
    assert (after.lines, after.billed) == (before.lines, before.billed)


async def test_remittances_add_up_and_void_ones_count_nowhere(
    connect: Connect, superuser: asyncpg.Connection[asyncpg.Record]
) -> None:
    wanted = ("allowed", "paid", "patient_responsibility", "lines")
    before = await the_claim(connect, *wanted)
    async with changed(
        superuser,
        "insert into remit values ($1, 1, 7, null, -150, null, 'N'), ($1, 1, 8, 700, 700, 700, 'Y'), "
        "($1, 0, 8, null, null, 25, 'N')",
        "delete from remit where clm_no = $1 and seq_no > 6",
    ):
        after = await the_claim(connect, *wanted)
    assert before
    assert after
    assert after.allowed == before.allowed
    assert cents(after.paid) == cents(before.paid) - 150
    assert cents(after.patient_responsibility) == cents(before.patient_responsibility) + 25
    assert after.lines
    assert after.lines[0].paid == after.paid


def cents(amount: Money | None) -> int:
    assert amount
    assert amount.currency == "USD"
    return int(amount.amount * 100)


async def test_a_claim_without_lines_and_remittances_has_no_amounts(
    connect: Connect, superuser: asyncpg.Connection[asyncpg.Record]
) -> None:
    wanted = ("billed", "allowed", "paid", "status", "claim_type", "provider", "coverage", "service_period")
    async with changed(
        superuser,
        "insert into clm_hdr select 'CLMBARE', sbscr_no, null, null, null, null, '?', '??', ent_dt, '0', '0' "
        "from clm_hdr where clm_no = $1",
        "delete from clm_hdr where clm_no = 'CLMBARE' and sbscr_no = (select sbscr_no from clm_hdr where clm_no = $1)",
    ):
        (claim,) = await connect().find(context("lines", *wanted), RecordType.CLAIM, By.ID, ["CLMBARE"])
    assert claim.lines == ()
    assert not {name for name in wanted if getattr(claim, name) is not None}


async def test_a_claim_that_is_nobodys_costs_the_answer(
    connect: Connect, superuser: asyncpg.Connection[asyncpg.Record]
) -> None:
    async with (
        changed(
            superuser,
            "insert into sbscr (sbscr_no, lst_nm, fst_nm) values ($1, '', '')",
            "delete from sbscr where sbscr_no = $1",
            number="",
        ),
        changed(
            superuser,
            "update clm_hdr set sbscr_no = '' where clm_no = $1",
            "update clm_hdr set sbscr_no = 'SUB00010' where clm_no = $1",
        ),
    ):
        with pytest.raises(SourceInvalid) as caught:
            await the_claim(connect)
    assert caught.value.__context__ is None

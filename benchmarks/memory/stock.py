"""Stock Strawberry over the same records: plain attributes, data loaders, the caches of documents that it ships.

Without any policy, or with an asynchronous permission class on each field of a record that only says yes. The rows
are made beforehand, which a real resolver would do for each request.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Generic, TypeVar

import orjson
import strawberry
from aiodataloader import DataLoader
from strawberry.extensions import ParserCache, ValidationCache
from strawberry.permission import BasePermission
from strawberry.schema.config import StrawberryConfig

from benchmarks.memory import operation
from benchmarks.memory.rows import BILLING, EHR, SCHEDULING, records
from graph.values import SCALARS, Address, Coding, HumanName, Identifier, Money, PartialDate, Period, Provenance
from portico.records import types
from portico.records.types import Record

Node = TypeVar("Node")
Load = Callable[[list[str]], Coroutine[Any, Any, list[list[Record]]]]


class Allowed(BasePermission):
    """Asks, and lets everybody see everything."""

    message = "not allowed"

    async def has_permission(self, source: Any, info: strawberry.Info, **kwargs: Any) -> bool:  # noqa: ARG002  Strawberry's
        """Yes."""
        return True


@strawberry.type
class Edge(Generic[Node]):
    """A row."""

    node: Node


@strawberry.type
class Connection(Generic[Node]):
    """A page."""

    edges: list[Edge[Node]]


_ATTRIBUTES: Mapping[str, Mapping[str, Any]] = {
    "Patient": {
        "name": HumanName, "birth_date": PartialDate, "gender": types.Gender, "language": str, "deceased": bool,
        "mrn": str, "ssn": str, "identifiers": list[Identifier], "address": Address, "provenance": Provenance,
    },
    "Encounter": {"status": types.EncounterStatus, "encounter_class": Coding, "period": Period},
    "Appointment": {
        "start": datetime, "end": datetime, "status": types.AppointmentStatus, "service_type": Coding,
    },
    "Claim": {
        "status": types.ClaimStatus, "claim_type": types.ClaimType, "created": PartialDate, "billed": Money,
        "allowed": Money, "paid": Money,
    },
}  # fmt: skip
_NAMES = {"encounter_class": "class", "claim_type": "type"}


class Stock:
    """The same patients as stock Strawberry serves them."""

    def __init__(self, patients: int, *, asking: bool) -> None:
        self._patients = sorted(
            (one for one in records(EHR, patients) if isinstance(one, types.Patient)),
            key=lambda one: (one.name.family or "" if one.name else "", one.id.value),
        )
        self._loads = {
            "encounters": _load(records(EHR, patients), types.Encounter, EHR),
            "appointments": _load(records(SCHEDULING, patients), types.Appointment, SCHEDULING),
            "claims": _load(records(BILLING, patients), types.Claim, BILLING),
        }
        parsed, validated = ParserCache(maxsize=100), ValidationCache(maxsize=100)
        self._schema = strawberry.Schema(
            query=self._query([Allowed] if asking else []),
            extensions=[lambda: parsed, lambda: validated],
            config=StrawberryConfig(scalar_map=SCALARS),
        )

    async def answer(self, document: str, patients: int) -> bytes:
        """One answer's bytes."""
        context = {name: DataLoader(load) for name, load in self._loads.items()}
        variables = operation.variables(patients, operation.offsets(patients))
        result = await self._schema.execute(document, variable_values=variables, context_value=context)
        if result.errors:
            raise result.errors[0]
        return orjson.dumps({"data": result.data})

    def _query(self, permissions: Sequence[type[BasePermission]]) -> type:
        nodes = {name: _type(name, permissions) for name in ("Encounter", "Appointment", "Claim")}
        edges = {f"{name.lower()}s": _edge(f"{name.lower()}s", node, permissions) for name, node in nodes.items()}
        patient: Any = _type("Patient", permissions, **edges)

        def patients(first: int, after: str | None = None) -> Any:
            start = int(after or 0)
            return _page(self._patients[start : start + first])

        patients.__annotations__["return"] = Connection[patient]
        query: type = strawberry.type(type("Query", (), {"patients": strawberry.field(resolver=patients)}))
        return query


def _type(name: str, permissions: Sequence[type[BasePermission]], **edges: Any) -> type:
    attributes = _ATTRIBUTES[name]
    fields = {
        attribute: strawberry.field(name=_NAMES.get(attribute), permission_classes=list(permissions))
        for attribute in attributes
    }
    optional = {attribute: of | None for attribute, of in attributes.items()}
    made: type = strawberry.type(type(name, (), {"__annotations__": optional, **fields, **edges}))
    return made


def _edge(name: str, node: Any, permissions: Sequence[type[BasePermission]]) -> Any:
    async def follow(root: Any, info: strawberry.Info) -> Any:
        return _page(await info.context[name].load(root.id.value))

    follow.__annotations__["return"] = Connection[node]
    return strawberry.field(resolver=follow, permission_classes=list(permissions))


def _page(rows: Sequence[Any]) -> Connection[Any]:
    return Connection(edges=[Edge(node=row) for row in rows])


def _load(held: Iterable[Record], shape: type[Record], source: str) -> Load:
    by_patient: dict[str, list[Record]] = {}
    for record in held:
        if isinstance(record, shape) and record.subject is not None:
            by_patient.setdefault(record.subject.replace(source, EHR), []).append(record)

    async def load(patients: list[str]) -> list[list[Record]]:
        return [by_patient.get(patient, []) for patient in patients]

    return load

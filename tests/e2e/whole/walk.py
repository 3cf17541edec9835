"""A walk through everything that a caller can reach: every root, every page, every field, every id."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from graph.cost import Budgets
from tests.e2e.whole.stage import Server
from tests.oracles.reply import Reply
from tests.spec.served_world import SchemaText

LISTS = {
    "patients": "Patient",
    "appointments": "Appointment",
    "claims": "Claim",
    "slots": "Slot",
    "practitioners": "Practitioner",
    "emergencyAccesses": "EmergencyAccess",
}
SINGLES = {"patient": "Patient", "appointment": "Appointment", "claim": "Claim", "practitioner": "Practitioner"}
AT_ONCE = 100
NODES_AT_ONCE = Budgets().nodes
"""What a request may cost: the ids asked for, each with all that its lists could hold."""
ROOTS_AT_ONCE = 10
IN_A_LIST = 40
"""Rows asked for of each list of a thing."""
ENOUGH = {"Slot": 50}
PAGES = {"Slot": 2}
"""Of what is nobody's, some are as good as all."""
ENDLESS = 100


@dataclass
class Walk:
    """One caller's walk: every reply to it, and every id that it came upon by type."""

    server: Server
    token: str
    text: SchemaText
    replies: list[Reply] = field(default_factory=list)
    seen: dict[str, set[str]] = field(default_factory=dict)

    def everything(self) -> None:
        """Walk from every root as far as it goes."""
        viewer, source = self.text.selection("Viewer"), self.text.selection("Source")
        self.ask(f"{{ viewer {{ {viewer} }} sources {{ {source} }} }}")
        for root, type_ in LISTS.items():
            self._list(root, type_)
        visited: set[str] = set()
        while new := {type_: ids - visited for type_, ids in self.seen.items() if ids - visited}:
            for type_, ids in new.items():
                visited |= ids
                self.nodes(type_, ids)

    def nodes(self, type_: str, ids: Iterable[str]) -> list[Any]:
        """Everything of the things with these ids, by `nodes` and then some of them by every other way in."""
        wanted = sorted(ids)[: ENOUGH.get(type_)]
        rows: list[Any] = []
        for some in _batches(wanted, self._at_once(type_)):
            query = f"query ($ids: [ID!]!) {{ nodes(ids: $ids) {{ {self._all_of(type_)} }} }}"
            rows += self.ask(query, ids=some)["nodes"] or []
        ways = ["node", *(name for name, target in SINGLES.items() if target == type_)]
        for way in ways:
            some = wanted[:ROOTS_AT_ONCE]
            fields = self._all_of(type_) if way == "node" else self.text.selection(type_)
            for one in some[:1]:
                self.ask(f"query ($id: ID!) {{ {way}(id: $id) {{ {fields} }} }}", id=one)
            names = " ".join(f'a{place}: {way}(id: "{one}") {{ __typename id }}' for place, one in enumerate(some))
            if names:
                self.ask(f"{{ {names} }}")
        if type_ == "Patient":
            for one in wanted[:ROOTS_AT_ONCE]:
                shown = f"edges {{ cursor node {{ {self.text.selection('Access')} }} }}"
                self.ask(f"query ($id: ID!) {{ accesses(patient: $id, first: 100) {{ {shown} }} }}", id=one)
        return rows

    def ask(self, query: str, **variables: Any) -> Mapping[str, Any]:
        """The data of an answer; what it shows is noted."""
        reply = self.server.reply(self.token, query, variables)
        self.replies.append(reply)
        assert reply.status == 200, reply.body
        assert "data" in reply.json(), reply.body
        data: Mapping[str, Any] = reply.json()["data"] or {}
        self._note(data)
        return data

    def _all_of(self, type_: str) -> str:
        """Everything of a type; what has no id to ask for it by is shown in full where it stands."""
        shown = self.text.selection(type_)
        for name in self._lists(type_):
            target = self.text.target(type_, name) or ""
            if "id" not in self.text.fields(target):
                rows = f"{name}(first: {IN_A_LIST}) {{ edges {{ node {{ %s }} }} }}"
                assert rows % "__typename" in shown
                shown = shown.replace(rows % "__typename", rows % self.text.selection(target))
        return f"... on {type_} {{ {shown} }}"

    def _lists(self, type_: str) -> list[str]:
        return [name for name in self.text.edges(type_) if self.text.many(type_, name)]

    def _at_once(self, type_: str) -> int:
        """How many ids one request may ask for everything of."""
        return min(AT_ONCE, NODES_AT_ONCE // (1 + IN_A_LIST * len(self._lists(type_))))

    def _list(self, root: str, type_: str) -> None:
        after = None
        for _ in range(PAGES.get(type_, ENDLESS)):
            page = "pageInfo { hasNextPage hasPreviousPage startCursor endCursor }"
            shown = " ".join(["__typename id", *self._values(type_)])
            rows = f"edges {{ cursor node {{ {shown} }} }}"
            query = f"query ($after: String) {{ {root}(first: 100, after: $after) {{ {rows} {page} }} }}"
            found = self.ask(query, after=after)[root]
            if found is None or not found["pageInfo"]["hasNextPage"]:
                return
            after = found["pageInfo"]["endCursor"]
        assert type_ in PAGES

    def _values(self, type_: str) -> list[str]:
        return [f"{name} {self.text._below(type_, name)}" for name in self.text.values(type_)]

    def _note(self, value: Any) -> None:
        match value:
            case {"__typename": str(name), "id": str(id_)}:
                self.seen.setdefault(name, set()).add(id_)
                self._note_targets(name, value)
            case dict():
                for one in value.values():
                    self._note(one)
            case list():
                for one in value:
                    self._note(one)

    def _note_targets(self, type_: str, fields: Mapping[str, Any]) -> None:
        """The ids that edges lead to, each under its type."""
        for name, value in fields.items():
            if name not in self.text.fields(type_):
                continue
            target = self.text.target(type_, name)
            for id_ in _ids(value) if target else ():
                self.seen.setdefault(target or "", set()).add(id_)


def _ids(value: Any) -> Iterator[str]:
    match value:
        case {"id": str(id_)}:
            yield id_
        case {"edges": [*edges]}:
            for edge in edges:
                yield from _ids(edge["node"])


def _batches(ids: Iterable[str], size: int) -> Iterator[list[str]]:
    rest = iter(ids)
    while batch := list(islice(rest, size)):
        yield batch

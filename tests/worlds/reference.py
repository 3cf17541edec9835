"""The second oracle: what is served equals what an unguarded executor answers, masked by the independent table."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import orjson

from graph.cost import Budgets
from graph.execution import Executor
from portico.access.decisions import Decisions
from portico.access.guard import Guard
from portico.records.exchange import GraphQLRequest
from portico.records.references import PatientId
from tests.house import SECRET
from tests.spec.served_world import shifts
from tests.worlds.allowance import AllowEverything
from tests.worlds.clinic import NumberedTrail, World
from tests.worlds.completion import Question
from tests.worlds.masking import CURSOR, Masking, Moved
from tests.worlds.sight import Sight, Who
from tests.worlds.stage import Stage

ROOMY = Budgets(tokens=1_000_000, depth=100, aliases=10_000, roots=100, selections=1_000_000, nodes=10**15)
"""What a completed question costs is nobody's business."""


class Overreach(AssertionError):
    """Something else was served than the independent table gives."""


@dataclass(slots=True)
class Reference:
    """An unguarded executor on the left server's sources and tables: graphql-core, field by field."""

    stage: Stage
    executor: Executor = field(init=False)
    trail: NumberedTrail = field(init=False)
    shifted: dict[PatientId | None, timedelta] = field(default_factory=dict)
    """By how much each patient's dates were moved, as far as was seen."""

    def __post_init__(self) -> None:
        house = self.stage.left.house
        engine: Any = AllowEverything()
        decisions, self.trail = Decisions(engine), NumberedTrail()
        parts = replace(
            house.executor._parts,
            decisions=decisions,
            guard=Guard(decisions, house.schema.tags, mask_secret=SECRET),
            trail=self.trail,
            planned=False,
            budgets=ROOMY,
        )
        self.executor = Executor(house.schema, parts)

    def hold(self, world: World) -> None:
        """Let the server, and so its reference, serve a world."""
        self.stage.left.hold(world)

    def check(self, who: Who, sight: Sight, query: str, variables: Mapping[str, Any]) -> Any:
        """The data served, None where nothing was executed. Raises `Overreach` where it is not what it should be."""
        for trail in (self.trail, self.stage.left.house.trail):
            assert isinstance(trail, NumberedTrail)
            trail.restart(who.tenant, sight.clinic.told)
        served = self.stage.ask_left(who, query, variables).json().get("data")
        if served is None:
            return None
        question = Question.read(self.stage.text.schema, query, variables)
        raw = self.stage.run(self._unguarded(who, *question.completed()))
        expected = Masking.of(sight, self.stage.left.house.seal, question).served(raw)
        try:
            self._same(expected, served, "")
        except AssertionError as error:
            told = f"{who.persona.name} for {who.purpose}\n{query}\nwith {json.dumps(variables)}\n{served}\n{expected}"
            raise Overreach(f"{error}\n{told}") from None
        return served

    async def _unguarded(self, who: Who, query: str, variables: Mapping[str, Any]) -> Any:
        caller = self.stage.left.house.caller(who.persona.name, who.purpose, seconds=120)
        answer = await self.executor.answer(GraphQLRequest(query=query, variables=variables), caller)
        decoded = orjson.loads(answer.body)
        assert decoded.get("data") is not None, decoded
        return decoded["data"]

    def _same(self, expected: Any, served: Any, place: str) -> None:
        match expected:
            case Moved(patient, value):
                self._moved(patient, value, served, place)
            case dict():
                assert isinstance(served, dict), place
                assert list(expected) == list(served), place
                for key, value in expected.items():
                    self._same(value, served[key], f"{place}.{key}")
            case list():
                assert isinstance(served, list), place
                assert len(expected) == len(served), f"{place}: {len(served)} rows, not {len(expected)}"
                for number, value in enumerate(expected):
                    self._same(value, served[number], f"{place}.{number}")
            case _ if expected is CURSOR:
                assert isinstance(served, str), place
            case _:
                assert expected == served, f"{place}: {served!r}, not {expected!r}"

    def _moved(self, patient: PatientId | None, value: Any, served: Any, place: str) -> None:
        for by in shifts(value, served):
            assert by == self.shifted.setdefault(patient, by), f"{place}: moved by another number of days"
            assert 0 < abs(by.days) <= 182, place
            assert not by.seconds, place

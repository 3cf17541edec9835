"""Two houses that are the same but for who executes: plans on one side, graphql-core on the other.

Both have sources, tables and a trail of their own, and decisions that were remembered apart from each other; what the
policies say, and the id of each saying, is the same for both.
"""

from __future__ import annotations

import asyncio
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final, TypeAlias

import orjson

from connectors.channel import Channel, ChannelConfig
from graph.execution import Executor, Parts
from graph.schema import GraphSchema
from portico.access.decisions import Decisions
from portico.access.engine import PolicyStatus, Rule, Verdict
from portico.access.guard import Guard
from portico.access.principal import Caller
from portico.audit.entry import AuditEntry
from portico.records.errors import PolicyUnavailable
from portico.records.exchange import GraphQLRequest
from portico.records.references import By, SourceName
from portico.store.memory_emergency import MemoryEmergencyAccesses
from resolvers.commands import CommandStores
from resolvers.ledger import note_call
from tests.house import DESTINATIONS, SECRET, MemoryHouse, RecordingConnector, WatchedCrosswalk, WatchedEngine
from tests.worlds.clinic import NumberedTrail, OwnRecordsOfOld, World

THEN: Final = datetime(2026, 1, 1, tzinfo=UTC)
MEASURED: Final = re.compile(rb'"milliseconds":[0-9.]+')
CALLS: Final = re.compile(rb'"calls":[0-9]+')
TURNS: Final = 8
PATIENCE_SECONDS: Final = 120.0
"""However busy the machine is, nothing may be late on one side alone."""
FAILURES_LIMIT: Final = 10**9
"""No source is left alone because it failed before: what one answer holds must not depend on the last."""

Question: TypeAlias = tuple[Rule, bytes]
Executing: TypeAlias = Callable[[GraphSchema, Parts], Executor]
Sayings: TypeAlias = dict[Question, Verdict]


class NotedEngine:
    """A policy engine that notes each question, and gives equal questions of either side the same verdict.

    Classes of records come in any order; they are asked in one, and all verdicts of a rule are cited by its name: in
    which batch a class was decided depends on which of two roots came first, what was decided does not.
    """

    def __init__(self, engine: WatchedEngine, sayings: Sayings) -> None:
        self._engine = engine
        self._sayings = sayings
        self.asked: list[Question] = []
        self.decided: set[Question] = set()
        self.failing = False

    @property
    def revision(self) -> str:
        return self._engine.revision

    @property
    def status(self) -> PolicyStatus:
        return self._engine.status

    async def ask(self, rule: Rule, input_: Mapping[str, Any]) -> Verdict:
        classes = input_.get("classes", {})
        order = sorted(classes, key=lambda key: _json(classes[key]))
        if classes:
            input_ = {**input_, "classes": {f"c{number}": classes[key] for number, key in enumerate(order)}}
        question = (rule, _json(input_))
        self.asked.append(question)
        self.decided |= {(rule, _json(classes[key])) for key in order} or {question}
        if self.failing:
            raise PolicyUnavailable
        verdict = self._sayings.get(question)
        if verdict is None:
            verdict = replace(await self._engine.ask(rule, input_), decision_id=rule.value)
            self._sayings[question] = verdict
        if not classes:
            return verdict
        return replace(verdict, result={key: verdict.result[f"c{number}"] for number, key in enumerate(order)})

    async def aclose(self) -> None:
        """The engine is its house's."""


def _json(value: Any) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


@dataclass(frozen=True, slots=True)
class Heard:
    """All that can be known of one execution. What it asked is compared without its order; the bytes are not."""

    body: bytes
    executed: bool
    asked: Counter[Any]
    questions: Counter[Question]
    """What the policies were asked, by batch."""
    decided: frozenset[Question]
    """What the policies were asked of each class of records, and else."""
    recorded: tuple[AuditEntry, ...]
    faults: int
    """How many bugs were told to operators; graphql-core words them in its own way."""

    def unhurried(self) -> Heard:
        """The same, but for what depends on which of two roots is faster.

        Either may be the first to need a decision, and have more decided with it; a record that one asks for by its id
        need not be asked for if the other has found it by then; and what both ask for is one call or two.
        """
        keys: defaultdict[tuple[Any, ...], set[str]] = defaultdict(set)
        for source, type_, by, names, attributes in self.asked:
            if by != By.ID.value:
                keys[source, type_, by, attributes].update(names)
        asked = Counter((*of[:3], tuple(sorted(names)), of[3]) for of, names in keys.items())
        return replace(self, body=CALLS.sub(b'"calls":0', self.body), questions=Counter(), asked=asked)


@dataclass(slots=True)
class Twin:
    """One side."""

    house: MemoryHouse
    engine: NotedEngine

    async def hear(self, request: GraphQLRequest, caller: Caller) -> Heard:
        """An answer, and all that it took."""
        house = self.house
        answer = await house.executor.answer(request, caller)
        asked = house.asked(caller.principal.tenant)
        heard = Heard(
            body=MEASURED.sub(b'"milliseconds":0', answer.body),
            executed=answer.executed,
            asked=Counter((one.source, one.type, one.by, tuple(sorted(one.keys)), one.attributes) for one in asked),
            questions=Counter(self.engine.asked),
            decided=frozenset(self.engine.decided),
            recorded=tuple(replace(entry, at=THEN) for entry in house.trail.entries),
            faults=len(house.faults),
        )
        self.engine.asked.clear()
        self.engine.decided.clear()
        house.trail.entries.clear()
        house.faults.clear()
        return heard

    def restart(self, world: World) -> None:
        """Forget what was recorded of answers, and what was decided: each round begins alike."""
        self.house.decisions._known.clear()
        for tenant, clinic in world.items():
            assert isinstance(self.house.trail, NumberedTrail)
            self.house.trail.restart(tenant, clinic.told)


class _Trail(NumberedTrail):
    """One that hands out what was committed last, and can fail."""

    async def commit(self, entry: AuditEntry) -> int:
        self.entries.append(entry)
        return await super().commit(entry)


class FarConnector(RecordingConnector):
    """A source that takes a few turns to answer, so that no answer is there before another root has asked."""

    async def find(self, *arguments: Any) -> Any:
        found = await super().find(*arguments)
        await _turns(TURNS)
        return found

    async def search(self, *arguments: Any) -> Any:
        page = await super().search(*arguments)
        await _turns(TURNS)
        return page


async def _turns(number: int) -> None:
    for _ in range(number):
        await asyncio.sleep(0)


def twin(house: MemoryHouse, sayings: Sayings, executing: Executing) -> Twin:
    """Another house on the same policies and secrets, with sources, decisions, tables and a trail of its own."""
    parts = house.executor._parts
    engine = NotedEngine(house.engine, sayings)
    decisions = Decisions(engine)
    sources = {tenant: {name: _empty(source) for name, source in of.items()} for tenant, of in house.sources.items()}
    channels = {
        tenant: {
            type_: channel
            for name, source in of.items()
            for channel in [Channel(source, _config(name), on_call=note_call)]
            for type_ in channel.keys
        }
        for tenant, of in sources.items()
    }
    crosswalk, trail, faults = WatchedCrosswalk(), _Trail(), list[BaseException]()
    emergency = MemoryEmergencyAccesses(commit=trail.commit, knows=crosswalk.knows, alerts=house.alerts)
    crosswalk.emergencies = emergency.bonds
    changed = replace(
        parts,
        channels=channels,
        crosswalk=crosswalk,
        decisions=decisions,
        guard=Guard(decisions, house.schema.tags, mask_secret=SECRET),
        trail=trail,
        commands=CommandStores(
            emergency=emergency, consents=crosswalk, records=OwnRecordsOfOld(emergency, crosswalk, parts.seal)
        ),
        on_fault=lambda error, _: faults.append(error),
        planned=True,
    )
    made = replace(
        house,
        executor=executing(house.schema, changed),
        trail=trail,
        crosswalk=crosswalk,
        decisions=decisions,
        sources=sources,
        emergency=emergency,
        faults=faults,
    )
    return Twin(made, engine)


def _empty(source: RecordingConnector) -> FarConnector:
    records = [one for of in source._records.values() for one in of]
    return FarConnector(SourceName(source.source), records, batch_limit=source.batch_limit)


def _config(source: SourceName) -> ChannelConfig:
    return ChannelConfig(
        destination=DESTINATIONS[source],
        timeout_seconds=PATIENCE_SECONDS,
        concurrency_limit=50,
        failure_limit=FAILURES_LIMIT,
    )

"""Two worlds, each behind a running server: the same secrets, policies and decisions, and the same questions to both.

What an answer owes to its request and not to its world is the same on both sides, or constant:

- the request's id, in a header and in some errors: each request has its own, and it is blanked (`lasting`);
- the time of day, a header: not compared;
- ids of decisions: both servers share what was decided, so that a decision is cold for neither of them alone;
- `retrievedAt`, and what the audit trail and the store date: clocks that stand still (`clinic.EPOCH`);
- `latencyMilliseconds`, which is measured: no question asks for it;
- what demo mode explains of an answer: both servers explain nothing.

Everything else is compared byte for byte: the status, all other headers, the whole body.
"""

from __future__ import annotations

import asyncio
import logging
import shutil
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, TypeVar

import orjson
import structlog

from connectors.channel import Channel
from graph.execution import Executor, Parts
from portico.edge.endpoint import Limits
from portico.records.references import SourceName
from portico.store.memory_emergency import MemoryEmergencyAccesses
from resolvers.commands import CommandStores
from tests.adversarial.front import Front, fronted
from tests.house import POLICIES, MemoryHouse, RecordingConnector, WatchedCrosswalk, _channel_config, memory_house
from tests.oracles.reply import Reply
from tests.oracles.uniform import lasting
from tests.spec.served_world import SchemaText, schema_text
from tests.worlds.clinic import NumberedTrail, OwnRecordsOfOld, World
from tests.worlds.scenery import BASE_SIZE, scenery
from tests.worlds.sight import Sight, Who

T = TypeVar("T")

PATIENCE: Final = Limits(request_timeout_seconds=120.0)
"""However busy the machine is, no answer may be late in one world alone."""

Leak = Callable[[Parts], Parts]
"""A fault that is planted into both servers; see `tests/worlds/leaks.py`."""


@dataclass(slots=True)
class Side:
    """One of the two servers."""

    house: MemoryHouse
    front: Front
    holds: World = field(default_factory=dict)

    def hold(self, world: World) -> None:
        """Let it serve a world."""
        for tenant, clinic in world.items():
            clinic.put_into(self.house, tenant)
        self.holds = world
        for tenant in world:
            self.house.asked(tenant)


@dataclass(slots=True)
class Stage:
    """Two servers, and the world that all others are made from."""

    left: Side
    right: Side
    base: World
    now: datetime
    run: Callable[[Coroutine[Any, Any, Any]], Any]
    text: SchemaText

    def who(self, persona: str, purpose: str) -> Who:
        """A persona asking for a purpose."""
        return Who(self.left.house.personas[persona], purpose)

    def sight(self, world: World, who: Who) -> Sight:
        """What they may see of a world, by the independent table."""
        return Sight(world, who, self.text, self.left.house.executor._parts.commands.records, self.now)

    def hold(self, left: World, right: World) -> None:
        """Let the two serve these worlds."""
        self.left.hold(left)
        self.right.hold(right)

    def ask(self, who: Who, query: str, variables: Mapping[str, Any]) -> tuple[Reply, Reply]:
        """Both servers' replies to one question."""
        body = orjson.dumps({"query": query, "variables": variables})
        replies: tuple[Reply, Reply] = self.run(self._ask(who, body))
        return replies

    def ask_left(self, who: Who, query: str, variables: Mapping[str, Any]) -> Reply:
        """One server's reply."""
        reply: Reply = self.run(self._one(self.left, who, orjson.dumps({"query": query, "variables": variables})))
        return reply

    async def _ask(self, who: Who, body: bytes) -> tuple[Reply, Reply]:
        return await self._one(self.left, who, body), await self._one(self.right, who, body)

    async def _one(self, side: Side, who: Who, body: bytes) -> Reply:
        return await side.front.send(who.persona.name, body, X_Purpose_Of_Use=who.purpose)


def alike(replies: tuple[Reply, Reply]) -> bool:
    """Whether two replies differ in nothing but what is a request's own."""
    one, other = map(lasting, replies)
    return one == other


@contextmanager
def staged(leak: Leak = lambda parts: parts) -> Iterator[Stage]:
    """A stage on a loop of its own, so that tests can be plain functions. `leak` is planted into both servers."""
    with quiet(), TemporaryDirectory() as folder, asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        # Of a copy of the policies, so that whoever edits them meanwhile does not change one side's answers.
        policies = Path(shutil.copytree(POLICIES, Path(folder) / "policies"))
        stack = AsyncExitStack()
        stage = runner.run(stack.enter_async_context(_staged(runner.run, leak, policies)))
        try:
            yield stage
        finally:
            runner.run(stack.aclose())


@contextmanager
def quiet() -> Iterator[None]:
    """Nothing is logged of thousands of requests."""
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    try:
        yield
    finally:
        structlog.configure(**before)


@asynccontextmanager
async def _staged(run: Callable[[Coroutine[Any, Any, Any]], Any], leak: Leak, policies: Path) -> AsyncIterator[Stage]:
    async with memory_house(size=BASE_SIZE, explain=False, policies=policies) as house:
        base = scenery(house)
        left, right = _twin(house, leak), _twin(house, leak)
        right.executor._documents = left.executor._documents  # of a document alone: what it says, and that it is valid
        async with fronted(left, limits=PATIENCE) as one, fronted(right, limits=PATIENCE) as other:
            stage = Stage(
                left=Side(left, one),
                right=Side(right, other),
                base=base,
                now=datetime.now(UTC),
                run=run,
                text=schema_text(house.schema.sdl),
            )
            stage.hold(base, base)
            yield stage
        for fault in (*left.faults, *right.faults):
            raise fault  # a bug that an answer hid


def _twin(house: MemoryHouse, leak: Leak) -> MemoryHouse:
    """Another house on the same policies, decisions and secrets, with sources and tables of its own."""
    parts = house.executor._parts
    sources = {tenant: {name: _empty(source) for name, source in of.items()} for tenant, of in house.sources.items()}
    channels = {
        tenant: {
            type_: channel
            for name, source in of.items()
            for channel in [Channel(source, _channel_config(name))]
            for type_ in channel.keys
        }
        for tenant, of in sources.items()
    }
    crosswalk, trail, faults = WatchedCrosswalk(), NumberedTrail(), list[BaseException]()
    emergency = MemoryEmergencyAccesses(commit=trail.commit, knows=crosswalk.knows, alerts=house.alerts)
    crosswalk.emergencies = emergency.bonds
    own = OwnRecordsOfOld(emergency, crosswalk, parts.seal)
    changed = replace(
        parts,
        channels=channels,
        crosswalk=crosswalk,
        trail=trail,
        commands=CommandStores(emergency=emergency, consents=crosswalk, records=own),
        on_fault=lambda error, _: faults.append(error),
    )
    return replace(
        house,
        executor=Executor(house.schema, leak(changed)),
        trail=trail,
        crosswalk=crosswalk,
        sources=sources,
        emergency=emergency,
        faults=faults,
        signed_in_at=int(time.time()),
    )


def _empty(source: RecordingConnector) -> RecordingConnector:
    """A source of the same name and kinds of records; what it holds is put in later."""
    records = [one for of in source._records.values() for one in of]
    return RecordingConnector(SourceName(source.source), records, batch_limit=source.batch_limit)

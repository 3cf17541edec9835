"""What a connector makes of a source that is down, slow or lying; to subclass beside `ConnectorContract`.

    class TestMyConnectorUnderFaults(MyFixtures, FaultContract):
        @pytest.fixture
        async def unreachable(self) -> AsyncIterator[Connector]:     # the same connector, nobody listening
            ...

A fault becomes one of three errors with the source's name, within the deadline, and leaves no trace once it is over.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final

import pytest

from connectors.base import Connector
from connectors.channel import Channel, ChannelConfig
from portico.records.errors import SourceError, SourceInvalid, SourceTimeout, SourceUnavailable
from portico.records.references import By, RecordType
from portico.records.search import FIELDS, Condition, Op
from sandbox.control import Control, Mode
from sandbox.population.model import Population
from tests.contract import oracle
from tests.contract.questions import conditions, context, known_values, listing, lookups
from tests.contract.small_population import small_population
from tests.contract.truth import Truth

__all__ = ["FaultContract"]

_HURRY_SECONDS: Final = 1.0
_Ask = Callable[[float], Awaitable[object]]
"""One way to call a connector, given the seconds it has."""


class FaultContract:
    """What holds for every connector whose source misbehaves."""

    @pytest.fixture
    def population(self) -> Population:
        return small_population()

    async def test_a_source_that_is_down_is_unavailable(self, unreachable: Connector, truth: Truth) -> None:
        for ask in _asks(unreachable, truth):
            await _assert_raises(SourceUnavailable, unreachable, truth, ask)

    @pytest.mark.parametrize("mode", [Mode.ERROR, Mode.THROTTLE, Mode.RESET])
    async def test_a_failing_source_is_unavailable_and_heals(
        self, connector: Connector, control: Control, truth: Truth, mode: Mode
    ) -> None:
        _misbehave(control, mode)
        for ask in _asks(connector, truth):
            await _assert_raises(SourceUnavailable, connector, truth, ask)
        await _assert_heals(connector, control, truth)

    async def test_a_slow_source_times_out_at_the_deadline_and_heals(
        self, connector: Connector, control: Control, truth: Truth
    ) -> None:
        _misbehave(control, Mode.SLOW, seconds=60)
        waiting = (_assert_raises(SourceTimeout, connector, truth, ask) for ask in _asks(connector, truth))
        await asyncio.gather(*waiting)
        await _assert_heals(connector, control, truth)

    async def test_a_huge_answer_is_invalid_and_heals(
        self, connector: Connector, control: Control, truth: Truth
    ) -> None:
        _misbehave(control, Mode.HUGE)
        for ask in _reads(connector, truth):
            await _assert_raises(SourceInvalid, connector, truth, ask, seconds=20)
        await _assert_heals(connector, control, truth)

    async def test_an_answer_about_other_patients_is_invalid_and_heals(
        self, connector: Connector, control: Control, truth: Truth
    ) -> None:
        _misbehave(control, Mode.WRONG_PATIENT)
        channel = Channel(connector, ChannelConfig(failure_limit=1_000))
        for type_, bys in connector.keys.items():
            if By.PATIENT not in bys:
                continue
            keys = oracle.known_keys(truth, type_, By.PATIENT)[:2]
            with pytest.raises(SourceInvalid):
                await channel.find(context(), type_, By.PATIENT, keys)
        for type_ in connector.searches:
            for field in {"patient", "organization"} & FIELDS[type_].keys():
                condition = Condition(field, Op.IN, tuple(known_values(truth, type_, field)[:1]))
                with pytest.raises(SourceInvalid):
                    await channel.search(context(), listing(type_, condition))
        await _assert_heals(connector, control, truth)

    async def test_a_lying_source_gives_no_row_that_misses_a_condition_and_heals(
        self, connector: Connector, control: Control, truth: Truth
    ) -> None:
        """Whatever it is asked by: either nothing is spoilt by the lie, or nothing is taken from it."""
        _misbehave(control, Mode.WRONG_PATIENT)
        channel = Channel(connector, ChannelConfig(failure_limit=1_000))
        refused = 0
        for type_ in connector.searches:
            everything = context(*oracle.attributes_of(type_))
            for field, ops in FIELDS[type_].items():
                for condition in conditions(truth, type_, field, ops):
                    try:
                        page = await channel.search(everything, listing(type_, condition))
                    except SourceInvalid:
                        refused += 1
                    else:
                        assert all(oracle.matches(hit.record, condition) for hit in page.hits), f"{type_} {field}"
        assert refused
        await _assert_heals(connector, control, truth)


def _misbehave(control: Control, mode: Mode, *, seconds: float = 60) -> None:
    if mode not in control.modes:
        pytest.skip(f"{control.source} can't do {mode}")
    control.mode, control.seconds = mode, seconds


def _reads(connector: Connector, truth: Truth) -> list[_Ask]:
    type_, by = lookups(connector)[0]
    keys = oracle.known_keys(truth, type_, by)[:1]
    asks: list[_Ask] = [
        lambda seconds: connector.find(context(seconds=seconds), type_, by, keys),
        lambda seconds: _first(connector.people(context(seconds=seconds))),
    ]
    if truth.relations:
        asks.append(lambda seconds: _first(connector.relations(context(seconds=seconds))))
    return asks + [_searching(connector, searched) for searched in connector.searches]


def _searching(connector: Connector, type_: RecordType) -> _Ask:
    return lambda seconds: connector.search(context(seconds=seconds), listing(type_))


def _asks(connector: Connector, truth: Truth) -> list[_Ask]:
    return [*_reads(connector, truth), lambda seconds: connector.ping(context(seconds=seconds))]


async def _first(items: AsyncIterator[object]) -> object:
    return [item async for item in items][:1]


async def _assert_raises(
    expected: type[SourceError], connector: Connector, truth: Truth, ask: _Ask, *, seconds: float = _HURRY_SECONDS
) -> None:
    began = time.monotonic()
    with pytest.raises(expected) as caught:
        await ask(seconds)
    assert time.monotonic() - began < seconds + 1.0
    assert caught.value.source == connector.source
    assert not any(person.source_id in str(caught.value) for person in truth.people)


async def _assert_heals(connector: Connector, control: Control, truth: Truth) -> None:
    control.mode = Mode.WELL
    type_, by = lookups(connector)[0]
    keys = oracle.known_keys(truth, type_, by)[:1]
    assert len(await connector.find(context(), type_, by, keys)) == len(oracle.found(truth, type_, by, keys))

"""What is kept, for how long, and that nothing is unless it is asked for."""

from __future__ import annotations

from connectors.channel import ChannelConfig
from connectors.shelf import Shelf
from portico.records.references import By, RecordType
from tests.unit.connectors.channel.virtual_clock import VirtualClock
from tests.unit.connectors.channel.world import World, patient

PATIENT, PRACTITIONER = RecordType.PATIENT, RecordType.PRACTITIONER
NAME = frozenset({"name"})


def keeping(**seconds: float) -> World:
    return World(config=ChannelConfig(keep_seconds={RecordType(type_): limit for type_, limit in seconds.items()}))


def asked(world: World) -> list[tuple[str, ...]]:
    return [keys for _, _, keys in world.connector.calls]


async def test_nothing_is_kept_unless_it_is_said() -> None:
    world = World()
    for _ in range(2):
        await world.channel.find(world.call(), PATIENT, By.ID, ["p0"])
    assert asked(world) == [("p0",), ("p0",)]


async def test_what_is_kept_is_not_asked_for_until_its_time_is_over() -> None:
    world = keeping(Patient=60)
    first = await world.channel.find(world.call("birth_date"), PATIENT, By.ID, ["p0", "nobody"])
    world.clock.seconds += 59
    assert await world.channel.find(world.call("birth_date"), PATIENT, By.ID, ["p0", "nobody"]) == first
    assert asked(world) == [("p0", "nobody")]
    assert [report.calls for report in world.reports] == [1, 0]
    world.clock.seconds += 1
    await world.channel.find(world.call("birth_date"), PATIENT, By.ID, ["p0"])
    assert asked(world)[1:] == [("p0",)]


async def test_only_what_is_missing_is_asked_for() -> None:
    world = keeping(Patient=60)
    await world.channel.find(world.call(), PATIENT, By.ID, ["p0"])
    found = await world.channel.find(world.call(), PATIENT, By.ID, ["p1", "p0"])
    assert {key: len(records) for key, records in found.items()} == {"p0": 1, "p1": 1}
    assert asked(world) == [("p0",), ("p1",)]


async def test_other_attributes_keys_and_types_are_asked_for() -> None:
    world = keeping(Patient=60)
    await world.channel.find(world.call("birth_date"), PATIENT, By.ID, ["p0"])
    await world.channel.find(world.call("birth_date", "language"), PATIENT, By.ID, ["p0"])
    for _ in range(2):
        await world.channel.find(world.call(), RecordType.APPOINTMENT, By.PATIENT, ["p0"])
    assert len(world.connector.calls) == 4


def test_the_shelf_is_bounded_by_records_and_the_oldest_give_way() -> None:
    clock = VirtualClock()
    shelf = Shelf({PATIENT: 60, PRACTITIONER: 0}, clock=clock, capacity=2)
    for name in ("a", "b", "c"):
        shelf.keep(PATIENT, By.ID, NAME, {name: (patient(name),)})
    assert set(shelf.kept(PATIENT, By.ID, NAME, ["a", "b", "c"])) == {"b", "c"}
    shelf.keep(PRACTITIONER, By.ID, NAME, {"d": ()})
    assert shelf.kept(PRACTITIONER, By.ID, NAME, ["d"]) == {}
    assert set(shelf.kept(PATIENT, By.ID, NAME, ["b", "c"])) == {"b", "c"}
    shelf.keep(PATIENT, By.ID, NAME, {"e": (patient("e"), patient("f"))})
    assert set(shelf.kept(PATIENT, By.ID, NAME, ["b", "c", "e"])) == {"e"}


def test_what_is_kept_anew_counts_once_and_from_then_on() -> None:
    clock = VirtualClock()
    shelf = Shelf({PATIENT: 60}, clock=clock, capacity=2)
    for _ in range(3):
        shelf.keep(PATIENT, By.ID, NAME, {"a": (patient("a"),)})
        clock.seconds += 59
    shelf.keep(PATIENT, By.ID, NAME, {"b": (patient("b"),)})
    assert set(shelf.kept(PATIENT, By.ID, NAME, ["a", "b"])) == {"a", "b"}


def test_nothing_stays_in_the_process_for_longer_than_it_is_kept() -> None:
    clock = VirtualClock()
    shelf = Shelf({PATIENT: 60, PRACTITIONER: 120}, clock=clock)
    shelf.keep(PATIENT, By.ID, NAME, {"a": (patient("a"),)})
    clock.seconds += 60
    shelf.kept(PRACTITIONER, By.ID, NAME, ["d"])
    assert not any(board.kept for board in shelf._boards.values())

"""Whatever happens in whatever order: the breaker and the bucket keep their word, and finds find exactly."""

from __future__ import annotations

from typing import Final

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from connectors.breaker import Breaker, BreakerState, Permit
from connectors.bucket import TokenBucket
from portico.records.references import By, RecordType
from tests.unit.connectors.channel.virtual_clock import VirtualClock
from tests.unit.connectors.channel.world import World

LIMIT: Final = 3
COOL_DOWN: Final = 10.0


class BreakerMachine(RuleBasedStateMachine):
    """A breaker beside what can be said of it without knowing how it works."""

    permits = Bundle("permits")

    def __init__(self) -> None:
        super().__init__()
        self.clock = VirtualClock()
        self.breaker = Breaker(failure_limit=LIMIT, cool_down_seconds=COOL_DOWN, clock=self.clock)
        self.failures = 0
        self.opened_at: float | None = None
        self.probe: Permit | None = None
        self.current: list[Permit] = []

    @rule(target=permits)
    def admit(self) -> Permit | None:
        before = self.breaker.state
        permit = self.breaker.admit()
        match before:
            case BreakerState.CLOSED:
                assert permit is not None
                self.current.append(permit)
            case BreakerState.OPEN:
                assert permit is None
            case BreakerState.HALF_OPEN:
                assert (permit is None) == (self.probe is not None), "one probe at a time, and always one"
                self.probe = self.probe or permit
        return permit

    @rule(permit=consumes(permits), outcome=st.sampled_from(["succeed", "fail", "abandon"]))
    def settle(self, permit: Permit | None, outcome: str) -> None:
        if permit is None:
            return
        before = self.breaker.state
        is_probe = permit is self.probe
        is_current = any(one is permit for one in self.current)
        getattr(self.breaker, outcome)(permit)
        if is_probe:
            self.probe = None
            expected = {"succeed": BreakerState.CLOSED, "fail": BreakerState.OPEN, "abandon": BreakerState.HALF_OPEN}
            assert self.breaker.state is expected[outcome]
        elif is_current and before is BreakerState.CLOSED:
            self.failures = {"succeed": 0, "fail": self.failures + 1, "abandon": self.failures}[outcome]
            opened = self.failures >= LIMIT
            assert self.breaker.state is (BreakerState.OPEN if opened else BreakerState.CLOSED)
        else:
            assert self.breaker.state is before, "history changes nothing"
        if before is not self.breaker.state:
            self._remember_change()

    def _remember_change(self) -> None:
        self.failures = 0
        self.current.clear()
        self.opened_at = self.clock() if self.breaker.state is BreakerState.OPEN else None

    @rule(seconds=st.floats(min_value=0, max_value=2 * COOL_DOWN))
    def wait(self, seconds: float) -> None:
        self.clock.seconds += seconds

    @invariant()
    def stays_open_for_exactly_the_cool_down(self) -> None:
        if self.opened_at is None:
            return
        cooled = self.clock() - self.opened_at >= COOL_DOWN
        assert self.breaker.state is (BreakerState.HALF_OPEN if cooled else BreakerState.OPEN)


BreakerMachine.TestCase.settings = settings(max_examples=200, stateful_step_count=40, deadline=None)
TestBreakerMachine = BreakerMachine.TestCase


@given(
    rate=st.sampled_from([0.5, 1.0, 10.0, 33.0]),
    burst=st.integers(1, 12),
    steps=st.lists(st.tuples(st.floats(0, 3), st.floats(0, 5)), max_size=60),
)
def test_no_stretch_of_time_sees_more_requests_than_the_bucket_allows(
    rate: float, burst: int, steps: list[tuple[float, float]]
) -> None:
    clock = VirtualClock()
    bucket = TokenBucket(requests_per_second=rate, burst=burst, clock=clock)
    gone: list[float] = []
    for pause, limit in steps:
        clock.seconds += pause
        promised = bucket.wait_seconds()
        wait = bucket.take(limit_seconds=limit)
        assert (wait is None) == (promised > limit)
        if wait is None:
            assert bucket.wait_seconds() == promised, "a refusal takes nothing"
        else:
            assert wait == promised
            gone.append(clock() + wait)
    assert gone == sorted(gone), "first come, first served"
    for first, start in enumerate(gone):
        for last in range(first, len(gone)):
            assert last - first + 1 <= burst + (gone[last] - start) * rate + 1e-6


@given(rate=st.floats(0.1, 100), burst=st.integers(1, 20))
def test_a_full_bucket_lets_its_burst_go_and_the_next_wait_one_interval(rate: float, burst: int) -> None:
    clock = VirtualClock()
    bucket = TokenBucket(requests_per_second=rate, burst=burst, clock=clock)
    waits = [bucket.take(limit_seconds=1e9) or 0.0 for _ in range(burst + 1)]
    assert all(wait < 1e-9 for wait in waits[:-1])
    assert abs(waits[-1] - 1 / rate) < 1e-6


@given(
    keys=st.lists(st.sampled_from(["p0", "p1", "p2", "p3", "p4", "nobody", "", "%"]), max_size=12),
    batch_limit=st.integers(1, 5),
)
async def test_a_find_gives_each_key_exactly_its_records_whatever_the_chunks(keys: list[str], batch_limit: int) -> None:
    world = World(batch_limit=batch_limit)
    found = await world.channel.find(world.call(), RecordType.APPOINTMENT, By.PATIENT, keys)
    assert set(found) == set(keys)
    for key, records in found.items():
        own = [n for n in range(12) if f"p{n % 5}" == key]
        assert [record.id.value for record in records] == [f"a{n}" for n in own]
    assert len(world.connector.calls) == -(-len(set(keys)) // batch_limit)

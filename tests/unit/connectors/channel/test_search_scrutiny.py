"""A row that doesn't meet what its source was asked for is never passed on, whichever condition it misses."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

import pytest

from connectors.channel import Channel, ChannelConfig
from connectors.conditions import begins, judge, judged_by
from connectors.memory import MemoryConnector, UnrulyConnector
from portico.records.context import CallContext
from portico.records.errors import SourceInvalid
from portico.records.references import RecordType, SourceName, Tenant
from portico.records.search import FIELDS, Condition, Hit, Op, Page, Search
from portico.records.types import Appointment, Patient, Record
from tests.changed import replace
from tests.contract import oracle
from tests.contract.questions import known_values, listing
from tests.contract.small_population import TENANT, small_population
from tests.contract.truth import Truth, billing_truth, ehr_truth, scheduling_truth

SOURCE: Final = SourceName("clinic")
_TRUTHS: Final = {
    RecordType.PATIENT: ehr_truth,
    RecordType.PRACTITIONER: ehr_truth,
    RecordType.APPOINTMENT: scheduling_truth,
    RecordType.SLOT: scheduling_truth,
    RecordType.CLAIM: billing_truth,
}


def _truth(type_: RecordType) -> Truth:
    return _TRUTHS[type_](small_population(), SOURCE)


def _channel(truth: Truth) -> tuple[Channel, UnrulyConnector]:
    connector = UnrulyConnector(MemoryConnector(SOURCE, truth.records))
    return Channel(connector, ChannelConfig(failure_limit=1_000)), connector


def _call(*attributes: str) -> CallContext:
    deadline = time.monotonic() + 20
    return CallContext(tenant=Tenant(TENANT), trace_id="t", deadline=deadline, attributes=frozenset(attributes))


def _conditions() -> Iterator[tuple[RecordType, Condition]]:
    for type_ in _TRUTHS:
        for field, ops in sorted(FIELDS[type_].items()):
            values = known_values(_truth(type_), type_, field)
            for op in sorted(ops):
                yield type_, Condition(field, op, (values[len(values) // 2],))


CONDITIONS: Final = [pytest.param(type_, one, id=f"{type_}-{one.field}-{one.op}") for type_, one in _conditions()]


@pytest.mark.parametrize(("type_", "condition"), CONDITIONS)
async def test_a_row_that_misses_a_condition_costs_the_whole_page(type_: RecordType, condition: Condition) -> None:
    truth = _truth(type_)
    channel, connector = _channel(truth)
    search = listing(type_, condition)
    honest = await channel.search(_call(), search)
    assert honest.hits
    stranger = next(one for one in truth.records if one.type is type_ and not oracle.matches(one, condition))
    connector.twist_page = lambda page: Page((*page.hits, Hit(stranger, "position")), more=False)
    with pytest.raises(SourceInvalid) as caught:
        await channel.search(_call(), search)
    assert caught.value.source == SOURCE
    assert not any(value in str(caught.value) for value in condition.values)


@pytest.mark.parametrize(("type_", "condition"), CONDITIONS)
async def test_a_row_that_does_not_say_whether_it_meets_a_condition_costs_the_page_too(
    type_: RecordType, condition: Condition
) -> None:
    """But for a time that can't be read: the vendor knows it, and its mapping doesn't."""
    channel, connector = _channel(_truth(type_))
    search = listing(type_, condition)
    silent = dict.fromkeys(judged_by([condition])) or {"subject": None}

    def silenced(record: Record) -> Record:
        return replace(record, **silent)  # type: ignore[arg-type]  # every one of them may be None

    connector.twist_page = lambda page: replace(
        page, hits=tuple(replace(hit, record=silenced(hit.record)) for hit in page.hits)
    )
    if condition.field == "start":
        assert (await channel.search(_call(), search)).hits
        return
    with pytest.raises(SourceInvalid):
        await channel.search(_call(), search)


async def test_what_it_takes_to_judge_a_row_is_fetched_and_goes_no_further() -> None:
    channel, connector = _channel(_truth(RecordType.PATIENT))
    search = listing(RecordType.PATIENT, Condition("organization", Op.IN, ("org-1",)))
    page = await channel.search(_call("gender"), search)
    ((asked, *_),) = connector.calls
    assert asked.attributes == {"gender", "managing_organization"}
    assert page.hits
    assert all(oracle.unasked(hit.record, ["gender"]) == set() for hit in page.hits)
    wanted = await channel.search(_call("managing_organization"), search)
    assert all(isinstance(hit.record, Patient) and hit.record.managing_organization for hit in wanted.hits)


async def test_a_search_without_conditions_fetches_nothing_more() -> None:
    channel, connector = _channel(_truth(RecordType.PATIENT))
    await channel.search(_call("gender"), listing(RecordType.PATIENT))
    assert connector.calls[0][0].attributes == {"gender"}


async def test_every_condition_is_judged_and_not_only_the_first() -> None:
    channel, connector = _channel(_truth(RecordType.PATIENT))
    twins = Condition("family", Op.PREFIX, ("Baker",))
    search = Search(type=RecordType.PATIENT, where=(twins, Condition("mrn", Op.IN, ("MRN0002",))), order="id", limit=9)
    (hit,) = (await channel.search(_call(), search)).hits
    assert hit.record.subject == "pat-2"
    connector.twist_page = lambda page: page
    unruly = (await channel.search(_call("mrn", "name"), replace(search, where=(twins,)))).hits
    assert len(unruly) == 2
    connector.twist_page = lambda _: Page(unruly, more=False)
    with pytest.raises(SourceInvalid):
        await channel.search(_call(), search)


@pytest.mark.parametrize(
    ("name", "start"),
    [
        ("Müller", "mull"), ("Muller", "MÜLL"), ("O'Shaughnessy", "osh"), ("Oshaughnessy", "O'SH"),
        ("van den Berg", "berg"), ("van den Berg", "Van Den B"), ("Vandenberg", "van den"), ("Østergård", "oster"),
        ("Strauß", "strauss"), ("山田", "山"), ("Łukasz", "luk"),
    ],
)  # fmt: skip
def test_names_are_compared_as_sources_that_fold_letters_compare_them(name: str, start: str) -> None:
    assert begins(name, start)


@pytest.mark.parametrize(("name", "start"), [("Baker", "ak"), ("Baker", "bakers"), ("van den Berg", "erg"), ("", "b")])
def test_a_name_that_begins_otherwise_is_no_match(name: str, start: str) -> None:
    assert not begins(name, start)


def test_instants_are_compared_by_their_place_in_time_whatever_their_offset() -> None:
    appointment = next(one for one in _truth(RecordType.APPOINTMENT).records if isinstance(one, Appointment))
    moved = replace(appointment, start=datetime(2026, 1, 5, 17, 0, tzinfo=UTC))
    kept = [Condition("start", Op.FROM, ("2026-01-05T12:00:00-05:00",))]
    missed = [Condition("start", Op.BEFORE, ("2026-01-05T18:00:00+01:00",))]
    assert judge([*kept, *missed])(moved) == missed

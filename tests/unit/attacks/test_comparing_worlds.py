"""Two worlds that differ only in what a caller may not see: whatever tells them apart tells what is hidden."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import pytest

from portico.records.errors import SourceUnavailable
from portico.records.references import RecordType, Tenant
from portico.records.types import Appointment, Claim, Encounter, Patient, Record
from sandbox.population.planted import Planted
from tests.changed import replace
from tests.contract.truth import Truth
from tests.house import BILLING, EHR, SCHEDULING, Distortion, MemoryHouse, memory_house

RIVERBEND = Tenant("riverbend")
HIDDEN = frozenset({"V"})
"""A label that only the patients themselves are cleared for."""


def _changed(*sources: str, change: Callable[[Sequence[Record]], Sequence[Record]]) -> Distortion:
    def distort(source: str, truth: Truth) -> Truth:
        return replace(truth, records=tuple(change(truth.records))) if source in sources else truth

    return distort


def _with_hidden_twins(records: Sequence[Record]) -> Sequence[Record]:
    """Beside every appointment and encounter another one of the same patient and visit that nobody else may see."""
    twins = [
        replace(record, id=replace(record.id, value=f"{record.id.value}-twin"), labels=HIDDEN)
        for record in records
        if isinstance(record, Appointment | Encounter)
    ]
    return [*records, *twins]


@pytest.fixture(scope="module")
async def bare() -> AsyncIterator[MemoryHouse]:
    async with memory_house(explain=False) as running:
        yield running


@pytest.fixture(scope="module")
async def twinned() -> AsyncIterator[MemoryHouse]:
    async with memory_house(explain=False, distort=_changed(SCHEDULING, EHR, change=_with_hidden_twins)) as running:
        yield running


CLAIMS = "claims { edges { node { id appointment { start } encounter { period { start } } } } }"


@pytest.mark.parametrize(
    "query",
    [
        f"{{ patients(first: 5) {{ edges {{ node {{ {CLAIMS} }} }} }} }}",
        f"{{ patients(first: 5) {{ edges {{ node {{ appointments {{ edges {{ node {{ id }} }} }} {CLAIMS} }} }} }} }}",
        f"{{ patients(first: 5) {{ edges {{ node {{ encounters {{ edges {{ node {{ id }} }} }} {CLAIMS} }} }} }} }}",
        f"{{ appointments(first: 9) {{ edges {{ node {{ encounter {{ appointment {{ start }} }} {CLAIMS} }} }} }} }}",
    ],
)
async def test_a_hidden_record_under_the_same_visit_leaves_no_trace_on_any_path(
    bare: MemoryHouse, twinned: MemoryHouse, query: str
) -> None:
    expected = await bare.answer("physician", query)
    assert b'"start"' in expected.body
    assert (await twinned.answer("physician", query)).body == expected.body


async def test_a_hidden_record_asked_for_by_its_id_does_not_change_what_a_visit_leads_to(
    twinned: MemoryHouse,
) -> None:
    query = "query ($twin: ID!, $claim: ID!) { node(id: $twin) { id } claim(id: $claim) { appointment { id } } }"
    visits = twinned.populations["riverbend"].visits
    visit = next(one for one in visits if one.person == Planted.PATIENT and one.claim and one.appointment_id)
    assert visit.claim is not None
    twin = twinned.name(RecordType.APPOINTMENT, SCHEDULING, f"{visit.appointment_id}-twin")
    claim = twinned.name(RecordType.CLAIM, BILLING, visit.claim.number)
    answer = await twinned.ask("physician", query, twin=twin, claim=claim)
    own = twinned.name(RecordType.APPOINTMENT, SCHEDULING, visit.appointment_id or "")
    assert answer["data"] == {"node": None, "claim": {"appointment": {"id": own}}}


def _misfiled(labels: frozenset[str]) -> Distortion:
    """One of the patient's visits is claimed by somebody else's claim, and no longer by their own."""

    def misfile(records: Sequence[Record]) -> Sequence[Record]:
        own = next(record for record in records if isinstance(record, Claim))
        other = next(record for record in records if isinstance(record, Claim) and record.subject != own.subject)
        stray = replace(other, id=replace(other.id, value="stray"), visit=own.visit, labels=labels)
        return [*(record for record in records if record is not own), stray]

    return _changed(BILLING, change=misfile)


def _without_first_claim(records: Sequence[Record]) -> Sequence[Record]:
    own = next(record for record in records if isinstance(record, Claim))
    return [record for record in records if record is not own]


async def _visits_with_claims(distort: Distortion) -> dict[str, Any]:
    query = """query ($id: ID!) { patient(id: $id) {
      appointments { edges { node { start claims { edges { node { id } } } } } } } }"""
    async with memory_house(explain=False, distort=distort) as house:
        return await house.ask("patient", query, id=await house.patient_name(Planted.PATIENT))


async def test_a_strangers_record_that_its_label_hides_is_not_even_an_error() -> None:
    without = await _visits_with_claims(_changed(BILLING, change=_without_first_claim))
    assert "errors" not in without
    assert await _visits_with_claims(_misfiled(frozenset({"unheard-of"}))) == without


async def test_a_strangers_record_that_no_label_hides_is_one() -> None:
    (error,) = (await _visits_with_claims(_misfiled(frozenset())))["errors"]
    assert (error["extensions"]["code"], error["extensions"]["source"]) == ("SOURCE_INVALID", BILLING)


@pytest.mark.parametrize("root", ["appointments", "claims"])
@pytest.mark.parametrize("working", [True, False])
async def test_a_filter_by_a_hidden_patient_asks_no_more_than_one_by_nobody(*, root: str, working: bool) -> None:
    """A source that is asked shows: in what the answer says of it, in its failures, and in the time that it takes."""
    query = f"query ($id: ID!) {{ {root}(filter: {{patient: $id}}) {{ edges {{ cursor }} }} }}"
    async with memory_house() as house:
        source = house.sources[RIVERBEND][SCHEDULING if root == "appointments" else BILLING]
        hidden = await _hidden_from(house, "biller")
        nobody = house.name(RecordType.PATIENT, "portico", "00000000-0000-4000-8000-000000000000")
        source.failure = None if working else SourceUnavailable(source.source)
        answers = [await house.ask("biller", query, id=name) for name in (nobody, hidden)]
        assert answers[0]["data"] == {root: {"edges": []}}
        assert [answer.get("errors") for answer in answers] == [None, None]
        assert house.asked() == []


async def _hidden_from(house: MemoryHouse, persona: str) -> str:
    for person in house.populations["riverbend"].people:
        if person.ehr_id:
            name = await house.patient_name(person.key)
            answer = await house.ask(persona, "query ($id: ID!) { patient(id: $id) { id } }", id=name)
            if answer["data"]["patient"] is None:
                house.asked()
                return name
    raise AssertionError


def _some_restricted(records: Sequence[Record]) -> Sequence[Record]:
    return [
        replace(record, labels=frozenset({"R"}))
        if isinstance(record, Patient) and int(record.id.value[-1], 36) % 2
        else record
        for record in records
    ]


@pytest.mark.parametrize("batched", [True, False])
async def test_the_decision_cited_for_a_withheld_value_does_not_tell_who_is_labelled(*, batched: bool) -> None:
    """A biller is cleared for R: they see those patients, but not that they are labelled."""
    async with memory_house(distort=_changed(EHR, change=_some_restricted)) as house:
        listed = await house.ask("biller", "{ patients(first: 20) { edges { node { id } } } }")
        names = [edge["node"]["id"] for edge in listed["data"]["patients"]["edges"]]
        assert len(names) == 20
        if batched:
            fields = " ".join(f'p{number}: patient(id: "{name}") {{ phone }}' for number, name in enumerate(names[:8]))
            answers = [await house.ask("biller", f"{{ {fields} }}")]
        else:
            query = "query ($id: ID!) { patient(id: $id) { phone } }"
            answers = [await house.ask("biller", query, id=name) for name in names]
        cited = [error["extensions"]["decisionId"] for answer in answers for error in answer["errors"]]
        assert len(cited) == (8 if batched else 20)
        assert len(set(cited)) == 1
        assert set(cited) <= house.trail.entries[-1].decision_ids


def _first_hidden(count: int) -> Distortion:
    def hide(records: Sequence[Record]) -> Sequence[Record]:
        patients = sorted(record.id.value for record in records if isinstance(record, Patient))
        hidden = set(patients[:count])
        return [
            replace(record, labels=HIDDEN) if isinstance(record, Patient) and record.id.value in hidden else record
            for record in records
        ]

    return _changed(EHR, change=hide)


async def test_the_length_of_a_cursor_does_not_count_the_rows_before_it() -> None:
    query = "{ patients(first: 3) { edges { cursor } pageInfo { endCursor } } }"
    lengths: set[int] = set()
    for hidden in (0, 12):
        async with memory_house(distort=_first_hidden(hidden)) as house:
            found = (await house.ask("researcher", query))["data"]["patients"]
            assert len(found["edges"]) == 3
            lengths |= {len(edge["cursor"]) for edge in found["edges"]} | {len(found["pageInfo"]["endCursor"])}
    assert len(lengths) == 1

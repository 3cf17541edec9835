"""The contract that every connector keeps, as one suite to subclass.

    class TestMyConnector(ConnectorContract):
        @pytest.fixture
        def truth(self, population: Population) -> Truth:    # what the source holds, in canonical words
            return ehr_truth(population, SOURCE)

        @pytest.fixture
        def control(self) -> Control:                        # only where a simulated source records its calls
            return Control(...)

        @pytest.fixture
        async def connector(self, population: Population, control: Control) -> AsyncIterator[Connector]:
            ...                                              # serve the population, connect, yield, close

Every answer is compared with the naive reading of the contract in `tests/contract/oracle.py`. Give the connector a
`batch_limit` and pages smaller than the population, and a simulated source no rate limit. Faults of a source are
`tests/contract/fault_suite.py`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Sequence
from datetime import timedelta
from itertools import pairwise

import pytest

from connectors.base import Connector
from portico.records import sensitivity
from portico.records.context import CallContext
from portico.records.errors import SourceTimeout, UnsupportedPredicate
from portico.records.references import By, RecordType
from portico.records.search import FIELDS, ORDERS, Condition, Hit, Op, Search
from portico.records.types import Patient, Record
from sandbox.control import Control
from sandbox.population.model import Population
from tests.changed import replace
from tests.contract import oracle
from tests.contract.questions import (
    HOSTILE_VALUES,
    conditions,
    context,
    known_values,
    listing,
    lookups,
    page_size,
    unsupported,
)
from tests.contract.small_population import PAYLOAD_FAMILY, small_population
from tests.contract.truth import Truth

__all__ = ["HOSTILE_VALUES", "ConnectorContract", "context", "find_all", "small_population"]

_MOST_HITS = 1_000


async def find_all(
    connector: Connector, call: CallContext, type_: RecordType, by: By, keys: Sequence[str]
) -> list[Record]:
    """`find` in chunks that the connector takes."""
    size = connector.batch_limit
    chunks = [keys[start : start + size] for start in range(0, len(keys), size)]
    return [record for chunk in chunks for record in await connector.find(call, type_, by, chunk)]


async def search_all(connector: Connector, call: CallContext, search: Search) -> list[Hit]:
    """Every hit of a search, page by page; each page is full or the last."""
    hits: list[Hit] = []
    while len(hits) < _MOST_HITS:
        page = await connector.search(call, search)
        hits += page.hits
        if not page.more:
            return hits
        assert len(page.hits) == search.limit, "only the last page may be short"
        search = replace(search, after=page.hits[-1].position)
    pytest.fail("the pages never end")


class ConnectorContract:
    """What holds for every connector."""

    @pytest.fixture
    def population(self) -> Population:
        return small_population()

    @pytest.fixture
    def control(self) -> Control | None:
        return None

    # -- what it says of itself

    def test_declares_what_it_serves(self, connector: Connector) -> None:
        assert connector.source
        assert connector.keys
        assert all(connector.keys.values())
        assert connector.searches <= set(FIELDS)
        assert connector.batch_limit >= 1

    # -- find

    async def test_every_key_finds_exactly_its_records(self, connector: Connector, truth: Truth) -> None:
        for type_, by in lookups(connector):
            keys = oracle.known_keys(truth, type_, by)
            wanted = oracle.attributes_of(type_)
            assert keys, f"nothing to find by {type_} {by}"
            records = await find_all(connector, context(*wanted), type_, by, keys)
            self._assert_same(connector, records, oracle.found(truth, type_, by, keys), wanted)

    async def test_one_key_finds_its_records_alone(self, connector: Connector, truth: Truth) -> None:
        for type_, by in lookups(connector):
            wanted = oracle.attributes_of(type_)
            for key in oracle.known_keys(truth, type_, by)[:2]:
                records = await connector.find(context(*wanted), type_, by, [key])
                self._assert_same(connector, records, oracle.found(truth, type_, by, [key]), wanted)

    async def test_unknown_keys_have_no_records_and_cost_the_known_nothing(
        self, connector: Connector, truth: Truth
    ) -> None:
        for type_, by in lookups(connector):
            known = oracle.known_keys(truth, type_, by)[:1]
            assert not await connector.find(context(), type_, by, ["no-such-key"])
            records = await find_all(connector, context(), type_, by, ["nobody", *known, "no-such-key"])
            self._assert_same(connector, records, oracle.found(truth, type_, by, known), ())

    async def test_keys_are_literal(self, connector: Connector, truth: Truth) -> None:
        for type_, by in lookups(connector):
            known = oracle.known_keys(truth, type_, by)
            altered = {f"{known[0]},{known[-1]}", f"{known[0]}%", f"{known[0]} ", known[0][:-1], f"|{known[0]}"}
            altered |= {known[0].swapcase(), f"{known[0]}\x00", f"{known[0]}&{by}={known[-1]}"}
            keys = [value for value in (*HOSTILE_VALUES, *sorted(altered)) if value not in known]
            assert not await find_all(connector, context(), type_, by, keys)

    async def test_each_attribute_comes_alone(self, connector: Connector, truth: Truth) -> None:
        for type_, bys in connector.keys.items():
            by = min(bys)
            keys = oracle.known_keys(truth, type_, by)[: connector.batch_limit]
            for attribute in sorted(oracle.attributes_of(type_)):
                records = await connector.find(context(attribute), type_, by, keys)
                assert not {name for record in records for name in oracle.unasked(record, [attribute])}
                self._assert_same(connector, records, oracle.found(truth, type_, by, keys), [attribute])

    async def test_identity_subject_and_provenance_come_unasked(self, connector: Connector, truth: Truth) -> None:
        for type_, by in lookups(connector):
            keys = oracle.known_keys(truth, type_, by)
            records = await find_all(connector, context(), type_, by, keys)
            self._assert_same(connector, records, oracle.found(truth, type_, by, keys), ())
            assert len({record.id for record in records}) == len(records)
            for record in records:
                assert not oracle.unasked(record, ())
                assert record.id.source == record.provenance.source == connector.source
                assert record.provenance.source_id
                assert record.provenance.mapping_version
                assert record.provenance.retrieved_at.utcoffset() == timedelta(0)

    async def test_no_keys_cost_no_call(self, connector: Connector, control: Control | None) -> None:
        for type_, by in lookups(connector):
            assert not await connector.find(context(), type_, by, [])
        assert control is None or not control.calls

    async def test_finding_by_an_undeclared_key_is_refused(self, connector: Connector, control: Control | None) -> None:
        for type_ in RecordType:
            for by in set(By) - connector.keys.get(type_, frozenset()):
                with pytest.raises(UnsupportedPredicate):
                    await connector.find(context(), type_, by, ["key"])
        assert control is None or not control.calls

    async def test_concurrent_finds_keep_apart(self, connector: Connector, truth: Truth) -> None:
        type_, by = lookups(connector)[0]
        keys = oracle.known_keys(truth, type_, by)[:6]
        answers = await asyncio.gather(*(connector.find(context(), type_, by, [key]) for key in keys))
        for key, records in zip(keys, answers, strict=True):
            self._assert_same(connector, records, oracle.found(truth, type_, by, [key]), ())

    # -- search

    @pytest.mark.parametrize("descending", [False, True])
    async def test_search_without_conditions_lists_everything_in_order(
        self, connector: Connector, truth: Truth, descending: bool
    ) -> None:
        for type_ in connector.searches:
            wanted = oracle.attributes_of(type_)
            everything = [record for record in truth.records if record.type is type_]
            for order in ORDERS[type_]:
                search = Search(type=type_, order=order, descending=descending, limit=100)
                hits = await search_all(connector, context(*wanted), search)
                self._assert_same(connector, [hit.record for hit in hits], everything, wanted)
                values = [oracle.order_value(hit.record, order) for hit in hits]
                assert all((a >= b) if descending else (a <= b) for a, b in pairwise(values))

    @pytest.mark.parametrize("descending", [False, True])
    async def test_paging_by_position_gives_every_record_once_in_the_same_order(
        self, connector: Connector, descending: bool
    ) -> None:
        for type_ in connector.searches:
            for order in ORDERS[type_]:
                whole = Search(type=type_, order=order, descending=descending, limit=100)
                names = [hit.record.id for hit in await search_all(connector, context(), whole)]
                paged = await search_all(connector, context(), replace(whole, limit=page_size(len(names))))
                assert [hit.record.id for hit in paged] == names
                assert len(set(names)) == len(names)

    async def test_any_position_can_be_gone_on_from(self, connector: Connector) -> None:
        for type_ in connector.searches:
            search = Search(type=type_, order=min(ORDERS[type_]), limit=100)
            hits = (await connector.search(context(), search)).hits
            middle = len(hits) // 2
            page = await connector.search(context(), replace(search, after=hits[middle - 1].position, limit=2))
            assert [hit.record.id for hit in page.hits] == [hit.record.id for hit in hits[middle : middle + 2]]

    async def test_more_is_false_on_a_last_page_that_is_exactly_full(self, connector: Connector, truth: Truth) -> None:
        for type_ in connector.searches:
            count = sum(record.type is type_ for record in truth.records)
            search = Search(type=type_, order=min(ORDERS[type_]), limit=count)
            assert not (await connector.search(context(), search)).more
            assert (await connector.search(context(), replace(search, limit=count - 1))).more

    async def test_every_predicate_gives_exactly_the_matching_records(self, connector: Connector, truth: Truth) -> None:
        for type_ in connector.searches:
            for field, ops in FIELDS[type_].items():
                for condition in conditions(truth, type_, field, ops):
                    await self._assert_search(connector, truth, type_, condition)

    async def test_a_medical_record_number_is_found_in_its_own_system_alone(
        self, connector: Connector, truth: Truth
    ) -> None:
        patients = [record for record in truth.records if isinstance(record, Patient)]
        for type_ in connector.searches & {RecordType.PATIENT}:
            for patient in patients[:4]:
                others = tuple(one.value for one in patient.identifiers or () if one.value != patient.mrn)
                assert not (await connector.search(context(), listing(type_, Condition("mrn", Op.IN, others)))).hits
                found = await connector.search(context(), listing(type_, Condition("mrn", Op.IN, (patient.mrn or "",))))
                assert [hit.record.id for hit in found.hits] == [patient.id]

    async def test_conditions_are_all_met_at_once(self, connector: Connector, truth: Truth) -> None:
        for type_ in connector.searches:
            samples = [
                condition
                for field, ops in sorted(FIELDS[type_].items())
                for condition in conditions(truth, type_, field, ops)[:1]
            ]
            for first, second in pairwise(samples):
                await self._assert_search(connector, truth, type_, first, second)
            await self._assert_search(connector, truth, type_, *samples)

    async def test_two_sets_for_one_field_are_intersected(self, connector: Connector, truth: Truth) -> None:
        for type_ in connector.searches:
            for field in (field for field, ops in FIELDS[type_].items() if Op.IN in ops):
                values = known_values(truth, type_, field)
                first = Condition(field, Op.IN, tuple(values[:2]))
                await self._assert_search(connector, truth, type_, first, Condition(field, Op.IN, tuple(values[1:3])))
                apart = Condition(field, Op.IN, (values[-1],))
                await self._assert_search(connector, truth, type_, Condition(field, Op.IN, (values[0],)), apart)

    async def test_searched_values_are_literal(self, connector: Connector) -> None:
        for type_ in connector.searches:
            for field, ops in FIELDS[type_].items():
                if Op.IN in ops:
                    page = await connector.search(context(), listing(type_, Condition(field, Op.IN, HOSTILE_VALUES)))
                    assert not page.hits, f"{type_} {field}"

    async def test_searched_prefixes_are_literal(self, connector: Connector, truth: Truth) -> None:
        for type_ in connector.searches:
            for field in (field for field, ops in FIELDS[type_].items() if Op.PREFIX in ops):
                for value in ("%", "_", "*", ".*", "\\", "a,b", "' or ''='", "(a+)+$", "\x00", "x" * 300):
                    await self._assert_search(connector, truth, type_, Condition(field, Op.PREFIX, (value,)))
                payload = Condition(field, Op.PREFIX, (PAYLOAD_FAMILY.swapcase(),))
                await self._assert_search(connector, truth, type_, payload)

    async def test_search_fills_only_wanted_attributes(self, connector: Connector, truth: Truth) -> None:
        for type_ in connector.searches:
            everything = [record for record in truth.records if record.type is type_]
            for attribute in (None, *sorted(oracle.attributes_of(type_))):
                wanted = [attribute] if attribute else []
                hits = await search_all(connector, context(*wanted), listing(type_))
                self._assert_same(connector, [hit.record for hit in hits], everything, wanted)
                assert not {name for hit in hits for name in oracle.unasked(hit.record, wanted)}

    async def test_unsupported_searches_are_refused_and_never_widened(
        self, connector: Connector, control: Control | None
    ) -> None:
        for search in unsupported(connector):
            with pytest.raises(UnsupportedPredicate):
                await connector.search(context(), search)
        assert control is None or not control.calls

    # -- people, relations, consents

    async def test_people_are_all_whom_the_source_knows(self, connector: Connector, truth: Truth) -> None:
        people = [person async for person in connector.people(context())]
        given = {(replace(person, identifiers=()), frozenset(person.identifiers)) for person in people}
        assert given == {(replace(person, identifiers=()), frozenset(person.identifiers)) for person in truth.people}
        assert len(people) == len(truth.people)

    async def test_relations_are_all_that_the_source_vouches_for(self, connector: Connector, truth: Truth) -> None:
        assert {relation async for relation in connector.relations(context())} == set(truth.relations)

    async def test_consents_are_all_that_stand(self, connector: Connector, truth: Truth) -> None:
        given = [consent async for consent in connector.consents(context())]
        assert set(given) == set(truth.consents)
        assert len(given) == len(truth.consents)

    async def test_sensitive_visits_are_all_that_carry_a_label(self, connector: Connector, truth: Truth) -> None:
        given = [visit async for visit in connector.sensitive_visits(context())]
        assert set(given) == set(truth.sensitive_visits)
        assert len(given) == len(truth.sensitive_visits)

    # -- labels

    async def test_labels_come_along_whatever_is_wanted(self, connector: Connector, truth: Truth) -> None:
        told = {record.id: record.labels for record in truth.records}
        for type_, by in [(type_, By.ID) for type_ in sensitivity.LABELLED & connector.keys.keys()]:
            keys = oracle.known_keys(truth, type_, by)
            assert {"N"} in (labels := [labels for id_, labels in told.items() if id_.type is type_])
            assert any(each - {"N"} for each in labels), "some are sensitive"
            for wanted in ((), *((attribute,) for attribute in sorted(oracle.attributes_of(type_)))):
                records = await find_all(connector, context(*wanted), type_, by, keys)
                assert {record.id: record.labels for record in records} == {
                    id_: labels for id_, labels in told.items() if id_.type is type_
                }, f"{type_} with {wanted}"
        for type_ in sensitivity.LABELLED & connector.searches:
            hits = await search_all(connector, context(), listing(type_))
            assert all(hit.record.labels == told[hit.record.id] for hit in hits)

    async def test_what_labels_are_made_of_goes_no_further(self, connector: Connector, truth: Truth) -> None:
        for type_ in sensitivity.LABELLED & connector.keys.keys():
            keys = oracle.known_keys(truth, type_, By.ID)
            for record in await find_all(connector, context(), type_, By.ID, keys):
                assert not oracle.unasked(record, ())

    # -- health, the end

    async def test_ping_of_a_healthy_source_returns(self, connector: Connector) -> None:
        await connector.ping(context())

    async def test_a_passed_deadline_is_a_timeout_at_once(self, connector: Connector, truth: Truth) -> None:
        late = context(seconds=-1.0)
        type_, by = lookups(connector)[0]
        began = time.monotonic()
        with pytest.raises(SourceTimeout) as caught:
            await connector.find(late, type_, by, oracle.known_keys(truth, type_, by)[:1])
        assert caught.value.source == connector.source
        for searched in connector.searches:
            with pytest.raises(SourceTimeout):
                await connector.search(late, listing(searched))
        with pytest.raises(SourceTimeout):
            await anext(aiter(connector.people(late)))
        with pytest.raises(SourceTimeout):
            await connector.ping(late)
        assert time.monotonic() - began < 1.0

    async def test_closing_twice_is_harmless(self, connector: Connector) -> None:
        await connector.ping(context())
        await connector.aclose()
        await connector.aclose()

    # -- how answers are compared

    def _assert_same(
        self, connector: Connector, given: Sequence[Record], expected: Sequence[Record], wanted: Iterable[str]
    ) -> None:
        wanted = frozenset(wanted)
        assert oracle.in_order(
            oracle.comparable(one, wanted, with_id=By.ID in connector.keys[one.type]) for one in given
        ) == oracle.in_order(
            oracle.comparable(one, wanted, with_id=By.ID in connector.keys[one.type]) for one in expected
        )

    async def _assert_search(self, connector: Connector, truth: Truth, type_: RecordType, *where: Condition) -> None:
        hits = await search_all(connector, context(), listing(type_, *where))
        given = sorted(hit.record.id.value for hit in hits)
        matching = sorted(
            record.id.value
            for record in truth.records
            if record.type is type_ and all(oracle.matches(record, condition) for condition in where)
        )
        assert given == matching, f"{type_} where {where}"

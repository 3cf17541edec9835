"""That a page is told by the row before it and by nothing else; to subclass beside `ConnectorContract`.

    class TestMyConnectorPaging(PagingContract):
        @pytest.fixture
        async def source(self) -> AsyncIterator[HeldSource]:      # a source whose rows can come and go
            ...

What a caller may not see lies between the rows that they do. A position that counted it, or named it, would tell.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from functools import cache
from typing import Final, Protocol

import pytest

from connectors.base import Connector
from portico.records.errors import UnsupportedPredicate
from portico.records.references import RecordType
from portico.records.search import ORDERS, Hit, Search
from sandbox.population.model import Population
from tests.changed import replace
from tests.contract.questions import context
from tests.contract.small_population import small_population

__all__ = ["HeldSource", "PagingContract", "crowded_population"]

_LATECOMERS: Final = "prac-9"
"""How the ids of practitioners begin to whom nothing refers."""


class HeldSource(Protocol):
    """A source whose rows can come and go, and connectors to it."""

    @property
    def connector(self) -> Connector:
        """One that remembers what it likes of earlier calls."""

    def another(self) -> Connector:
        """One that has seen nothing yet, as another process would have."""

    async def hold(self, population: Population) -> None:
        """From now on the source holds this."""


class PagingContract:
    """What holds for the pages of every connector."""

    @pytest.mark.parametrize("descending", [False, True])
    async def test_a_position_depends_on_its_row_alone(self, source: HeldSource, descending: bool) -> None:
        for search in _searches(source.connector, descending):
            await source.hold(crowded_population())
            among_all = _positions(await _rest(source.connector, search, size=7))
            assert len(set(among_all.values())) == len(among_all) > 5
            await source.hold(without(crowded_population(), search.type, _every_other(among_all)))
            for connector in (source.connector, source.another()):
                among_few = _positions(await _rest(connector, search, size=3))
                assert 0 < len(among_few) < len(among_all)
                assert among_few == {id_: among_all[id_] for id_ in among_few}

    @pytest.mark.parametrize("descending", [False, True])
    @pytest.mark.parametrize("remembering", [True, False])
    async def test_what_comes_and_goes_before_a_position_shifts_nothing(
        self, source: HeldSource, descending: bool, remembering: bool
    ) -> None:
        for search in _searches(source.connector, descending):
            await source.hold(crowded_population())
            everyone = _ids(await _rest(source.connector, search, size=50))
            place = len(everyone) * 2 // 3
            some, others = _every_other(everyone[:place]), _every_other(everyone[1:place])
            for before, now in ((some, others), ([], [*some, *others]), ([*some, *others], [])):
                await source.hold(without(crowded_population(), search.type, before))
                after = await _position(source.connector, search, everyone[place])
                await source.hold(without(crowded_population(), search.type, now))
                connector = source.connector if remembering else source.another()
                rest = await _rest(connector, replace(search, after=after), size=5)
                assert _ids(rest) == everyone[place + 1 :], search

    @pytest.mark.parametrize("descending", [False, True])
    @pytest.mark.parametrize("remembering", [True, False])
    async def test_a_row_that_has_gone_is_gone_on_from_all_the_same(
        self, source: HeldSource, descending: bool, remembering: bool
    ) -> None:
        for search in _searches(source.connector, descending):
            await source.hold(crowded_population())
            hits = await _rest(source.connector, search, size=4)
            everyone = _ids(hits)
            for place, hit in _some(hits, 5):
                gone = _removable([hit.record.id.value])
                await source.hold(without(crowded_population(), search.type, gone))
                connector = source.connector if remembering else source.another()
                page = await connector.search(context(), replace(search, after=hit.position, limit=3))
                assert _ids(page.hits) == everyone[place + 1 : place + 4], f"{search} after {place} rows"
                assert page.more is (place + 4 < len(everyone))

    @pytest.mark.parametrize("descending", [False, True])
    async def test_every_position_is_good_for_a_connector_that_has_seen_nothing(
        self, source: HeldSource, descending: bool
    ) -> None:
        await source.hold(crowded_population())
        for search in _searches(source.connector, descending):
            hits = await _rest(source.connector, search, size=50)
            for place, hit in _some(hits, 8):
                page = await source.another().search(context(), replace(search, after=hit.position, limit=2))
                assert _positions(page.hits) == _positions(hits[place + 1 : place + 3])

    async def test_a_row_that_comes_after_the_position_is_found(self, source: HeldSource) -> None:
        for search in _searches(source.connector, descending=False):
            await source.hold(crowded_population())
            everyone = _ids(await _rest(source.connector, search, size=50))
            late = _every_other(everyone[3:])
            await source.hold(without(crowded_population(), search.type, late))
            after = await _position(source.connector, search, everyone[1])
            await source.hold(crowded_population())
            assert _ids(await _rest(source.connector, replace(search, after=after), size=2)) == everyone[2:]

    @pytest.mark.parametrize("position", ["", " ", "\x00", "0.0.link", "{}", "[]", "[1,2,3,4,5,6]", "x" * 3_000])
    async def test_a_position_that_was_never_given_is_refused_or_found_nowhere(
        self, source: HeldSource, position: str
    ) -> None:
        for search in _searches(source.connector, descending=False):
            try:
                page = await source.connector.search(context(), replace(search, after=position))
            except UnsupportedPredicate:
                continue
            assert len(page.hits) <= search.limit


@cache
def crowded_population() -> Population:
    """The small population with people who have no family name or birth date, and doctors of one name."""
    small = small_population()
    incomplete = [
        replace(
            person,
            key=f"{person.key}x",
            ehr_id=f"pat-9{number}",
            scheduling=None,
            billing=None,
            family=family,
            birth_date=birth_date,
        )
        for number, (person, family, birth_date) in enumerate(
            (
                (small.people[0], "", ""),
                (small.people[1], small.people[1].family, ""),
                (small.people[2], "", small.people[2].birth_date),
            )
        )
    ]
    doctors = [
        replace(one, key=f"{one.key}y{copy}", ehr_id=f"{_LATECOMERS}{number}{copy}", npi=f"2000{number}{copy}0000")
        for number, one in enumerate(small.practitioners)
        for copy in range(2)
    ]
    return replace(small, people=(*small.people, *incomplete), practitioners=(*small.practitioners, *doctors))


def without(population: Population, type_: RecordType, ids: Collection[str]) -> Population:
    """The population as a source has it that doesn't know the rows with these ids."""
    people, visits = population.people, population.visits
    match type_:
        case RecordType.PATIENT:
            gone = {one.key for one in people if one.ehr_id in ids}
            people = tuple(replace(one, ehr_id=None) if one.key in gone else one for one in people)
            visits = tuple(replace(one, encounter_id=None) if one.person in gone else one for one in visits)
        case RecordType.APPOINTMENT:
            visits = tuple(replace(one, appointment_id=None) if one.appointment_id in ids else one for one in visits)
        case RecordType.CLAIM:
            visits = tuple(replace(one, claim=None) if one.claim and one.claim.number in ids else one for one in visits)
        case RecordType.PRACTITIONER:
            kept = tuple(one for one in population.practitioners if one.ehr_id not in ids)
            return replace(population, practitioners=kept)
        case RecordType.SLOT:
            return replace(population, slots=tuple(one for one in population.slots if one.id not in ids))
    return replace(population, people=people, visits=visits)


def _searches(connector: Connector, descending: bool) -> Iterator[Search]:
    """Every listing of everything, in every order."""
    for type_ in sorted(connector.searches):
        for order in sorted(ORDERS[type_]):
            yield Search(type=type_, order=order, descending=descending, limit=10)


async def _rest(connector: Connector, search: Search, *, size: int) -> list[Hit]:
    """Every hit from the search's position on, in pages of that size."""
    hits: list[Hit] = []
    search = replace(search, limit=size)
    while True:
        page = await connector.search(context(), search)
        hits += page.hits
        if not page.more:
            return hits
        assert len(page.hits) == size, "only the last page may be short"
        search = replace(search, after=page.hits[-1].position)


async def _position(connector: Connector, search: Search, id_: str) -> str:
    return _positions(await _rest(connector, search, size=6))[id_]


def _positions(hits: Sequence[Hit]) -> dict[str, str]:
    return {hit.record.id.value: hit.position for hit in hits}


def _ids(hits: Sequence[Hit]) -> list[str]:
    return [hit.record.id.value for hit in hits]


def _some(hits: Sequence[Hit], about: int) -> list[tuple[int, Hit]]:
    """About so many of the hits, each with its place, the first among them."""
    return [*enumerate(hits)][:: max(1, len(hits) // about)]


def _every_other(ids: Collection[str]) -> list[str]:
    """Some of them, of those that can go."""
    return [id_ for number, id_ in enumerate(_removable(ids)) if number % 2 == 0]


def _removable(ids: Collection[str]) -> list[str]:
    """Those that can go: a practitioner whom others refer to stays."""
    return [id_ for id_ in ids if not id_.startswith("prac-") or id_.startswith(_LATECOMERS)]

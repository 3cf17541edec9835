"""A resolver that returns a raw record, or a release of another type, ends its field and says nothing of it."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import suppress
from types import SimpleNamespace
from typing import Any

import pytest
from graphql import GraphQLField, GraphQLObjectType, get_named_type

from graph.fields import Kind
from graph.projection import Columns, PartField
from graph.rows import encode
from graph.schema import GraphSchema, kind_of
from portico.access.decisions import Facts
from portico.access.guard import Case, Masked, Released
from portico.records.references import PatientId, RecordType, Tenant
from portico.records.types import Patient
from resolvers.pages import ReleasedEdge
from tests.contract.truth import ehr_truth
from tests.house import EHR, MemoryHouse, memory_house

ONE = '{ patient(id: "x") { __typename id name { family } ssn email } viewer { subject } }'
SAFE = '{ patient(id: "x") { name { family } } viewer { subject } }'
ANY = '{ node(id: "x") { __typename id ... on Patient { name { family } ssn } } viewer { subject } }'
MANY = "{ patients { edges { node { __typename name { family } ssn } } } viewer { subject } }"


@pytest.fixture(scope="module")
async def own() -> AsyncIterator[MemoryHouse]:
    """A house whose resolvers may be broken."""
    async with memory_house() as running:
        yield running


@pytest.fixture(scope="module")
def raw(own: MemoryHouse) -> Patient:
    records = ehr_truth(own.populations["riverbend"], EHR).records
    return next(record for record in records if isinstance(record, Patient))


def _case(record: Patient) -> Case:
    return Case.of(record, PatientId("p"), Facts(frozenset({"self"})))


def _in_page(record: object) -> object:
    return SimpleNamespace(edges=[SimpleNamespace(node=record, cursor="c")])


async def _ask(own: MemoryHouse, root: str, query: str, returned: object) -> tuple[dict[str, Any], list[BaseException]]:
    """The answer of a house in which a root returns something else, and the bugs that were noted."""
    query_type = own.schema.core.query_type
    assert isinstance(query_type, GraphQLObjectType)
    field = query_type.fields[root]
    sound, field.resolve = field.resolve, lambda *_, **__: returned
    try:
        answer = await own.ask("patient", query)
    finally:
        field.resolve = sound
    faults = list(own.faults)
    own.faults.clear()
    return answer, faults


@pytest.mark.parametrize(
    ("root", "query", "wrap"),
    [
        ("patient", ONE, lambda record: record),
        ("patient", SAFE, lambda record: record),
        ("patient", ONE, _case),
        ("patient", ONE, lambda record: {"name": record.name, "ssn": record.ssn}),
        ("node", ANY, lambda record: record),
        ("node", ANY, _case),
        ("patients", MANY, _in_page),
        ("patients", MANY, lambda record: _in_page(_case(record))),
        ("patients", MANY, lambda record: [record]),
    ],
)
async def test_what_is_no_release_ends_its_field(
    own: MemoryHouse, raw: Patient, root: str, query: str, wrap: Callable[[Patient], object]
) -> None:
    answer, faults = await _ask(own, root, query, wrap(raw))
    assert answer["data"] == {root: None, "viewer": {"subject": "usr-patient"}}
    (error,) = answer["errors"]
    assert error["extensions"]["code"] == "INTERNAL"
    assert len(faults) == 1
    assert raw.name is not None
    for value in (raw.name.family, raw.ssn, raw.email, raw.id.value):
        assert str(value) not in str(answer)


async def test_a_release_of_another_type_ends_its_field(own: MemoryHouse) -> None:
    released = Released("Claim", None, {"name": None, "ssn": "1", "email": "2"}, {})
    answer, faults = await _ask(own, "patient", ONE, released)
    assert answer["data"]["patient"] is None
    assert len(faults) == 1


async def test_a_release_that_the_session_did_not_make_has_no_id(own: MemoryHouse) -> None:
    released = Released("Patient", None, {"name": None, "ssn": None, "email": None}, {})
    answer, faults = await _ask(own, "patient", ONE, released)
    assert answer["data"]["patient"] is None
    assert len(faults) == 1


async def test_a_release_that_lacks_what_was_asked_for_answers_null_and_is_a_bug(own: MemoryHouse) -> None:
    released = Released("Patient", None, {"gender": None}, {})
    query = '{ patient(id: "x") { birthDate name { family } gender } viewer { subject } }'
    answer, faults = await _ask(own, "patient", query, released)
    assert answer["data"]["patient"] == {"birthDate": None, "name": None, "gender": None}
    assert [error["path"] for error in answer["errors"]] == [["patient", "birthDate"], ["patient", "name"]]
    assert len(faults) == 2


async def test_a_record_in_the_place_of_a_value_ends_its_field(own: MemoryHouse, raw: Patient) -> None:
    released = Released("Patient", None, {"mrn": raw, "birth_date": raw, "gender": raw, "deceased": raw}, {})
    query = '{ patient(id: "x") { mrn birthDate gender deceased } viewer { subject } }'
    answer, faults = await _ask(own, "patient", query, released)
    assert set(answer["data"]["patient"].values()) == {None}
    assert [error["path"][1] for error in answer["errors"]] == ["birthDate", "deceased", "gender", "mrn"]
    assert len(faults) == 4
    assert str(raw.ssn) not in str(answer)


def _selections(key: str, type_name: str, definition: GraphQLField) -> Iterator[PartField]:
    """A field with everything that is below it, and with each thing below it alone."""
    below = get_named_type(definition.type)
    if not isinstance(below, GraphQLObjectType):
        yield PartField(key, type_name, definition, ())
        return
    parts = {name: list(_selections(name, below.name, one)) for name, one in below.fields.items()}
    yield PartField(key, type_name, definition, [first for first, *_ in parts.values()])
    for each in parts.values():
        yield from (PartField(key, type_name, definition, [one]) for one in each)


def _values(schema: GraphSchema) -> Iterator[PartField]:
    """Every value of every record, whole and in its parts."""
    for record in RecordType:
        type_ = schema.core.type_map[record.value]
        assert isinstance(type_, GraphQLObjectType)
        for name, definition in type_.fields.items():
            if name != "id" and kind_of(definition) is Kind.VALUE:
                yield from _selections(name, record.value, definition)


def _written(values: Iterable[PartField], value: object) -> list[bytes]:
    """What is written of it at each of these fields, as it is and in a list."""
    written = []
    for one in values:
        assert one.field is not None
        columns = Columns()
        columns.add_value(one.key, "it", one.field.type, one.parts)
        for offered in (value, (value,)):
            with suppress(Exception):
                written.append(encode(columns.writer(frozenset())({"it": offered})))
    return written


@pytest.mark.parametrize(
    "hidden",
    [
        lambda record: record,
        _case,
        lambda record: record.id,
        lambda record: Masked("Patient.ssn", record.ssn),
        lambda record: Released("Patient", None, {"ssn": record.ssn}, {}),
        lambda record: {"it": record},
        lambda record: deque([record]),
        lambda record: SimpleNamespace(it=record),
        lambda record: ReleasedEdge(record, (), record),
        lambda record: lambda: record,
    ],
)
def test_nothing_that_holds_a_record_is_written_at_any_field(
    own: MemoryHouse, raw: Patient, hidden: Callable[[Patient], object]
) -> None:
    assert _written(_values(own.schema), hidden(raw)) == []


def test_what_is_of_its_type_is_written(own: MemoryHouse, raw: Patient) -> None:
    values = list(_values(own.schema))
    assert len(values) > 100
    assert b'{"mrn":"1"}' in _written(values, "1")
    assert encode({"name": {"family": raw.name and raw.name.family}}) in _written(values, raw.name)


def test_a_text_of_another_class_is_written_as_a_text(own: MemoryHouse) -> None:
    class Text(str):
        __slots__ = ()

    assert b'{"mrn":"1"}' in _written(_values(own.schema), Text("1"))


async def test_the_house_is_sound_with_its_own_resolvers(own: MemoryHouse) -> None:
    """Allow and deny in one setup: the same queries are answered when nobody breaks anything."""
    answer = await own.ask("patient", MANY)
    assert answer["data"]["patients"]["edges"][0]["node"]["ssn"]
    assert own.sources[Tenant("riverbend")]
    assert own.faults == []

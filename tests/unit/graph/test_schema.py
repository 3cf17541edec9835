"""The schema says what everything is, which data it holds, and leads nowhere past the guard."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import strawberry
from graphql import (
    GraphQLEnumType,
    GraphQLField,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLObjectType,
    build_schema,
    is_introspection_type,
    is_non_null_type,
)

from graph.fields import ARGUMENTS, about, edge, part, record, root, value
from graph.lists import Connection
from graph.query import Query
from graph.schema import (
    ROOT_TYPES,
    GraphSchema,
    UnguardedWay,
    UntaggedCoordinate,
    build,
    definition_of,
    is_part,
    object_types,
)
from graph.values import HumanName
from portico.access.tags import Tag
from portico.records.references import RecordType
from portico.records.types import RECORD_CLASSES
from resolvers.edges import EDGES

REPOSITORY = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def schema() -> GraphSchema:
    return build()


def _own_types(schema: GraphSchema) -> list[Any]:
    return [type_ for type_ in schema.core.type_map.values() if not is_introspection_type(type_)]


def _field(schema: GraphSchema, type_name: str, name: str) -> GraphQLField:
    type_ = schema.core.type_map[type_name]
    assert isinstance(type_, GraphQLObjectType)
    field: GraphQLField = type_.fields[name]
    return field


def test_every_type_says_what_it_is(schema: GraphSchema) -> None:
    assert [type_.name for type_ in _own_types(schema) if not (type_.description or "").strip()] == []


def test_every_field_input_field_and_argument_says_what_it_is(schema: GraphSchema) -> None:
    silent = []
    for type_ in _own_types(schema):
        if not isinstance(type_, GraphQLObjectType | GraphQLInterfaceType | GraphQLInputObjectType):
            continue
        for name, field in type_.fields.items():
            silent += [] if field.description else [f"{type_.name}.{name}"]
            arguments = getattr(field, "args", {})
            silent += [f"{type_.name}.{name}({arg}:)" for arg, given in arguments.items() if not given.description]
    assert silent == []


def test_every_word_of_an_enumeration_says_what_it_means(schema: GraphSchema) -> None:
    silent = [
        f"{type_.name}.{word}"
        for type_ in _own_types(schema)
        if isinstance(type_, GraphQLEnumType)
        for word, meaning in type_.values.items()
        if not meaning.description
    ]
    assert silent == []


def test_every_field_of_a_record_carries_a_tag_and_no_field_of_a_part_does(schema: GraphSchema) -> None:
    for type_ in object_types(schema.core):
        for name, field in type_.fields.items():
            tags = [directive.tag for directive in definition_of(field).directives if hasattr(directive, "tag")]
            assert len(tags) == (0 if is_part(type_) else 1), f"{type_.name}.{name}"


def test_every_guarded_field_but_the_id_can_be_withheld(schema: GraphSchema) -> None:
    firm = [
        coordinate.name
        for type_name, coordinates in schema.fields.items()
        for name, coordinate in coordinates.items()
        if is_non_null_type(_field(schema, type_name, name).type)
    ]
    assert {name.partition(".")[2] for name in firm} == {"id"}


@record
class Leak:
    """A record with a field that forgot its tag."""

    name: str | None = strawberry.field(description="Whose?")


@strawberry.type
class Bare:
    name: str


@part
class Secret:
    """A part."""

    word: str = about("The word.")


@record
class Slippery:
    """A record."""

    @edge(Tag.CLINICAL)
    def secret(self) -> Secret | None:
        """Past the guard."""


@record
class Sound:
    """A record."""

    word: str | None = value(Tag.CLINICAL, "The word.")


@strawberry.type
class LeadsToLeak:
    @root(Tag.PUBLIC)
    def leak(self) -> Leak | None:
        """A leak."""


@strawberry.type
class LeadsToBareType:
    @root(Tag.PUBLIC)
    def bare(self) -> Bare | None:
        """A bare type."""


@strawberry.type
class Untagged:
    sound: Sound | None = strawberry.field(description="Who knows.")


@strawberry.type
class LeadsToValue:
    @root(Tag.PUBLIC)
    def ssn(self) -> str | None:
        """Not guarded by any record."""


@strawberry.type
class LeadsToPart:
    @root(Tag.DEMOGRAPHIC)
    def name(self) -> HumanName | None:
        """Not guarded by any record."""


@strawberry.type
class LeadsToSlippery:
    @root(Tag.PUBLIC)
    def slippery(self) -> Slippery | None:
        """To a record with an edge to a part."""


@strawberry.type
class WellBuilt:
    @root(Tag.PUBLIC)
    def sound(self) -> Sound | None:
        """One record."""

    @root(Tag.PUBLIC)
    def sounds(self) -> Connection[Sound] | None:
        """Many."""


@pytest.mark.parametrize(
    ("broken", "place"),
    [(LeadsToLeak, "Leak.name"), (LeadsToBareType, "Bare.name"), (Untagged, "Untagged.sound")],
)
def test_a_type_field_or_root_without_a_tag_fails_the_build(broken: type, place: str) -> None:
    with pytest.raises(UntaggedCoordinate, match=place):
        build(broken)


@pytest.mark.parametrize(
    ("broken", "place"),
    [
        (LeadsToValue, "LeadsToValue.ssn"),
        (LeadsToPart, "LeadsToPart.name"),
        (LeadsToSlippery, "Slippery.secret"),
    ],
)
def test_a_root_or_edge_that_leads_past_the_guard_fails_the_build(broken: type, place: str) -> None:
    with pytest.raises(UnguardedWay, match=place):
        build(broken)


def test_a_root_that_leads_to_records_builds() -> None:
    built = build(WellBuilt)
    assert built.tags["Sound"]["word"].tag is Tag.CLINICAL
    assert {one.name for one in built.tags["WellBuilt"].values()} == {"WellBuilt.sound", "WellBuilt.sounds"}


def test_an_argument_without_a_meaning_fails_the_declaration() -> None:
    def owner(self: object, whim: int = 1) -> str | None:
        """Takes something that nobody explained."""

    with pytest.raises(KeyError, match="whim"):
        root(Tag.PUBLIC)(owner)
    assert "whim" not in ARGUMENTS


def test_the_committed_schema_is_the_one_that_is_built(schema: GraphSchema) -> None:
    assert (REPOSITORY / "schema.graphql").read_text() == schema.sdl, "run `make schema`"


def test_the_schema_text_is_sorted_and_means_the_schema(schema: GraphSchema) -> None:
    read = build_schema(schema.sdl)
    names = [line.split()[1] for line in schema.sdl.splitlines() if line.split(" ")[0] in _KEYWORDS]
    assert names == sorted(names)
    assert {name for name in read.type_map if not name.startswith("__")} >= {
        type_.name for type_ in _own_types(schema) if type_.name not in ("Boolean", "Int", "String", "ID", "Float")
    }


_KEYWORDS = {"type", "enum", "input", "interface", "scalar", "union"}


def test_every_edge_of_the_schema_has_its_row_and_every_row_its_edge(schema: GraphSchema) -> None:
    declared = {
        (RecordType(type_name), coordinate.attribute)
        for type_name, coordinates in schema.fields.items()
        if type_name not in ROOT_TYPES
        for coordinate in coordinates.values()
        if coordinate.edge
    }
    assert declared == set(EDGES)


def test_an_edge_is_a_connection_where_its_row_says_many(schema: GraphSchema) -> None:
    for (origin, attribute), row in EDGES.items():
        coordinate = schema.tags[origin.value][attribute]
        field = _field(schema, origin.value, coordinate.name.partition(".")[2])
        assert str(field.type) == f"{row.target.value}{'Connection' if row.many else ''}"
        assert ("first" in field.args) is row.many


def test_every_value_of_the_schema_is_an_attribute_of_its_record(schema: GraphSchema) -> None:
    for type_name, coordinates in schema.fields.items():
        if type_name in ROOT_TYPES:
            continue
        attributes = RECORD_CLASSES[RecordType(type_name)].__struct_fields__
        missing = [one.name for one in coordinates.values() if not one.edge and one.attribute not in attributes]
        assert missing == []


def test_every_record_type_is_in_the_schema(schema: GraphSchema) -> None:
    assert set(schema.tags) == {type_.value for type_ in RecordType} | ROOT_TYPES


def test_a_coordinate_is_named_as_clients_write_it(schema: GraphSchema) -> None:
    assert schema.tags["Patient"]["birth_date"].name == "Patient.birthDate"
    assert schema.fields["Encounter"]["class"].attribute == "encounter_class"
    assert build(Query).sdl == schema.sdl

"""The functions that write rows: what they refer to stays bounded, and what differs in nothing is one function."""

from __future__ import annotations

import orjson
from graphql import GraphQLScalarType, GraphQLString

from graph.projection import _KINDS, Columns
from graph.rows import encode
from graph.schema import build


def columns(number: int) -> Columns:
    made = Columns()
    for place in range(number):
        made.add_value(f"k{place}", f"a{place}", GraphQLString, ())
    return made


def test_forgotten_writers_leave_nothing_behind() -> None:
    made = columns(12)

    def use() -> None:
        for number in range(60):
            made.writer(frozenset(f"a{bit}" for bit in range(12) if number >> bit & 1))

    use()
    before = len(made._text._things)
    for _ in range(10):
        use()
    assert len(made._text._things) == before
    assert len(made._writers) <= 50


def test_what_is_not_written_here_makes_no_writer() -> None:
    made = columns(1)
    assert made.writer(frozenset({"elsewhere"})) is made.writer(frozenset({"another"}))
    assert made.writer(frozenset({"a0", "elsewhere"})) is not made.writer(frozenset())


def test_a_response_key_is_never_read_as_python() -> None:
    made = Columns()
    for key in ("__import__", "None", "class", "True"):
        made.add_value(key, "a", GraphQLString, ())
    made.add_word("lambda", "x'\"\\n{}")
    assert orjson.loads(encode(made.writer(frozenset())({"a": "it"}))) == {
        "__import__": "it",
        "None": "it",
        "class": "it",
        "True": "it",
        "lambda": "x'\"\\n{}",
    }


def test_every_scalar_of_the_schema_has_a_class_of_values() -> None:
    scalars = {name for name, type_ in build().core.type_map.items() if isinstance(type_, GraphQLScalarType)}
    assert scalars <= _KINDS.keys()

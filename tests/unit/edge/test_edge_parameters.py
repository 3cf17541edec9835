from __future__ import annotations

import contextlib
import json
from urllib.parse import quote, urlencode

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from portico.edge.parameters import from_address, from_body
from portico.records.errors import InvalidRequest
from portico.records.exchange import GraphQLRequest

# In a body


def test_a_request_is_its_members() -> None:
    request = from_body(b'{"query":"{a}","variables":{"n":[1]},"operationName":"A","extensions":{"trace":true}}')

    assert (request.query, request.variables, request.operation_name) == ("{a}", {"n": [1]}, "A")


@pytest.mark.parametrize("member", ["variables", "operationName", "extensions"])
def test_null_is_as_good_as_absent(member: str) -> None:
    assert from_body(orjson.dumps({"query": "{a}", member: None})) == from_body(b'{"query":"{a}"}')


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"query": None},
        {"query": ""},
        {"query": " \n"},
        {"query": 1},
        {"query": ["{a}"]},
        {"query": {"a": 1}},
        {"query": "{a}", "variables": []},
        {"query": "{a}", "variables": "{}"},
        {"query": "{a}", "operationName": 1},
        {"query": "{a}", "operationName": ["A"]},
        {"query": "{a}", "extensions": []},
        {"query": "{a}", "Query": "{b}"},
        {"query": "{a}", "documentId": "1"},
        {"query": "{a}", "extensions": {"persistedQuery": {"version": 1, "sha256Hash": "0"}}},
        {"extensions": {"persistedQuery": {"version": 1, "sha256Hash": "0"}}},
        [],
        [{"query": "{a}"}],
        [[{"query": "{a}"}]],
        "{a}",
        1,
        None,
    ],
    ids=repr,
)
def test_anything_else_is_refused(body: object) -> None:
    with pytest.raises(InvalidRequest):
        from_body(orjson.dumps(body))


def test_a_refusal_never_repeats_what_was_sent() -> None:
    for body in (b'{"Quillfeather":1}', b'{"query":"{a}","variables":"Quillfeather"}', b"Quillfeather"):
        with pytest.raises(InvalidRequest) as refused:
            from_body(body)
        assert "Quillfeather" not in refused.value.message


# In an address


def address(**parameters: str) -> bytes:
    return urlencode(parameters).encode()


def test_an_address_carries_what_a_body_does() -> None:
    request = from_address(
        address(query="query A { a }", variables='{"n":[1]}', operationName="A", extensions='{"trace":true}')
    )

    assert request == GraphQLRequest(query="query A { a }", variables={"n": [1]}, operation_name="A", read_only=True)


def test_only_what_an_address_carries_is_read_only() -> None:
    assert from_address(address(query="{a}")).read_only
    assert not from_body(b'{"query":"{a}"}').read_only


def test_spaces_are_read_however_they_are_encoded() -> None:
    assert from_address(b"query={+a+}") == from_address(b"query=%7B%20a%20%7D")


@pytest.mark.parametrize("parameter", [b"variables=null", b"extensions=null", b"operationName="])
def test_an_address_can_say_that_a_parameter_is_absent(parameter: bytes) -> None:
    assert from_address(b"query={a}&" + parameter) == from_address(b"query={a}")


def test_an_operation_may_be_named_null() -> None:
    assert from_address(b"query=query+null{a}&operationName=null").operation_name == "null"


@pytest.mark.parametrize(
    "query_string",
    [
        b"",
        b"query",
        b"query=",
        b"query=%20",
        b"{a}",
        b"query={a}&",
        b"&query={a}",
        b"query={a}&&variables={}",
        b"query={a}&query={a}",
        b"query={a}&query={b}",
        b"query={a}&qu%65ry={b}",
        b"query={a}&variables={}&variables={}",
        b"query={a}&Query={b}",
        b"query={a}&documentId=1",
        b"query={a}&access_token=x",
        b"query={a}&query[]={b}",
        b"query={a}&=x",
        b"query={a}&" + b"&".join(b"x=1" for _ in range(1000)),
        b"query={a}&variables=",
        b"query={a}&variables=%7B",
        b"query={a}&variables=[]",
        b"query={a}&variables=%22%7B%7D%22",
        b'query={a}&variables={"n":1,"n":2}',
        b'query={a}&variables={"n":NaN}',
        b"query={a}&variables=" + b"[" * 10_000,
        b"query={a}&extensions=",
        b"query={a}&extensions=1",
        b'query={a}&extensions={"persistedQuery":{"version":1,"sha256Hash":"0"}}',
        b"query={a}%",
        b"query={a}%2",
        b"query={a}%zz",
        b"query={a}%u0041",
        b"query={a}%ff",
        b"query={a}%c0%ae",
        b"query={a}%ed%a0%80",
        "query={ß}".encode(),
        b"query={a}\xff",
    ],
    ids=lambda given: repr(given[:40]),
)
def test_an_address_that_can_be_read_in_two_ways_is_refused(query_string: bytes) -> None:
    with pytest.raises(InvalidRequest):
        from_address(query_string)


def test_a_refusal_never_repeats_an_address() -> None:
    for query_string in (b"Quillfeather=1", b"query={a}&variables=Quillfeather", b"Quillfeather", b"%Quillfeather"):
        with pytest.raises(InvalidRequest) as refused:
            from_address(query_string)
        assert "Quillfeather" not in refused.value.message


TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1).filter(str.strip)
NAMES = st.text(st.characters(exclude_categories=["Cs"]), max_size=5)


@given(TEXT, st.dictionaries(NAMES, st.integers(-100, 100) | NAMES), TEXT)
def test_body_and_address_say_the_same(query: str, variables: dict[str, object], name: str) -> None:
    in_body = from_body(orjson.dumps({"query": query, "variables": variables, "operationName": name}))
    in_address = from_address(address(query=query, variables=json.dumps(variables), operationName=name))

    assert in_address.query == in_body.query
    assert in_address.variables == in_body.variables
    assert in_address.operation_name == in_body.operation_name


@given(st.binary(max_size=80) | st.text('query=variables&{}%+0"', max_size=80).map(str.encode))
def test_no_bytes_in_an_address_do_anything_but_be_understood_or_refused(query_string: bytes) -> None:
    for given_bytes in (query_string, b"query=" + query_string, quote(query_string).encode()):
        with contextlib.suppress(InvalidRequest):
            from_address(given_bytes)

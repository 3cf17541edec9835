from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portico.edge.media import MediaType, negotiate, require_json
from portico.records.errors import NotAcceptable, UnsupportedMedia

GRAPHQL, JSON = MediaType.GRAPHQL, MediaType.JSON


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("", JSON),
        ("*/*", JSON),
        ("application/*", JSON),
        ("application/json", JSON),
        ("application/graphql-response+json", GRAPHQL),
        ("APPLICATION/GraphQL-Response+JSON", GRAPHQL),
        ("application/graphql-response+json, application/json", GRAPHQL),
        ("application/json, application/graphql-response+json", GRAPHQL),
        ("application/graphql-response+json;q=0.9, application/json", JSON),
        ("application/graphql-response+json, application/json;q=0.9", GRAPHQL),
        ("application/graphql-response+json; charset=utf-8, application/json; charset=utf-8", GRAPHQL),
        ("application/json, */*", JSON),
        ("application/graphql-response+json;q=0.5, */*", JSON),
        ("application/json;q=0, */*", GRAPHQL),
        ("application/json;q=0.000, application/*;q=0.1", GRAPHQL),
        ("text/html, application/json;q=0.1", JSON),
        ("application/json;v=2, */*;q=0.1", JSON),
        (",, application/json ,", JSON),
    ],
)
def test_the_preferred_media_type_is_given(accept: str, expected: MediaType) -> None:
    assert negotiate([accept]) is expected


def test_several_accept_headers_are_one_list() -> None:
    assert negotiate(["text/html", "application/graphql-response+json"]) is GRAPHQL


def test_without_an_accept_header_json_is_given() -> None:
    assert negotiate([]) is JSON


@pytest.mark.parametrize(
    "accept",
    [
        "text/html",
        "multipart/mixed; deferSpec=20220824",
        "text/event-stream",
        "application/json;q=0",
        "*/*;q=0",
        "application/json;q=2",
        "application/json;q=-1",
        "application/json;q=nan",
        "application/json;charset=utf-16",
        "application/json;v=2",
        "application/json\x00",
    ],
)
def test_where_nothing_fits_the_request_is_refused(accept: str) -> None:
    with pytest.raises(NotAcceptable):
        negotiate([accept])


@given(st.lists(st.text(alphabet="application/json*graphql-response+;q=0.,1 ", max_size=60), max_size=3))
def test_any_accept_header_gives_a_media_type_or_a_refusal(accepts: list[str]) -> None:
    with contextlib.suppress(NotAcceptable):
        assert negotiate(accepts) in MediaType


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json",
        "Application/JSON",
        "application/json;charset=utf-8",
        "application/json; charset=UTF-8",
        'application/json ; charset="utf-8" ',
    ],
)
def test_json_in_utf_8_is_accepted_however_it_is_written(content_type: str) -> None:
    require_json([content_type], [])


def test_two_content_types_are_refused() -> None:
    with pytest.raises(UnsupportedMedia):
        require_json(["application/json", "application/json"], [])

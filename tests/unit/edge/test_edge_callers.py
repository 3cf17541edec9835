"""Who may ask, and for which purpose."""

from __future__ import annotations

from typing import Any

import httpx2
import orjson
import pytest


def code(response: httpx2.Response) -> str:
    return str(response.json()["errors"][0]["extensions"]["code"])


# Who asks


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE"])
async def test_nobody_unknown_is_told_which_methods_there_are(edge: Any, method: str) -> None:
    post, other = await edge.post(authorization=None), await edge.request(method, "/graphql")

    assert (other.status_code, other.headers["www-authenticate"]) == (401, "Bearer")
    assert "allow" not in other.headers
    assert other.content == (b"" if method == "HEAD" else post.content)


ANONYMOUS: list[str | None] = [
    None,
    "",
    "Bearer",
    "Bearer ",
    "Bearer  one",
    "Bearer unknown",
    "Bearer one, Bearer one",
    "Basic b25lOm9uZQ==",
    "one",
    "Bearer " + "x" * 100_000,
    "Bearer \x00",
]


@pytest.mark.parametrize("authorization", ANONYMOUS, ids=lambda given: repr(given)[:24])
async def test_everyone_who_is_not_known_gets_the_same_answer(edge: Any, authorization: str | None) -> None:
    response = await edge.post(authorization=authorization)

    assert response.status_code == 401
    assert response.headers["www-authenticate"] == "Bearer"
    assert response.content == (
        b'{"errors":[{"message":"Authentication required.","extensions":{"code":"UNAUTHENTICATED"}}]}'
    )
    assert edge.echo.callers == []


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (b"", {}),
        (b"not json", {}),
        (b"[" * 100_000, {}),
        (b"x" * 2_000_000, {}),
        (orjson.dumps({"query": "{ __schema { types { name } } }"}), {}),
        (orjson.dumps({"query": "mutation { erase }"}), {"content_type": "text/plain"}),
        (b"{}", {"content_encoding": "gzip"}),
        (b"{}", {"accept": "text/html", "x_purpose_of_use": "NOSUCH"}),
    ],
)
async def test_nothing_that_an_unknown_caller_sends_changes_the_answer(
    edge: Any, body: bytes, headers: dict[str, str]
) -> None:
    plain = await edge.post(authorization=None)
    other = await edge.post(body, authorization="Bearer unknown", **headers)

    same = {"status": other.status_code, "body": other.content, "type": other.headers["content-type"]}
    assert same == {"status": 401, "body": plain.content, "type": plain.headers["content-type"]}


async def test_two_authorization_headers_are_ambiguous(edge: Any) -> None:
    headers = [("authorization", "Bearer one"), ("authorization", "Bearer two"), ("content-type", "application/json")]

    response = await edge.request("POST", "/graphql", content=b'{"query":"{a}"}', headers=headers)

    assert (response.status_code, code(response)) == (400, "BAD_REQUEST")
    assert edge.echo.callers == []


@pytest.mark.parametrize("path", ["/graphql?access_token=one", "/graphql?token=one"])
async def test_a_token_in_the_url_is_no_token(edge: Any, path: str) -> None:
    assert (await edge.post(path=path, authorization=None)).status_code == 401


async def test_a_token_in_a_cookie_or_the_body_is_no_token(edge: Any) -> None:
    body = b"access_token=one"

    response = await edge.post(body, authorization=None, cookie="access_token=one", content_type="text/plain")

    assert response.status_code == 401


async def test_a_known_caller_who_puts_anything_into_the_url_is_told_so(edge: Any) -> None:
    response = await edge.post(path="/graphql?query={viewer}")

    assert (response.status_code, code(response)) == (400, "BAD_REQUEST")


# Why


async def test_the_only_purpose_of_a_token_need_not_be_named(edge: Any) -> None:
    assert (await edge.post()).json()["data"]["purpose"] == "TREAT"


async def test_a_permitted_purpose_is_taken_from_the_header(edge: Any) -> None:
    response = await edge.post(authorization="Bearer two", x_purpose_of_use="ETREAT")

    assert response.json()["data"]["purpose"] == "ETREAT"


@pytest.mark.parametrize(
    ("token", "purpose"),
    [
        ("two", None),
        ("none", None),
        ("none", "TREAT"),
        ("one", "HPAYMT"),
        ("one", "treat"),
        ("one", "TREATMENT"),
        ("one", " TREAT,ETREAT"),
        ("one", ""),
        ("one", "TREAT\u00a0"),
    ],
)
async def test_a_purpose_that_is_missing_unknown_or_not_the_tokens_is_refused(
    edge: Any, token: str, purpose: str | None
) -> None:
    response = await edge.post(authorization=f"Bearer {token}", x_purpose_of_use=purpose)

    assert (response.status_code, code(response)) == (403, "PURPOSE_REFUSED")
    assert edge.echo.callers == []


async def test_two_purposes_are_refused_even_when_both_are_permitted(edge: Any) -> None:
    headers = [("authorization", "Bearer two"), ("x-purpose-of-use", "TREAT"), ("x-purpose-of-use", "ETREAT")]

    response = await edge.request("POST", "/graphql", content=b'{"query":"{a}"}', headers=headers)

    assert response.status_code == 403

"""SPEC: every reply is GraphQL over HTTP, never a fault, a page or a stack trace."""

from __future__ import annotations

import json
from typing import Any

from tests.oracles.reply import Reply

MEDIA_TYPES = frozenset({"application/json; charset=utf-8", "application/graphql-response+json; charset=utf-8"})
BUSY = 503
_MEMBERS = frozenset({"data", "errors", "extensions"})
_FOREIGN = (b"<html", b"<!doctype", b"Traceback", b'File "', b"graphql-core", b"strawberry")


def complaints(reply: Reply) -> list[str]:
    """What is wrong with a reply: empty if nothing is. A server that is busy may say so with `Retry-After`."""
    wrong = [f"tells {mark!r}" for mark in _FOREIGN if mark.lower() in reply.body.lower()]
    if reply.status >= BUSY - 3 and not (reply.status == BUSY and reply.header("retry-after")):
        wrong.append(f"status {reply.status}")
    if reply.header("content-type") not in MEDIA_TYPES:
        wrong.append(f"media type {reply.header('content-type')!r}")
    try:
        wrong += _of_body(json.loads(reply.body))
    except ValueError:
        wrong.append("no JSON")
    return wrong


def _of_body(body: Any) -> list[str]:
    if not isinstance(body, dict) or not body.keys() <= _MEMBERS or not body.keys() & {"data", "errors"}:
        return ["not a GraphQL response"]
    errors = body.get("errors")
    if errors is None:
        return []
    if not isinstance(errors, list) or not errors:
        return ["errors that are no list of errors"]
    return [] if all(map(_is_error, errors)) else ["an error without message or code"]


def _is_error(error: Any) -> bool:
    match error:
        case {"message": str(message), "extensions": {"code": str(code)}}:
            return bool(message and code)
        case _:
            return False

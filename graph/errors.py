"""Errors as clients see them: a stable code, a sentence without personal data, and where in the answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from graphql import GraphQLError

from portico.access.guard import Withheld
from portico.records.errors import CallerError, EgressRefused, SourceError

WITHHELD = "UNAUTHORIZED_FIELD_OR_TYPE"
PARSE_FAILED = "GRAPHQL_PARSE_FAILED"
VALIDATION_FAILED = "GRAPHQL_VALIDATION_FAILED"
OPERATION_FAILED = "OPERATION_RESOLUTION_FAILURE"
COST_EXCEEDED = "COST_EXCEEDED"
INTERNAL = "INTERNAL"

Rendered = dict[str, Any]


class DocumentRefused(Exception):
    """The document won't be executed; `errors` is what the client reads."""

    def __init__(self, errors: Sequence[Rendered]) -> None:
        super().__init__("document refused")
        self.errors = list(errors)


def render(code: str, message: str, **extensions: Any) -> Rendered:
    """An error by itself."""
    return {"message": message, "extensions": {"code": code, **extensions}}


def rendered(code: str, error: GraphQLError) -> Rendered:
    """An error of graphql-core about the document: what is wrong, and where."""
    described = render(code, error.message)
    if error.locations:
        described["locations"] = [{"line": at.line, "column": at.column} for at in error.locations]
    if error.path:
        described["path"] = error.path
    return described


def withheld(marker: Withheld, path: list[str | int], decision_id: str) -> Rendered:
    """A value that policy withheld: one error for each schema path, whatever the number of rows.

    `decision_id` is the operation's: that of the record's own decision would tell one class of records from another,
    and so who has a sensitivity label. Where another authentication would do, the `challenge` is what a client passes
    on to its identity provider (OpenID Connect's `acr_values` and `max_age`).
    """
    challenge = {} if marker.challenge is None else {"challenge": marker.challenge.challenge()}
    described = render(
        WITHHELD,
        "Not released under the policy for this purpose of use.",
        affectedPath=schema_path(path),
        coordinate=marker.coordinate,
        reason=marker.reason,
        decisionId=decision_id,
        **challenge,
    )
    return {**described, "path": path}


def failed(error: CallerError, path: list[str | int]) -> Rendered:
    """What a caller may know of a failure at a path; a source's carries its name, a refusal the policies' reason."""
    source = {"source": error.source} if isinstance(error, SourceError) else {}
    reason = {"reason": error.reason} if isinstance(error, EgressRefused) else {}
    named = {"affectedPath": schema_path(path), **source, **reason, **error.details}
    return {**render(error.code, error.message, **named), "path": path}


def schema_path(path: Sequence[str | int]) -> str:
    """A response path with every row of a list alike: `patients.edges.@.node.ssn`."""
    return ".".join("@" if isinstance(key, int) else key for key in path)

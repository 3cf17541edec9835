"""What the edge and the graph hand to each other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphQLRequest:
    """A well-formed GraphQL-over-HTTP request, not yet parsed as GraphQL."""

    query: str
    variables: Mapping[str, Any] = field(default_factory=dict)
    operation_name: str | None = None
    read_only: bool = False
    """Whether only a query may be executed: the request came by a method that must have no effect."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A GraphQL response as JSON bytes; everything in it is released and recorded.

    `executed` is False where the document was refused before execution (GraphQL over HTTP gives 400 for that when
    the client accepts application/graphql-response+json).
    """

    body: bytes
    executed: bool

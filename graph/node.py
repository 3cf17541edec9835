"""The Node interface (Relay)."""

from __future__ import annotations

import strawberry

from graph.fields import value
from portico.access.tags import Tag


@strawberry.interface(description="Anything that has an opaque global id and can be asked for by it.")
class Node:
    """A record with a name of its own."""

    id: strawberry.ID = value(Tag.PUBLIC, "Opaque and stable; good in this tenant only, and carries no data.")

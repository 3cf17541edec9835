"""Questions to the policies, with everything that a question needs and a test doesn't care about."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

REST: dict[str, Any] = {"mask": {}, "deny": {}, "overrides": {}, "refuse": {}, "step_up": {}, "notices": {}}
"""What a visible answer says besides what it allows, where there is no more to say."""


def principal(*roles: str, purposes: Iterable[str], kind: str = "person", **claims: Any) -> dict[str, Any]:
    return {
        "subject": "s-1", "kind": kind, "tenant": "riverbend", "roles": list(roles), "organization": "org-1",
        "npi": None, "client": "portal", "acr": None, "auth_time": None, "purposes": list(purposes), **claims,
    }  # fmt: skip


def facts(type_: str, *relationships: str, labels: Iterable[str] = (), **others: Any) -> dict[str, Any]:
    """A decision class, of a patient who has said nothing."""
    return {
        "type": type_, "relationships": list(relationships), "labels": list(labels), "consent": [],
        "tenant": "match", "attributes": {}, **others,
    }  # fmt: skip


def provision(kind: str, **words: Iterable[str]) -> dict[str, Any]:
    """What a patient said: about everything but what `purposes`, `roles`, `tags` and `labels` narrow it to."""
    named = {part: list(words.get(part, ())) for part in ("purposes", "roles", "tags", "labels")}
    assert words.keys() <= named.keys()
    return {"kind": kind, **named}


def classes(who: dict[str, Any], purpose: str, **by_key: dict[str, Any]) -> dict[str, Any]:
    return {"principal": who, "purpose": purpose, "action": "read", "classes": by_key}


def ceiling(who: dict[str, Any], purpose: str, **types: dict[str, str]) -> dict[str, Any]:
    return {"principal": who, "purpose": purpose, "action": "read", "types": types}


def scope(who: dict[str, Any], purpose: str, type_: str) -> dict[str, Any]:
    return {"principal": who, "purpose": purpose, "type": type_}

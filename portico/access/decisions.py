"""What the policies say, asked once for all classes of a level and remembered as long as nothing it depends on changes.

A decision is remembered under everything that it was made from: the principal's claims, the purpose, the class and
the revision of the policies. Relationships, labels and consent are part of the class and are read fresh each time, so
a change in any of them is another question.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Hashable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from portico.access.engine import PolicyEngine, Rule, Verdict
from portico.access.masks import Mask
from portico.access.principal import Caller, Principal
from portico.access.tags import Coordinate
from portico.records.errors import PolicyUnavailable


class Effect(StrEnum):
    """What happens to a value. Anything else is a denial."""

    ALLOW = "allow"
    MASK = "mask"
    DENY = "deny"


@dataclass(frozen=True, slots=True)
class Ruling:
    """The effect on one coordinate: which mask, or why not."""

    effect: Effect
    mask: Mask | None = None
    reason: str | None = None


ALLOW = Ruling(Effect.ALLOW)


@dataclass(frozen=True, slots=True)
class DecisionClass:
    """The facts on which a decision may depend. Never an id."""

    type: str
    relationships: frozenset[str] = frozenset()
    labels: frozenset[str] = frozenset()

    def facts(self) -> dict[str, Any]:
        """The class as the policies read it."""
        return {
            "type": self.type,
            "relationships": sorted(self.relationships),
            "labels": sorted(self.labels),
            "consent": [],
            "tenant": "match",
            "attributes": {},
        }


@dataclass(frozen=True, slots=True)
class Decision:
    """What the policies decided about one class."""

    visible: bool
    decision_id: str
    revision: str
    allow: frozenset[str] = frozenset()
    mask: Mapping[str, Mask] = field(default_factory=dict)
    deny: Mapping[str, str] = field(default_factory=dict)
    overrides: Mapping[str, Ruling] = field(default_factory=dict)

    def ruling(self, coordinate: Coordinate) -> Ruling:
        """The effect on a coordinate: its override, else its tag's; deny before mask before allow, silence is deny."""
        if not self.visible:
            return Ruling(Effect.DENY, reason="not_visible")
        override = self.overrides.get(coordinate.name)
        if override is not None:
            return override
        tag = coordinate.tag
        if tag in self.deny:
            return Ruling(Effect.DENY, reason=self.deny[tag])
        if tag in self.mask:
            return Ruling(Effect.MASK, mask=self.mask[tag])
        if tag in self.allow:
            return ALLOW
        return Ruling(Effect.DENY, reason="not_permitted")

    def in_full(self, coordinate: Coordinate) -> bool:
        """Whether a filter or an ordering by this coordinate reveals nothing that a look at it wouldn't."""
        return self.ruling(coordinate).effect is Effect.ALLOW


@dataclass(frozen=True, slots=True)
class Ceiling:
    """Which of the selected coordinates could be released to this caller for any record at all."""

    coordinates: frozenset[str]
    decision_id: str
    revision: str

    def covers(self, coordinate: Coordinate) -> bool:
        """Whether it is worth asking a source for it."""
        return coordinate.name in self.coordinates


@dataclass(frozen=True, slots=True)
class Scope:
    """The rows of a type that could be visible: all of the tenant's, or those of patients so related to the caller."""

    everyone: bool
    relationships: frozenset[str]
    decision_id: str
    revision: str

    @property
    def empty(self) -> bool:
        """No row could be visible."""
        return not self.everyone and not self.relationships


@dataclass(slots=True)
class Tally:
    """One request's policy calls and what to cite for them: decisions of one revision of the policies, never of two."""

    calls: int = 0
    revisions: set[str] = field(default_factory=set)
    decision_ids: set[str] = field(default_factory=set)

    def cite(self, decision: Decision | Ceiling | Scope) -> None:
        """Note that this decision is applied.

        Raises `PolicyUnavailable` where it is of another revision than those before it: what one leaves out, the other
        may release, and nobody could tell from the answer.
        """
        self.revisions.add(decision.revision)
        if len(self.revisions) > 1:
            raise PolicyUnavailable("The policies changed while this was being answered; ask again.")
        self.decision_ids.add(decision.decision_id)


class Decisions:
    """Asks the policy engine, and remembers. One for a process; holds no released value."""

    def __init__(self, engine: PolicyEngine, *, capacity: int = 50_000) -> None:
        """`capacity` is how many decisions are remembered; a ceiling counts once for each of its coordinates."""
        self._engine = engine
        self._capacity = capacity
        self._weight = 0
        self._known: OrderedDict[Hashable, tuple[Any, int]] = OrderedDict()

    @property
    def revision(self) -> str:
        """The revision of the policies that decides next."""
        return self._engine.revision

    async def ceiling(self, caller: Caller, selected: Collection[tuple[str, Coordinate]], tally: Tally) -> Ceiling:
        """Which of the selected coordinates (with their type names) could be released. One call, before any source."""
        names = frozenset(coordinate.name for _, coordinate in selected)
        known = self._recall(("ceiling", *_asker(caller), names, self._engine.revision))
        if known is None:
            types: dict[str, dict[str, str]] = {}
            for type_name, coordinate in sorted(selected, key=lambda pair: pair[1].name):
                types.setdefault(type_name, {})[coordinate.name] = coordinate.tag.value
            verdict = await self._ask(Rule.CEILING, caller, {"action": "read", "types": types}, tally)
            known = Ceiling(_reachable(verdict.result, types), verdict.decision_id, verdict.revision)
            self._remember(("ceiling", *_asker(caller), names, verdict.revision), known, weight=1 + len(names))
        tally.cite(known)
        return known  # type: ignore[no-any-return]  # the store holds what this method put there

    async def classes(
        self, caller: Caller, classes: Collection[DecisionClass], tally: Tally
    ) -> dict[DecisionClass, Decision]:
        """A decision for every class. At most one call, none when all of them are known."""
        asker, revision = _asker(caller), self._engine.revision
        decided: dict[DecisionClass, Decision] = {}
        unknown: list[DecisionClass] = []
        for class_ in classes:
            known = self._recall(("class", *asker, class_, revision))
            if known is None:
                unknown.append(class_)
            else:
                decided[class_] = known
        if unknown:
            asked = {f"c{number}": class_ for number, class_ in enumerate(unknown)}
            facts = {"action": "read", "classes": {key: class_.facts() for key, class_ in asked.items()}}
            verdict = await self._ask(Rule.CLASSES, caller, facts, tally)
            if verdict.result.keys() != asked.keys():
                raise PolicyUnavailable
            for key, class_ in asked.items():
                decision = _decision(verdict.result[key], verdict)
                decided[class_] = decision
                self._remember(("class", *asker, class_, verdict.revision), decision)
        for decision in decided.values():
            tally.cite(decision)
        return decided

    async def scope(self, caller: Caller, type_name: str, tally: Tally) -> Scope:
        """The rows of a type that could be visible. An attribute that isn't declared is a denial, not a wider scope."""
        key = ("scope", *_asker(caller), type_name, self._engine.revision)
        known = self._recall(key)
        if known is None:
            verdict = await self._ask(Rule.SCOPE, caller, {"type": type_name}, tally)
            known = _scope(verdict)
            self._remember(("scope", *_asker(caller), type_name, verdict.revision), known)
        tally.cite(known)
        return known  # type: ignore[no-any-return]  # the store holds what this method put there

    async def _ask(self, rule: Rule, caller: Caller, facts: Mapping[str, Any], tally: Tally) -> Verdict:
        tally.calls += 1
        question = {"principal": _claims(caller.principal), "purpose": caller.purpose.value, **facts}
        return await self._engine.ask(rule, question)

    def _recall(self, key: Hashable) -> Any:
        known, _ = self._known.get(key, (None, 0))
        if known is not None:
            self._known.move_to_end(key)
        return known

    def _remember(self, key: Hashable, decided: object, weight: int = 1) -> None:
        _, before = self._known.get(key, (None, 0))
        self._known[key] = decided, weight
        self._weight += weight - before
        while self._weight > self._capacity and self._known:
            _, (_, forgotten) = self._known.popitem(last=False)
            self._weight -= forgotten


def _asker(caller: Caller) -> tuple[Hashable, ...]:
    """Everything about a caller that a decision may depend on; a token's expiry and patients are not shown to it."""
    principal = caller.principal
    return (
        principal.tenant, principal.subject, principal.kind, principal.roles, principal.purposes, principal.client,
        principal.organization, principal.npi, principal.acr, principal.auth_time, caller.purpose,
    )  # fmt: skip


def _claims(principal: Principal) -> dict[str, Any]:
    return {
        "subject": principal.subject,
        "kind": principal.kind.value,
        "tenant": principal.tenant,
        "roles": sorted(principal.roles),
        "organization": principal.organization,
        "npi": principal.npi,
        "client": principal.client,
        "acr": principal.acr,
        "auth_time": principal.auth_time,
        "purposes": sorted(principal.purposes),
    }


def _reachable(result: Mapping[str, Any], types: Mapping[str, Mapping[str, str]]) -> frozenset[str]:
    reachable: set[str] = set()
    for type_name, coordinates in types.items():
        rights = result.get(type_name)
        if rights is None:
            continue
        tags, exceptions = frozenset(rights["tags"]), rights["coordinates"]
        reachable.update(name for name, tag in coordinates.items() if exceptions.get(name, tag in tags) is True)
    return frozenset(reachable)


def _decision(answer: Mapping[str, Any], verdict: Verdict) -> Decision:
    if answer["visible"] is not True:
        return Decision(visible=False, decision_id=verdict.decision_id, revision=verdict.revision)
    masks: dict[str, Mask] = {}
    denials: dict[str, str] = dict(answer["deny"])
    for tag, name in answer["mask"].items():
        if name in Mask.__members__.values():
            masks[tag] = Mask(name)
        else:
            denials[tag] = "unknown_mask"
    return Decision(
        visible=True,
        decision_id=verdict.decision_id,
        revision=verdict.revision,
        allow=frozenset(answer["allow"]),
        mask=masks,
        deny=denials,
        overrides={name: _ruling(override) for name, override in answer["overrides"].items()},
    )


def _ruling(override: Mapping[str, Any]) -> Ruling:
    match override:
        case {"effect": "allow"}:
            return ALLOW
        case {"effect": "mask", "mask": str() as name} if name in Mask.__members__.values():
            return Ruling(Effect.MASK, mask=Mask(name))
        case {"effect": "deny", "reason": str() as reason}:
            return Ruling(Effect.DENY, reason=reason)
    return Ruling(Effect.DENY, reason="unknown_effect")


def _scope(verdict: Verdict) -> Scope:
    everyone, relationships = False, set[str]()
    for row in verdict.result["rows"]:
        match row:
            case {"relationship": list(names), **rest} if not rest:
                relationships.update(names)
            case dict() if not row:
                everyone = True
            case _:
                raise PolicyUnavailable
    return Scope(everyone, frozenset(relationships), verdict.decision_id, verdict.revision)

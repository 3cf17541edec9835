"""What the policies say, asked once for all classes of a level and remembered as long as nothing it depends on changes.

A decision is remembered under everything that it was made from: the principal's claims, the purpose, the class and
the revision of the policies. Relationships, labels and consent are part of the class and are read fresh each time, so
a change in any of them is another question.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Collection, Hashable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import Any

from msgspec import Struct, structs

from portico.access.commands import CommandDecision, command_decision
from portico.access.engine import PolicyEngine, Rule, Verdict
from portico.access.principal import Caller, Principal
from portico.access.rulings import Decision, decision_of
from portico.access.tags import Coordinate, Tag
from portico.records import sensitivity
from portico.records.consent import Provision
from portico.records.errors import PolicyUnavailable


class DecisionClass(Struct, frozen=True, gc=False, cache_hash=True):
    """The facts on which a decision may depend. Never an id."""

    type: str
    relationships: frozenset[str] = frozenset()
    labels: frozenset[str] = frozenset()
    consent: frozenset[Provision] = frozenset()

    def facts(self) -> dict[str, Any]:
        """The class as the policies read it."""
        return {
            "type": self.type,
            "relationships": sorted(self.relationships),
            "labels": sorted(self.labels),
            "consent": sorted(map(_provision, self.consent), key=repr),
            "tenant": "match",
            "attributes": {},
        }


class Facts(Struct, frozen=True, gc=False, cache_hash=True):
    """What decides besides a type: how the caller stands to a patient, how sensitive it is, what the patient said."""

    relationships: frozenset[str] = frozenset()
    labels: frozenset[str] = frozenset()
    consent: frozenset[Provision] = frozenset()

    def about(self, type_name: str) -> DecisionClass:
        """The class of a record of this type. Where records carry a label each, `N` says that nothing restricts it."""
        return _class(type_name, self)

    def labelled(self, labels: frozenset[str]) -> Facts:
        """The same of a record with these labels."""
        return self if labels == self.labels else _labelled(self, labels)


# Records are many and what can be said of them is little: like facts are one object, so that they are compared at once.


@lru_cache(maxsize=10_000)
def _class(type_name: str, facts: Facts) -> DecisionClass:
    labels = facts.labels or sensitivity.UNRESTRICTED.get(type_name, facts.labels)
    return DecisionClass(str(type_name), facts.relationships, labels, facts.consent)


@lru_cache(maxsize=10_000)
def _labelled(facts: Facts, labels: frozenset[str]) -> Facts:
    return structs.replace(facts, labels=labels)


NOBODY = Facts()
"""Of a record about nobody, or about nobody known."""


@dataclass(frozen=True, slots=True)
class Ceiling:
    """Which of the selected coordinates could be released to this caller for any record at all."""

    coordinates: frozenset[str]
    decision_id: str
    revision: str

    def covers(self, coordinate: Coordinate) -> bool:
        """Whether it is worth asking a source for it."""
        return coordinate.name in self.coordinates

    def without(self, switched_off: frozenset[str]) -> Ceiling:
        """The same, but for the coordinates that are off."""
        return replace(self, coordinates=self.coordinates - switched_off) if switched_off else self


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


@dataclass(frozen=True, slots=True)
class Egress:
    """Which of the tags asked about a destination may be told for a purpose on a day, and why not the others."""

    tags: frozenset[Tag]
    reason: str | None
    decision_id: str
    revision: str

    def refusal(self, told: Collection[Tag]) -> str | None:
        """Why a request that tells it things of these tags may not be sent; None where it may."""
        return None if self.tags.issuperset(told) else self.reason or "tag_not_registered"


@dataclass(slots=True)
class Tally:
    """One request's policy calls and what to cite for them: decisions of one revision of the policies, never of two.

    What was decided about a class stays so for the request.
    """

    calls: int = 0
    decided: dict[DecisionClass, Decision] = field(default_factory=dict)
    revisions: set[str] = field(default_factory=set)
    decision_ids: set[str] = field(default_factory=set)

    def cite(self, decision: Decision | Ceiling | Scope | Egress | CommandDecision) -> None:
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

    def __init__(
        self,
        engine: PolicyEngine,
        *,
        capacity: int = 50_000,
        today: Callable[[], date] = lambda: datetime.now(UTC).date(),
    ) -> None:
        """`capacity` is how many decisions are remembered; a ceiling counts once for each of its coordinates.

        `today` is the day by which agreements with destinations are judged: UTC's.
        """
        self._engine = engine
        self._today = today
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
        """A decision for every class. At most one call, none when all of them are known.

        What is switched off for the caller is denied here, the one place where any decision comes from: so every
        path, filter and order meets it alike, and what is remembered with a decision is never another's.
        """
        decided = tally.decided
        new = [class_ for class_ in classes if class_ not in decided]
        if new:
            decided.update(await self._decided(caller, new, tally))
        return {class_: decided[class_] for class_ in classes}

    async def _decided(
        self, caller: Caller, classes: Collection[DecisionClass], tally: Tally
    ) -> dict[DecisionClass, Decision]:
        """A decision for each of these classes, which were not met before in this request."""
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
                decision = decision_of(verdict.result[key], verdict)
                decided[class_] = decision
                self._remember(("class", *asker, class_, verdict.revision), decision)
        for decision in decided.values():
            tally.cite(decision)
        if not caller.switched_off:
            return decided
        return {class_: self._without(class_, decision, caller.switched_off) for class_, decision in decided.items()}

    def _without(self, class_: DecisionClass, decision: Decision, switched_off: frozenset[str]) -> Decision:
        """The decision but for what is off, the same one each time: the guard remembers what it comes to."""
        known = self._recall(("without", class_.type, decision, switched_off))
        if known is None:
            known = decision.without(class_.type, switched_off)
            self._remember(("without", class_.type, decision, switched_off), known)
        return known  # type: ignore[no-any-return]  # the store holds what this method put there

    async def scope(self, caller: Caller, type_name: str, tally: Tally) -> Scope:
        """The rows of a type that could be visible. An attribute that isn't declared is a denial, not a wider scope.

        Of a type whose id is switched off no row is.
        """
        key = ("scope", *_asker(caller), type_name, self._engine.revision)
        known: Scope | None = self._recall(key)
        if known is None:
            verdict = await self._ask(Rule.SCOPE, caller, {"type": type_name}, tally)
            known = _scope(verdict)
            self._remember(("scope", *_asker(caller), type_name, verdict.revision), known)
        tally.cite(known)
        if f"{type_name}.id" in caller.switched_off:
            return replace(known, everyone=False, relationships=frozenset())
        return known

    async def command(self, caller: Caller, command: str, facts: Mapping[str, Any], tally: Tally) -> CommandDecision:
        """Whether the caller may run a command, and what that asks of them. Asked each time, never remembered."""
        verdict = await self._ask(Rule.COMMAND, caller, {"command": command, "facts": facts}, tally)
        decided = command_decision(verdict)
        tally.cite(decided)
        return decided

    async def egress(self, caller: Caller, destination: str, tags: Collection[Tag], tally: Tally) -> Egress:
        """Which of these tags a destination may be told today, for the caller's purpose, whoever they are."""
        asked, day = frozenset(tags), self._today().isoformat()
        about = ("egress", destination, caller.purpose, day, asked)
        known = self._recall((*about, self._engine.revision))
        if known is None:
            tally.calls += 1
            question = {"destination": destination, "purpose": caller.purpose.value, "tags": sorted(asked)}
            verdict = await self._engine.ask(Rule.EGRESS, {**question, "date": day})
            sendable = asked.intersection(verdict.result["tags"])
            known = Egress(sendable, verdict.result["reason"], verdict.decision_id, verdict.revision)
            self._remember((*about, verdict.revision), known)
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


def _provision(provision: Provision) -> dict[str, Any]:
    return {
        "kind": provision.kind.value,
        "purposes": sorted(provision.purposes),
        "roles": sorted(provision.roles),
        "tags": sorted(provision.tags),
        "labels": sorted(provision.labels),
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

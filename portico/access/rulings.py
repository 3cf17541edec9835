"""What one decision says of each coordinate: released, masked or withheld, and what must hold or be said besides."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from portico.access.engine import Verdict
from portico.access.masks import Mask
from portico.access.step_up import StepUp
from portico.access.tags import Coordinate


class Effect(StrEnum):
    """What happens to a value. Anything else is a denial."""

    ALLOW = "allow"
    MASK = "mask"
    DENY = "deny"


@dataclass(frozen=True, slots=True)
class Ruling:
    """The effect on one coordinate: which mask, why not, and what a release asks of the caller's authentication."""

    effect: Effect
    mask: Mask | None = None
    reason: str | None = None
    step_up: StepUp | None = None


ALLOW = Ruling(Effect.ALLOW)

SWITCHED_OFF = "switched_off"
"""The reason where an operator has switched a coordinate off, whatever the policies say of it."""

_OFF = Ruling(Effect.DENY, reason=SWITCHED_OFF)


@dataclass(frozen=True, slots=True, eq=False)
class Decision:
    """What the policies decided about one class. Equal only to itself."""

    visible: bool
    decision_id: str
    revision: str
    allow: frozenset[str] = frozenset()
    mask: Mapping[str, Mask] = field(default_factory=dict)
    deny: Mapping[str, str] = field(default_factory=dict)
    overrides: Mapping[str, Ruling] = field(default_factory=dict)
    refuse: Mapping[str, str] = field(default_factory=dict)
    """Tags of which nothing is released; what is denied anyway is denied for its own reason."""
    step_up: Mapping[str, StepUp] = field(default_factory=dict)
    """By tag and by coordinate; a coordinate's is asked for besides its tag's."""
    notices: Mapping[str, str] = field(default_factory=dict)
    """Texts to be said to whoever is given anything, by code."""
    watched: bool = False
    """Nothing shows, and that somebody asked for it by name is to be noted."""

    def ruling(self, coordinate: Coordinate) -> Ruling:
        """The effect on a coordinate: its override, else its tag's effect; of a refused tag nothing is released.

        Deny outweighs mask, mask outweighs allow, and silence is deny. What is released may ask for a step-up, which
        is judged at the moment of release, not here: the clock is no part of a decision. What is denied anyway never
        says that it is refused besides, for that tells what the patient said; what waits for a step-up says that first.
        """
        tag = coordinate.tag
        if not self.visible:
            return Ruling(Effect.DENY, reason="not_visible")
        ruling = self.overrides.get(coordinate.name) or self._of_tag(tag)
        if tag in self.refuse and (ruling is None or ruling.effect is not Effect.DENY):
            ruling = Ruling(Effect.DENY, reason=self.refuse[tag])
        elif ruling is None or ruling.effect is Effect.DENY:
            return ruling or Ruling(Effect.DENY, reason="not_permitted")
        if not self.step_up:
            return ruling
        asked = [one for one in (self.step_up.get(tag), self.step_up.get(coordinate.name)) if one]
        return replace(ruling, step_up=StepUp.all_of(asked)) if asked else ruling

    def without(self, type_name: str, switched_off: Collection[str]) -> Decision:
        """The same about a class of this type, but for the coordinates that are off.

        A record whose id is off can't be named: nothing of it is visible.
        """
        if f"{type_name}.id" in switched_off:
            return replace(self, visible=False)
        own = (name for name in switched_off if name.startswith(f"{type_name}."))
        return replace(self, overrides={**self.overrides, **dict.fromkeys(own, _OFF)})

    def _of_tag(self, tag: str) -> Ruling | None:
        """A tag's effect; None where nothing is said of it."""
        if tag in self.deny:
            return Ruling(Effect.DENY, reason=self.deny[tag])
        if tag in self.mask:
            return Ruling(Effect.MASK, mask=self.mask[tag])
        if tag in self.allow:
            return ALLOW
        return None

    def in_full(self, coordinate: Coordinate) -> bool:
        """Whether a filter or an ordering by this coordinate reveals nothing that a look at it wouldn't.

        Where a step-up is asked for it would, whether it was done or not: nobody is told by the rows that they get.
        """
        ruling = self.ruling(coordinate)
        return ruling.effect is Effect.ALLOW and ruling.step_up is None


def decision_of(answer: Mapping[str, Any], verdict: Verdict) -> Decision:
    """The decision behind a class's answer; a mask or an effect that nobody knows is a denial."""
    if answer["visible"] is not True:
        watched = answer.get("watch") is True
        return Decision(visible=False, decision_id=verdict.decision_id, revision=verdict.revision, watched=watched)
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
        overrides={name: _override(said) for name, said in answer["overrides"].items()},
        refuse=dict(answer["refuse"]),
        step_up={what: StepUp.of(asked) for what, asked in answer["step_up"].items()},
        notices=dict(answer["notices"]),
    )


def _override(said: Mapping[str, Any]) -> Ruling:
    match said:
        case {"effect": "allow"}:
            return ALLOW
        case {"effect": "mask", "mask": str() as name} if name in Mask.__members__.values():
            return Ruling(Effect.MASK, mask=Mask(name))
        case {"effect": "deny", "reason": str() as reason}:
            return Ruling(Effect.DENY, reason=reason)
    return Ruling(Effect.DENY, reason="unknown_effect")

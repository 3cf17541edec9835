"""What may differ between two worlds without anything of it being a person's to see, one small change each.

A pair of worlds is a choice of these. Most are made of what the independent table hides; whether the others are
unnoticed depends on all that is known of a patient, so each of them was tried. So is every pair as a whole: the two
worlds of a pair are the same to the person, field by field, or they are no pair.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from random import Random
from typing import Final

from hypothesis import strategies as st

from portico.records.references import PatientId
from tests.worlds.circumstances import Circumstance, circumstances
from tests.worlds.clinic import World
from tests.worlds.documents import Draw
from tests.worlds.draft import Draft
from tests.worlds.sight import Who
from tests.worlds.stage import Stage
from tests.worlds.variations import TWIN, Difference, Pool, of_patients, of_records, of_strangers

BLOCK: Final = 12
"""Differences that are chosen from together, so that most of what doesn't matter is left out at once."""

TRIALS: Final = 300
"""Circumstances that are tried for one person."""


class Differences:
    """All that may differ for one person."""

    def __init__(self, stage: Stage, who: Who) -> None:
        self._stage = stage
        self._who = who
        self._sight = stage.sight(stage.base, who)
        self._everything = self._sight.everything()
        chance = Random(f"{who.persona.name} {who.purpose}")  # noqa: S311  chooses examples
        all_ = list(self._all(chance))
        chance.shuffle(all_)
        self._blocks: Sequence[Sequence[Difference]] = [
            all_[start : start + BLOCK] for start in range(0, len(all_), BLOCK)
        ]

    def _all(self, chance: Random) -> Iterable[Difference]:
        base, sight = self._stage.base, self._sight
        pool = Pool.of([one for clinic in base.values() for one in clinic.records.values()], chance)
        strangers = (
            of_strangers(tenant, clinic.records, pool) for tenant, clinic in base.items() if tenant != self._who.tenant
        )
        return chain(
            (one for one, sure in of_records(sight, pool) if sure or self._unnoticed(one, None)),
            of_patients(sight),
            chain.from_iterable(strangers),
            self._tried(circumstances(sight, chance), chance),
        )

    def _tried(self, circumstances: Iterable[Circumstance], chance: Random) -> Iterator[Difference]:
        """Some of those that the person doesn't notice."""
        possible = list(circumstances)
        for difference, patients in chance.sample(possible, min(len(possible), TRIALS)):
            if self._unnoticed(difference, patients):
                yield difference

    def _unnoticed(self, difference: Difference, patients: frozenset[PatientId] | None) -> bool:
        """Whether the person's sight of these patients, or of everybody, stays as it is."""
        world = self.world([difference])
        if patients is None:
            return self.is_pair(world)
        other = self._stage.sight(world, self._who)
        return all(other.seen(patient) == self._sight.seen(patient) for patient in patients)

    def world(self, chosen: Iterable[Difference]) -> World:
        """The base with these differences."""
        base = self._stage.base
        drafts = {tenant: Draft.of(clinic) for tenant, clinic in base.items()}
        touched = set()
        for difference in chosen:
            difference.make(drafts[difference.tenant])
            touched.add(difference.tenant)
        return {tenant: drafts[tenant].clinic(base[tenant]) if tenant in touched else base[tenant] for tenant in base}

    def pair(self, draw: Draw, *, twins: bool = True) -> tuple[World, Sequence[Difference]]:
        """A world with some of the differences, as many of those drawn as go together unnoticed, and which they are.

        Without `twins`, no two records answer to one key.
        """
        drawn = [one for one in self._drawn(draw) if twins or TWIN not in one.said]
        kept = self._sifted(drawn)
        return self.world(kept), kept

    def _drawn(self, draw: Draw) -> Iterator[Difference]:
        for block in self._blocks:
            mask = draw(st.integers(0, 2 ** len(block) - 1)) if draw(st.booleans()) else 0
            yield from (one for place, one in enumerate(block) if mask >> place & 1)

    def _sifted(self, chosen: Sequence[Difference]) -> Sequence[Difference]:
        if self.is_pair(self.world(chosen)):
            return chosen
        if len(chosen) == 1:
            return ()
        half = len(chosen) // 2
        some, others = self._sifted(chosen[:half]), self._sifted(chosen[half:])
        together = (*some, *others)
        return together if self.is_pair(self.world(together)) else some

    def is_pair(self, world: World) -> bool:
        """Whether nothing of the person's is different from the base."""
        return self._stage.sight(world, self._who).everything() == self._everything

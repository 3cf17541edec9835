"""Wrong answers on purpose: keys of people who were not asked about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sandbox.population.model import Population


class Mixup:
    """Every key of a population's billing database with its owner, to take one person's for another's."""

    def __init__(self, population: Population) -> None:
        subscribers = {each.key: each.billing.id for each in population.people if each.billing}
        billed = [visit for visit in population.visits if visit.claim and visit.person in subscribers]
        self._families: tuple[Mapping[str, str], ...] = (
            {number: key for key, number in subscribers.items()},
            {visit.claim.number: visit.person for visit in billed if visit.claim},
            {visit.number: visit.person for visit in billed},
        )

    def swap(self, asked: Sequence[str]) -> list[str]:
        """As many keys of the same sort, of other people; the keys themselves where they are none or all there are."""
        for owners in self._families:
            people = {owners[key] for key in asked if key in owners}
            strangers = [key for key, owner in owners.items() if owner not in people]
            if people and strangers:
                return strangers[: len(asked)]
        return list(asked)

"""The register of the identity source's patients, in which the records of the other sources are looked up."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from portico.records.references import PatientId
from portico.store.crosswalk import Assurance, Link, Reason, Rule, Unlinked
from resolvers.resemblance import (
    PERSONAL,
    Likeness,
    Profile,
    birth_date_likeness,
    contradict,
    family_likeness,
    given_likeness,
)

_NameKey: TypeAlias = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Entry:
    """A patient of the identity source under their canonical id."""

    profile: Profile
    patient: PatientId

    @property
    def merged(self) -> bool:
        """Whether the source has merged their record into another."""
        return self.profile.person.replaced_by is not None


@dataclass(frozen=True, slots=True)
class _Judgement:
    """How a record compares with a patient with whom it shares an identifier: a rule to link by, or a reason not to."""

    entry: Entry
    verdict: Rule | Reason


class Register:
    """The patients of the identity source, to be found by identifier and by name and birth date."""

    def __init__(self, entries: Sequence[Entry]) -> None:
        self._entries = entries
        self._by_identifier: defaultdict[tuple[str, str], list[Entry]] = defaultdict(list)
        self._by_name: defaultdict[_NameKey | None, list[Entry]] = defaultdict(list)
        for entry in entries:
            for identifier in entry.profile.identifiers:
                self._by_identifier[identifier].append(entry)
            if key := _name_key(entry.profile):
                self._by_name[key].append(entry)

    def identities(self) -> Iterator[Link]:
        """Everyone's own record."""
        for entry in self._entries:
            person = entry.profile.person
            yield Link(
                source=person.source,
                source_id=person.source_id,
                patient=entry.patient,
                assurance=Assurance.EXACT,
                rule=Rule.IDENTITY,
            )

    def duplicates(self) -> Iterator[Unlinked]:
        """Those who share name and birth date, or a personal identifier, with another; merged ones are done with."""
        for entry in self._entries:
            if entry.merged:
                continue
            like = list(self._by_name.get(_name_key(entry.profile), ()))
            for identifier in entry.profile.identifiers:
                if identifier[0] in PERSONAL:
                    like += self._by_identifier[identifier]
            if others := {other.patient for other in like if not other.merged} - {entry.patient}:
                yield _unlinked(entry.profile, Reason.POSSIBLE_DUPLICATE, others)

    def merged(self) -> Iterator[Unlinked]:
        """Those whose record was merged into another, with the patient whose record that is."""
        patients = {entry.profile.person.source_id: entry.patient for entry in self._entries}
        for entry in self._entries:
            if entry.merged:
                into = patients.get(entry.profile.person.replaced_by or "")
                yield _unlinked(entry.profile, Reason.MERGED, () if into is None else (into,))

    def place(self, profile: Profile, *, before: PatientId | None = None) -> Link | Unlinked:
        """The one patient whom a record of another source is about, or why that can't be said.

        `before` is the patient to whom it was linked so far. What was linked to a merged record stays with it, even if
        the other record has taken over its identifiers; a record that its own source has merged is linked to nobody.
        """
        if profile.person.replaced_by is None:
            return self._place(profile, before)
        found = self._place(profile, None)
        candidates = (found.patient,) if isinstance(found, Link) else found.candidates
        return _unlinked(profile, Reason.MERGED, candidates)

    def _place(self, profile: Profile, before: PatientId | None) -> Link | Unlinked:
        shared = {key: found for key in profile.identifiers if (found := self._by_identifier.get(key))}
        if not shared:
            return self._without_identifier(profile)
        everyone = {entry.patient: entry for found in shared.values() for entry in found}
        agreed = set(everyone).intersection(*({entry.patient for entry in found} for found in shared.values()))
        judged = [_judge(profile, everyone[patient], shared) for patient in sorted(agreed)]
        fitting = [found for found in judged if isinstance(found.verdict, Rule)]
        kept = [found for found in fitting if found.entry.merged and found.entry.patient == before]
        if len(kept or fitting) == 1:
            return _link(profile, (kept or fitting)[0])
        if fitting:
            return _unlinked(profile, Reason.AMBIGUOUS, [found.entry.patient for found in fitting])
        reasons = {found.verdict for found in judged} or {Reason.IDENTIFIER_CONFLICT}
        reason = next(reason for reason in _WEIGHTIEST_FIRST if reason in reasons)
        return _unlinked(profile, reason, everyone)

    def _without_identifier(self, profile: Profile) -> Unlinked:
        like = {entry.patient for entry in self._by_name.get(_name_key(profile), ())}
        match len(like):
            case 0:
                return _unlinked(profile, Reason.NOT_IN_EHR, ())
            case 1:
                return _unlinked(profile, Reason.NO_SHARED_IDENTIFIER, like)
            case _:
                return _unlinked(profile, Reason.AMBIGUOUS, like)


_WEIGHTIEST_FIRST: Final = (Reason.IDENTIFIER_CONFLICT, Reason.BIRTH_DATE_MISMATCH, Reason.NAME_MISMATCH)

_RULES: Final = {
    (Likeness.SAME, Likeness.SAME): Rule.EXACT,
    (Likeness.CLOSE, Likeness.SAME): Rule.CLOSE_NAME,
    (Likeness.SAME, Likeness.CLOSE): Rule.CLOSE_BIRTH_DATE,
}
"""By the likeness of the names and of the birth dates: one slip is forgiven, two in different places are not."""


def _judge(profile: Profile, entry: Entry, shared: Collection[tuple[str, str]]) -> _Judgement:
    """A slip is forgiven where a personal identifier is shared.

    A family shares a member number, often a name, and now and then nearly a birthday: where only the member number is
    shared, given name and birth date must be the same.
    """
    if contradict(profile, entry.profile):
        return _Judgement(entry, Reason.IDENTIFIER_CONFLICT)
    family, given = family_likeness(profile, entry.profile), given_likeness(profile, entry.profile)
    birth_date = birth_date_likeness(profile, entry.profile)
    personal = any(system in PERSONAL for system, _ in shared)
    least = Likeness.CLOSE if personal else Likeness.SAME
    if not family or given < least:
        return _Judgement(entry, Reason.NAME_MISMATCH)
    if birth_date < least:
        return _Judgement(entry, Reason.BIRTH_DATE_MISMATCH)
    return _Judgement(entry, _RULES.get((min(family, given), birth_date), Reason.BIRTH_DATE_MISMATCH))


def _link(profile: Profile, found: _Judgement) -> Link:
    rule = Rule(found.verdict)
    return Link(
        source=profile.person.source,
        source_id=profile.person.source_id,
        patient=found.entry.patient,
        assurance=Assurance.EXACT if rule is Rule.EXACT else Assurance.CLOSE,
        rule=rule,
    )


def _unlinked(profile: Profile, reason: Reason, candidates: Collection[PatientId]) -> Unlinked:
    return Unlinked(
        source=profile.person.source,
        source_id=profile.person.source_id,
        reason=reason,
        candidates=tuple(sorted(candidates)),
    )


def _name_key(profile: Profile) -> _NameKey | None:
    if profile.family and profile.given and profile.birth_date:
        return "".join(profile.family), "".join(profile.given), profile.birth_date
    return None

"""Linking: which records of which sources are about the same patient.

Every patient of the identity source (the EHR) has a canonical id of their own, for good. A record of another source
is linked to one of them only if it shares an identifier *and* agrees on name and birth date. Whatever is ambiguous
or contradictory stays unlinked and is listed for a human being. Name and birth date alone never make a link.
"""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol, TypeAlias
from uuid import uuid4

from portico.records.context import CallContext
from portico.records.errors import SourceError, SourceInvalid
from portico.records.people import Person, Relation
from portico.records.references import PatientId, SourceName, Tenant
from portico.store.crosswalk import Assurance, Crosswalk, Link, LinkPlan, Reason, Rule, Unlinked, is_storable
from resolvers.resemblance import (
    PERSONAL,
    Likeness,
    Profile,
    birth_date_likeness,
    contradict,
    family_likeness,
    given_likeness,
)

EHR: Final = SourceName("ehr")


class Scanned(Protocol):
    """The part of a source's channel that linking needs; see `connectors.base.Connector`."""

    @property
    def source(self) -> SourceName:
        """The source's name in the tenant's configuration."""

    def people(self, call: CallContext) -> AsyncIterator[Person]:
        """Every patient that the source knows."""

    def relations(self, call: CallContext) -> AsyncIterator[Relation]:
        """Every relation that the source vouches for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkingConfig:
    """Which source's patients have canonical ids, and how long the sources may take to name everyone."""

    identity_source: SourceName = EHR
    scan_timeout_seconds: float = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Linking:
    """What one run came to. `failed` sources kept what was known of them before."""

    plan: LinkPlan
    failed: frozenset[SourceName]


class Linker:
    """Reads who everyone is from a tenant's sources, and writes the crosswalk."""

    def __init__(
        self, channels: Mapping[Tenant, Collection[Scanned]], crosswalk: Crosswalk, config: LinkingConfig
    ) -> None:
        self._channels = channels
        self._crosswalk = crosswalk
        self._config = config

    async def run(self, tenant: Tenant) -> Linking:
        """Link everyone anew, at once for all readers.

        A source that fails keeps its links and relations as they were. Raises the identity source's `SourceError`
        where that one fails, and `StoreUnavailable`; either way nothing was changed. Cost: a scan of every source.
        """
        channels = tuple(self._channels[tenant])
        call = CallContext(
            tenant=tenant,
            trace_id=f"linking-{uuid4()}",
            deadline=time.monotonic() + self._config.scan_timeout_seconds,
            attributes=frozenset(),
        )
        scans = await asyncio.gather(*(_scan(channel, call) for channel in channels))
        people: dict[SourceName, Collection[Person]] = {}
        relations: dict[SourceName, Collection[Relation]] = {}
        failed: set[SourceName] = set()
        for channel, scan in zip(channels, scans, strict=True):
            if not isinstance(scan, SourceError):
                people[channel.source], relations[channel.source] = scan
            elif channel.source == self._config.identity_source:
                raise scan
            else:
                failed.add(channel.source)

        def plan(existing: Sequence[Link]) -> LinkPlan:
            return link(people, existing, identity_source=self._config.identity_source)

        planned = await self._crosswalk.synchronize(tenant, plan=plan, relations=relations)
        return Linking(plan=planned, failed=frozenset(failed))


async def _scan(channel: Scanned, call: CallContext) -> tuple[list[Person], list[Relation]] | SourceError:
    """Everyone once, and every relation that names a party; what a source says in another's name is not believed."""
    try:
        people = {person.source_id: person async for person in channel.people(call)}
        relations = [relation async for relation in channel.relations(call)]
    except SourceError as error:
        return error
    speakers = {person.source for person in people.values()} | {relation.source for relation in relations}
    if speakers - {channel.source}:
        return SourceInvalid(channel.source)
    return (
        [person for person in people.values() if is_storable(person.source_id)],
        [relation for relation in relations if is_storable(relation.source_id) and is_storable(relation.party)],
    )


def new_patient_id(_: Person) -> PatientId:
    """A canonical id that says nothing about whom it names."""
    return PatientId(str(uuid4()))


def link(
    people: Mapping[SourceName, Collection[Person]],
    existing: Collection[Link],
    *,
    identity_source: SourceName,
    mint: Callable[[Person], PatientId] = new_patient_id,
) -> LinkPlan:
    """The links that these people call for, whatever the order in which they come.

    Only canonical ids are taken over from existing links; every other link is judged anew. Two records of the
    identity source that seem to be one person keep two canonical ids and are listed as possible duplicates.
    """
    ids = {
        old.source_id: old.patient for old in existing if old.source == identity_source and old.rule is Rule.IDENTITY
    }
    register = _Register(
        [
            _Entry(Profile.of(person), ids.get(person.source_id) or mint(person))
            for person in sorted(people[identity_source], key=_source_id)
        ]
    )
    outcomes = [
        register.place(Profile.of(person))
        for source in sorted(people)
        if source != identity_source
        for person in sorted(people[source], key=_source_id)
    ]
    return LinkPlan(
        sources=frozenset(people),
        links=(*register.identities(), *(found for found in outcomes if isinstance(found, Link))),
        unlinked=(*register.duplicates(), *(left for left in outcomes if isinstance(left, Unlinked))),
    )


_NameKey: TypeAlias = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class _Entry:
    """A patient of the identity source under their canonical id."""

    profile: Profile
    patient: PatientId


@dataclass(frozen=True, slots=True)
class _Judgement:
    """How a record compares with a patient with whom it shares an identifier: a rule to link by, or a reason not to."""

    entry: _Entry
    verdict: Rule | Reason


class _Register:
    """The patients of the identity source, to be found by identifier and by name and birth date."""

    def __init__(self, entries: Sequence[_Entry]) -> None:
        self._entries = entries
        self._by_identifier: defaultdict[tuple[str, str], list[_Entry]] = defaultdict(list)
        self._by_name: defaultdict[_NameKey | None, list[_Entry]] = defaultdict(list)
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
        """Those who share name and birth date, or a personal identifier, with another."""
        for entry in self._entries:
            like = list(self._by_name.get(_name_key(entry.profile), ()))
            for identifier in entry.profile.identifiers:
                if identifier[0] in PERSONAL:
                    like += self._by_identifier[identifier]
            if others := {other.patient for other in like} - {entry.patient}:
                yield _unlinked(entry.profile, Reason.POSSIBLE_DUPLICATE, others)

    def place(self, profile: Profile) -> Link | Unlinked:
        """The one patient whom a record of another source is about, or why that can't be said."""
        shared = {key: found for key in profile.identifiers if (found := self._by_identifier.get(key))}
        if not shared:
            return self._without_identifier(profile)
        everyone = {entry.patient: entry for found in shared.values() for entry in found}
        agreed = set(everyone).intersection(*({entry.patient for entry in found} for found in shared.values()))
        judged = [_judge(profile, everyone[patient], shared) for patient in sorted(agreed)]
        fitting = [found for found in judged if isinstance(found.verdict, Rule)]
        if len(fitting) == 1:
            return _link(profile, fitting[0])
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


def _judge(profile: Profile, entry: _Entry, shared: Collection[tuple[str, str]]) -> _Judgement:
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


def _source_id(person: Person) -> str:
    return person.source_id

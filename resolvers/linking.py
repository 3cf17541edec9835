"""Linking: which records of which sources are about the same patient.

Every patient of the identity source (the EHR) has a canonical id of their own, for good. A record of another source
is linked to one of them only if it shares an identifier *and* agrees on name and birth date. Whatever is ambiguous
or contradictory stays unlinked and is listed for a human being. Name and birth date alone never make a link.

A record that its source merged into another keeps its canonical id and what is linked to it, but nothing follows it
any more; nothing of it passes to the other by itself.
"""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from types import MappingProxyType
from typing import Final, Protocol, TypeVar
from uuid import uuid4

from portico.records.ages import Ages
from portico.records.consent import Consent
from portico.records.context import CallContext
from portico.records.errors import SourceError, SourceInvalid, SourceSwitchedOff, SwitchedOff
from portico.records.people import Person, Relation, SensitiveVisit
from portico.records.references import PatientId, SourceName, Tenant
from portico.records.switches import NOTHING_OFF
from portico.store.crosswalk import Crosswalk, Link, LinkPlan, PersonFacts, Rule, Unlinked
from portico.store.parties import is_storable
from resolvers.ports import Switchboard
from resolvers.register import Entry, Register
from resolvers.resemblance import Profile

T = TypeVar("T")

EHR: Final = SourceName("ehr")

_UNREADABLE: Final = "unreadable"
"""In place of a text that can't be kept. It is no label and no id that anybody knows."""


class Scanned(Protocol):
    """The part of a source's channel that linking needs; see `connectors.base.Connector`."""

    @property
    def source(self) -> SourceName:
        """The source's name in the tenant's configuration."""

    def people(self, call: CallContext) -> AsyncIterator[Person]:
        """Every patient that the source knows."""

    def relations(self, call: CallContext) -> AsyncIterator[Relation]:
        """Every relation that the source vouches for."""

    def consents(self, call: CallContext) -> AsyncIterator[Consent]:
        """Every provision that the source knows of."""

    def sensitive_visits(self, call: CallContext) -> AsyncIterator[SensitiveVisit]:
        """Every labelled visit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkingConfig:
    """Which source's patients have canonical ids, and how long the sources may take to name everyone."""

    identity_source: SourceName = EHR
    scan_timeout_seconds: float = 120.0
    ages: Mapping[Tenant, Ages] = field(default_factory=lambda: MappingProxyType({}))
    """When each tenant's patients come of age; the defaults hold for those that aren't named."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Linking:
    """What one run came to. `failed` sources kept what was known of them before."""

    plan: LinkPlan
    failed: frozenset[SourceName]


class Linker:
    """Reads who everyone is from a tenant's sources, and writes the crosswalk."""

    def __init__(
        self,
        channels: Mapping[Tenant, Collection[Scanned]],
        crosswalk: Crosswalk,
        switches: Switchboard,
        config: LinkingConfig,
    ) -> None:
        self._channels = channels
        self._crosswalk = crosswalk
        self._switches = switches
        self._config = config
        self._consents_under_way: defaultdict[Tenant, asyncio.Lock] = defaultdict(asyncio.Lock)
        """An older reading of a source's consents must not be written after a newer one."""

    async def run(self, tenant: Tenant) -> Linking:
        """Link everyone anew, at once for all readers.

        A source that fails or is switched off keeps its links and relations as they were. Raises the identity source's
        `SourceError` where it is that one, `SwitchedOff` where the tenant is, and `StoreUnavailable`; either way
        nothing was changed. Cost: a scan of every source.
        """
        call = self._call(tenant)
        channels, off = await self._switched_on(tenant)
        scans, failed = await _answers(channels, partial(_scan, call=call))
        async with self._consents_under_way[tenant]:
            channels, off_meanwhile = await self._switched_on(tenant)
            heard = [channel for channel in channels if channel.source in scans]
            consents, unheard = await _answers(heard, partial(_consents, call=call))
            failed |= off | off_meanwhile | unheard
            if self._config.identity_source in failed:
                raise failed[self._config.identity_source]
            plan = await self._write(tenant, {source: scans[source] for source in consents}, consents)
        return Linking(plan=plan, failed=frozenset(failed))

    async def refresh_consents(self, tenant: Tenant) -> None:
        """Take over what the identity source knows of consents now, and nothing else of it.

        Raises its `SourceError`, `SwitchedOff` and `StoreUnavailable`; then what was known stays. Cost: one scan of
        its consents.
        """
        async with self._consents_under_way[tenant]:
            channels, _ = await self._switched_on(tenant)
            for channel in (one for one in channels if one.source == self._config.identity_source):
                consents = await _consents(channel, self._call(tenant))
                await self._crosswalk.replace_consents(tenant, {channel.source: consents})

    async def _switched_on(self, tenant: Tenant) -> tuple[Sequence[Scanned], dict[SourceName, SourceError]]:
        """The sources that may be asked now, and the others; raises where nothing can be done without those."""
        off = (await self._switches.read()).get(tenant, NOTHING_OFF)
        if off.tenant:
            raise SwitchedOff
        if self._config.identity_source in off.sources:
            raise SourceSwitchedOff(self._config.identity_source)
        channels = self._channels[tenant]
        others = {one.source: SourceSwitchedOff(one.source) for one in channels if one.source in off.sources}
        return [one for one in channels if one.source not in others], dict[SourceName, SourceError](others)

    async def _write(
        self, tenant: Tenant, scans: Mapping[SourceName, _Scan], consents: Mapping[SourceName, Collection[Consent]]
    ) -> LinkPlan:
        people = {source: scan.people for source, scan in scans.items()}
        ages = self._config.ages.get(tenant, Ages())

        def plan(existing: Sequence[Link]) -> LinkPlan:
            return link(people, existing, identity_source=self._config.identity_source)

        return await self._crosswalk.synchronize(
            tenant,
            plan=plan,
            relations={source: scan.relations for source, scan in scans.items()},
            people={source: [_facts(one, ages) for one in known] for source, known in people.items()},
            visits={source: scan.visits for source, scan in scans.items()},
            consents=consents,
        )

    def _call(self, tenant: Tenant) -> CallContext:
        return CallContext(
            tenant=tenant,
            trace_id=f"linking-{uuid4()}",
            deadline=time.monotonic() + self._config.scan_timeout_seconds,
            attributes=frozenset(),
        )


@dataclass(frozen=True, slots=True)
class _Scan:
    """All that one source tells, but for consents."""

    people: Sequence[Person]
    relations: Sequence[Relation]
    visits: Sequence[SensitiveVisit]


async def _answers(
    channels: Iterable[Scanned], ask: Callable[[Scanned], Awaitable[T]]
) -> tuple[dict[SourceName, T], dict[SourceName, SourceError]]:
    """What each source answers, all asked at once, and how the others failed."""

    async def one(channel: Scanned) -> T | SourceError:
        try:
            return await ask(channel)
        except SourceError as error:
            return error

    asked = tuple(channels)
    answers = dict(zip((channel.source for channel in asked), await asyncio.gather(*map(one, asked)), strict=True))
    failed = {source: answer for source, answer in answers.items() if isinstance(answer, SourceError)}
    return {source: answer for source, answer in answers.items() if not isinstance(answer, SourceError)}, failed


async def _scan(channel: Scanned, call: CallContext) -> _Scan:
    """Everyone once, and all that can be kept of them.

    Raises `SourceInvalid` where the source tells something in another's name: it is not believed at all then.
    """
    people = {person.source_id: person async for person in channel.people(call)}
    relations = [relation async for relation in channel.relations(call)]
    visits = [visit async for visit in channel.sensitive_visits(call)]
    speakers = {one.source for told in (people.values(), relations, visits) for one in told}
    if speakers - {channel.source}:
        raise SourceInvalid(channel.source)
    return _Scan(
        [person for person in people.values() if is_storable(person.source_id)],
        [relation for relation in relations if is_storable(relation.source_id) and is_storable(relation.party)],
        [
            replace(visit, labels=_kept(visit.labels))
            for visit in visits
            if is_storable(visit.source_id) and is_storable(visit.visit)
        ],
    )


async def _consents(channel: Scanned, call: CallContext) -> list[Consent]:
    """A source's consents. Raises `SourceInvalid` where it tells one in another's name."""
    consents = [consent async for consent in channel.consents(call)]
    if any(consent.source != channel.source for consent in consents):
        raise SourceInvalid(channel.source)
    return [
        consent if is_storable(consent.consent_id) else replace(consent, consent_id=_UNREADABLE)
        for consent in consents
        if is_storable(consent.source_id)
    ]


def _facts(person: Person, ages: Ages) -> PersonFacts:
    replaced_by = person.replaced_by
    return PersonFacts(
        source_id=person.source_id,
        labels=_kept(person.labels),
        adolescent_at=ages.adolescent_at(person.birth_date),
        adult_at=ages.adult_at(person.birth_date),
        deceased=person.deceased or person.deceased_at is not None,
        died_at=person.deceased_at,
        replaced_by=replaced_by if replaced_by is None or is_storable(replaced_by) else _UNREADABLE,
    )


def _kept(labels: frozenset[str]) -> frozenset[str]:
    """Labels as they can be kept; one that can't becomes one for which nobody is cleared."""
    return frozenset(label if is_storable(label) else _UNREADABLE for label in labels)


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

    Only canonical ids are taken over from existing links; every other link is judged anew, but for what is linked to
    a patient who has been merged into another since. Two records of the identity source that seem to be one person
    keep two canonical ids and are listed as possible duplicates.
    """
    ids = {
        old.source_id: old.patient for old in existing if old.source == identity_source and old.rule is Rule.IDENTITY
    }
    before = {(old.source, old.source_id): old.patient for old in existing}
    register = Register(
        [
            Entry(Profile.of(person), ids.get(person.source_id) or mint(person))
            for person in sorted(people[identity_source], key=_source_id)
        ]
    )
    outcomes = [
        register.place(Profile.of(person), before=before.get((source, person.source_id)))
        for source in sorted(people)
        if source != identity_source
        for person in sorted(people[source], key=_source_id)
    ]
    return LinkPlan(
        sources=frozenset(people),
        links=(*register.identities(), *(found for found in outcomes if isinstance(found, Link))),
        unlinked=(
            *register.merged(),
            *register.duplicates(),
            *(left for left in outcomes if isinstance(left, Unlinked)),
        ),
    )


def _source_id(person: Person) -> str:
    return person.source_id

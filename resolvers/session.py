"""One request: who asks, what is wanted, and everything that was already found for it.

Nothing here outlives the request, and nothing is shared between two of them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from time import monotonic
from typing import TypeVar

from portico.access.decisions import NOBODY, Ceiling, DecisionClass, Decisions, Facts, Scope, Tally
from portico.access.guard import Case, Guard, Released
from portico.access.principal import Caller
from portico.access.tags import ALL_TAGS, Tag, TagTable
from portico.audit.trail import AuditTrail
from portico.records import sensitivity
from portico.records.context import CallContext
from portico.records.errors import EgressRefused, SourceUnavailable, StoreUnavailable
from portico.records.references import PORTICO, By, PatientId, RecordId, RecordType, SourceName
from portico.records.search import Page, Search
from portico.records.types import Record
from resolvers.edges import ABOUT_PATIENTS, UNIQUE_KEYS
from resolvers.kinds import Kinds
from resolvers.ledger import Ledger
from resolvers.payloads import told_by_keys, told_by_search
from resolvers.ports import Channel, Crosswalk, Standing
from resolvers.seal import Seal

T = TypeVar("T")

_INHERITED_BY = dict.fromkeys(sensitivity.LABELLED, ("visit",))
"""The attributes through which a record inherits labels: they are fetched whatever is selected."""

STANDINGS_LIMIT = 1_000
"""Patients. A scope of relationships with more is not pushed into a source as a list of ids."""

ANSWER_RESERVE_SECONDS = 0.5
"""What is kept of a request's time to answer with what the other sources gave."""


_NAMING = {type_: frozenset({By.ID, *UNIQUE_KEYS.get(type_, ())}) for type_ in RecordType}
"""The keys that name one record each."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the operation selects of one type. `fields` are attributes and edges, `attributes` what to fetch for them.

    `fields` keeps what the ceiling denies, so that it is answered as withheld; `attributes` does not, so that no
    source is asked for it.
    """

    fields: frozenset[str]
    attributes: frozenset[str]


NOTHING = Wanted(frozenset(), frozenset())


@dataclass(slots=True, kw_only=True)
class Session:
    """One request's state."""

    caller: Caller
    channels: Mapping[RecordType, Channel]
    crosswalk: Crosswalk
    guard: Guard
    decisions: Decisions
    seal: Seal
    tags: TagTable
    ceiling: Ceiling
    wanted: Mapping[RecordType, Wanted]
    tally: Tally
    trail: AuditTrail
    ledger: Ledger = field(default_factory=Ledger)
    now: datetime = field(default_factory=lambda: datetime.now(UTC))
    _found: dict[tuple[RecordType, By, str], asyncio.Task[Mapping[str, tuple[Record, ...]]]] = field(
        default_factory=dict
    )
    _known: dict[tuple[RecordType, By, str], dict[RecordId, Record]] = field(default_factory=dict)
    _heard: dict[RecordType, list[tuple[Sequence[Record], By]]] = field(default_factory=dict)
    """Records that came and that nobody has asked for by name yet."""
    _by_patient: dict[PatientId, Standing] = field(default_factory=dict)
    _by_subject: dict[SourceName, dict[str, Standing | None]] = field(default_factory=dict)
    _kinds: Kinds = field(default_factory=Kinds)
    _foreseen: set[Facts] = field(default_factory=set)
    _foresight: asyncio.Lock = field(default_factory=asyncio.Lock)
    _released: dict[RecordId, Released | None] = field(default_factory=dict)
    _cases: dict[Released, Case] = field(default_factory=dict)

    # -- sources -------------------------------------------------------------------------------------------------

    def want(self, type_: RecordType) -> Wanted:
        """What the operation selects of a type."""
        return self.wanted.get(type_, NOTHING)

    def channel(self, type_: RecordType) -> Channel:
        """The source that serves a type for this tenant."""
        try:
            return self.channels[type_]
        except KeyError:
            raise SourceUnavailable("none", f"No source of this tenant serves {type_.value}.") from None

    def call(self, type_: RecordType, also: Iterable[str] = ()) -> CallContext:
        """The context of a call for records of a type."""
        return CallContext(
            tenant=self.caller.principal.tenant,
            trace_id=self.caller.request_id,
            deadline=self.caller.deadline - ANSWER_RESERVE_SECONDS,
            attributes=self.want(type_).attributes.union(also, _INHERITED_BY.get(type_, ())),
        )

    async def find(
        self, type_: RecordType, by: By, keys: Collection[str], *, also: Iterable[str] = ()
    ) -> dict[str, tuple[Record, ...]]:
        """Records by key. What this request already found, or is just fetching, is not asked for again.

        `also` names attributes that are needed besides the selected ones, to look something up by.
        """
        if frozenset(also) - self.want(type_).attributes:
            return dict(await self._fetch(type_, by, tuple(dict.fromkeys(keys)), also))
        if by in _NAMING.get(type_, ()):
            await self._arrivals(type_)
        found: dict[str, tuple[Record, ...]] = {}
        waiting: dict[asyncio.Task[Mapping[str, tuple[Record, ...]]], list[str]] = {}
        missing: list[str] = []
        for key in dict.fromkeys(keys):
            known = self._known.get((type_, by, key))
            task = self._found.get((type_, by, key))
            if known is not None:
                found[key] = tuple(known.values())
            elif task is not None:
                waiting.setdefault(task, []).append(key)
            else:
                missing.append(key)
        if missing:
            task = asyncio.ensure_future(self._fetch(type_, by, missing))
            self._found.update(((type_, by, key), task) for key in missing)
            waiting[task] = missing
        answers = await asyncio.gather(*waiting, return_exceptions=True)
        for answer, wanted in zip(answers, waiting.values(), strict=True):
            if isinstance(answer, BaseException):
                raise answer
            found.update((key, answer.get(key, ())) for key in wanted)
        return found

    async def _arrivals(self, type_: RecordType) -> None:
        """Wait for records of a type that are on their way, and know all: those asked for by name may be among them."""
        under_way = {task for (kind, _, _), task in self._found.items() if kind is type_ and not task.done()}
        if under_way:
            await asyncio.wait(under_way)
        for records, found_by in self._heard.pop(type_, ()):
            for record in records:
                self._know(record, found_by)

    async def search(self, search: Search) -> Page:
        """One page of a search. Raises `EgressRefused`, without a call, where the source may not be told so much."""
        channel = self.channel(search.type)
        await self._clear(channel, told_by_search(self.tags, search))
        return await channel.search(self.call(search.type), search)

    async def _fetch(
        self, type_: RecordType, by: By, keys: Sequence[str], also: Iterable[str] = ()
    ) -> Mapping[str, tuple[Record, ...]]:
        channel = self.channel(type_)
        await self._clear(channel, told_by_keys(self.tags, type_, by))
        answer = await channel.find(self.call(type_, also), type_, by, keys)
        for records in answer.values():
            self.learn(type_, records, by)
        return answer

    async def _clear(self, channel: Channel, told: frozenset[Tag]) -> None:
        """Raise `EgressRefused` unless the source may be told things of these tags; what stays here is told to nobody.

        Asked about all tags at once, so that it is one question for a source, whatever it is told in the end.
        """
        if channel.destination == PORTICO:
            return
        async with self._foresight:
            egress = await self.decisions.egress(self.caller, channel.destination, ALL_TAGS, self.tally)
        reason = egress.refusal(told)
        if reason is not None:
            raise EgressRefused(channel.source, reason)

    def learn(self, type_: RecordType, records: Sequence[Record], found_by: By) -> None:
        """Know records under the keys that name them, should anybody ask for them by one."""
        if records:
            self._heard.setdefault(type_, []).append((records, found_by))

    def _know(self, record: Record, found_by: By) -> None:
        """Know a record under the keys that name it.

        A patient's record that was found by its id, or in a search, is known by its id alone: the patient may have
        others under the same key, and which of them may be seen must not depend on which came first.
        """
        self._known[(record.type, By.ID, record.id.value)] = {record.id: record}
        if found_by is By.ID and record.type in ABOUT_PATIENTS:
            return
        for by, attribute in UNIQUE_KEYS.get(record.type, {}).items():
            key = getattr(record, attribute)
            if key is not None:
                self._known.setdefault((record.type, by, key), {})[record.id] = record

    # -- patients ------------------------------------------------------------------------------------------------

    async def scope(self, type_: RecordType) -> Scope:
        """The rows of a type that could be visible; asked once, however many lists of it there are."""
        async with self._foresight:
            return await self.decisions.scope(self.caller, type_.value, self.tally)

    async def foresee(self, facts: Iterable[Facts], also: Iterable[DecisionClass] = ()) -> None:
        """Have every selected type decided for these facts at once: the levels to come then ask nothing.

        `also` are classes that are decided with them. Records with sensitivity labels are classes of their own: the
        first that turns up asks for all types.
        """
        async with self._foresight:
            new = set(facts) - self._foreseen
            self._foreseen |= new
            types = {RecordType.PATIENT, *self.wanted}  # of whoever is named it is asked whether they show at all
            classes = {known.about(type_.value) for type_ in types for known in new}.union(also)
            if classes:
                await self.decisions.classes(self.caller, classes, self.tally)

    async def standings_of(self, patients: Collection[PatientId]) -> dict[PatientId, Standing]:
        """How the caller stands to each of these patients; unknown ones are absent. One query, for new ones only."""
        missing = {patient for patient in patients if patient not in self._by_patient}
        if missing:
            answer = await self._ask_crosswalk(self.crosswalk.standings_of(self.caller.principal, missing, at=self.now))
            self.note_standings(answer.values())
            # The same question for a patient who is none, so that the number of questions does not tell the two apart.
            await self.foresee([NOBODY, *(standing.facts for standing in answer.values())])
        return {patient: self._by_patient[patient] for patient in patients if patient in self._by_patient}

    async def shown(self, type_: RecordType, patients: Collection[PatientId]) -> dict[PatientId, Standing]:
        """Those of these patients, who were asked for by name, of whom records of a type may be seen.

        The others are nobody to the caller; of them, those who are watched are noted for the audit trail.
        """
        standings = await self.standings_of(patients)
        classes = {patient: standing.facts.about(type_.value) for patient, standing in standings.items()}
        visible = await self.guard.admits(self.caller, set(classes.values()), self.tally)
        await self.note_attempts(patient for patient, class_ in classes.items() if class_ not in visible)
        return {patient: standings[patient] for patient, class_ in classes.items() if class_ in visible}

    async def note_attempts(self, patients: Iterable[PatientId]) -> None:
        """Note those of these patients, asked for by name in vain, who are watched and no patients to the caller.

        Costs nothing that the caller could measure: it was decided with everything else about them.
        """
        classes = {patient: self.facts_of(patient).about(RecordType.PATIENT.value) for patient in patients}
        watched = await self.guard.watched(self.caller, set(classes.values()), self.tally)
        self.ledger.attempts.update(patient for patient, class_ in classes.items() if class_ in watched)

    async def related(self, relationships: Collection[str]) -> Sequence[Standing]:
        """Everyone to whom the caller stands in one of the relationships, or the first `STANDINGS_LIMIT` + 1."""
        standings = await self._ask_crosswalk(
            self.crosswalk.related(self.caller.principal, relationships, at=self.now, limit=STANDINGS_LIMIT + 1)
        )
        self.note_standings(standings)
        return standings

    def note_standings(self, standings: Iterable[Standing]) -> None:
        """Remember them for this request, under every id that the patients have."""
        for standing in standings:
            self._by_patient[standing.patient] = standing
            self._of_source(PORTICO)[standing.patient] = standing
            for source, ids in standing.sources.items():
                self._of_source(source).update(dict.fromkeys(ids, standing))

    def _of_source(self, source: SourceName) -> dict[str, Standing | None]:
        """The standings that are known by the ids of a source; None of those who are nobody's."""
        return self._by_subject.setdefault(source, {})

    def forget_standing(self, patient: PatientId) -> None:
        """A command has changed how the caller stands to a patient: it is asked for again when it is needed."""
        self._by_patient.pop(patient, None)
        self._of_source(PORTICO).pop(patient, None)

    def standing(self, patient: PatientId) -> Standing:
        """The standing of a patient who was asked about before."""
        return self._by_patient[patient]

    def facts_of(self, patient: PatientId | None) -> Facts:
        """What is known of a patient who was asked about before; nothing of none."""
        return NOBODY if patient is None else self._by_patient[patient].facts

    async def cases(self, records: Sequence[Record]) -> list[Case]:
        """Each record with its patient and how the caller stands to them. One query for all new subjects of a source.

        A record about a patient who is not linked comes with no patient and no relationship.
        """
        for source in sorted({record.id.source for record in records}):
            subjects = {record.subject or "" for record in records if record.id.source == source} - {""}
            await self._meet(source, subjects - self._of_source(source).keys())
        standings = self._by_subject
        cases = [self._kinds.case(record, standings[record.id.source].get(record.subject or "")) for record in records]
        await self.foresee({case.facts for case in cases if case.facts.labels})
        return cases

    async def _meet(self, source: SourceName, unknown: Collection[str]) -> None:
        """Ask how the caller stands to those whom a source calls so."""
        if source == PORTICO:
            await self.standings_of(list(map(PatientId, unknown)))
        elif unknown:
            answer = await self._ask_crosswalk(
                self.crosswalk.standings(self.caller.principal, source=source, source_ids=unknown, at=self.now)
            )
            self.note_standings(answer.values())
            for id_ in unknown:
                self._of_source(source).setdefault(id_, None)
            await self.foresee(standing.facts for standing in answer.values())

    async def _ask_crosswalk(self, question: Awaitable[T]) -> T:
        try:
            async with asyncio.timeout(max(0.0, self.caller.deadline - monotonic())):
                return await question
        except TimeoutError as error:
            raise StoreUnavailable from error

    # -- release -------------------------------------------------------------------------------------------------

    async def admitted(self, cases: Sequence[Case]) -> list[Case]:
        """Those cases of which anything may be seen."""
        visible = await self.guard.admits(self.caller, {case.class_ for case in cases}, self.tally)
        return [case for case in cases if case.class_ in visible and (case.patient is not None or not _orphaned(case))]

    async def release(self, cases: Sequence[Case]) -> list[Released | None]:
        """What may leave of each record. The same record is the same release, by whatever path it was reached."""
        known = self._released
        new = [case for case in cases if case.record.id not in known]
        for type_ in {case.record.type for case in new}:
            alike = [case for case in new if case.record.type is type_]
            self._keep(alike, await self.guard.release(self.caller, alike, self.want(type_).fields, self.tally))
        return [known[case.record.id] for case in cases]

    def _keep(self, cases: Sequence[Case], released: Sequence[Released | None]) -> None:
        """Remember and note what is released. Two paths may have come here at once; the first release stands."""
        ledger, known, noted = self.ledger, self._released, self._cases
        for case, one in zip(cases, released, strict=True):
            patient = case.patient
            kept = known.setdefault(case.record.id, None if patient is None and _orphaned(case) else one)
            if kept is None or kept is not one:
                continue
            noted[kept] = case
            if kept.notices:
                ledger.notices.update(kept.notices)
            if patient is not None:
                ledger.patients.add(patient)
                if case.facts.labels:
                    ledger.labels |= case.facts.labels

    def case(self, released: Released) -> Case:
        """The case behind a release; for resolvers only."""
        return self._cases[released]

    # -- names ---------------------------------------------------------------------------------------------------

    def global_id(self, released: Released) -> str:
        """The opaque id of what was released."""
        case = self._cases[released]
        return self.name(case.record.id, case.patient)

    def name(self, id_: RecordId, patient: PatientId | None) -> str:
        """The opaque id of a record: a patient's by their canonical id, any other by its source's."""
        if id_.type is RecordType.PATIENT and patient is not None:
            return self.seal.seal(("id", self.caller.principal.tenant), (id_.type, "portico", patient))
        return self.seal.seal(("id", self.caller.principal.tenant), (id_.type, id_.source, id_.value))

    def resolve_id(self, name: str) -> RecordId | None:
        """What an opaque id names, if it was issued in this tenant."""
        match self.seal.open(("id", self.caller.principal.tenant), name):
            case (type_, source, value):
                return RecordId(RecordType(type_), SourceName(source), value)
        return None


def ids_at(standing: Standing, source: SourceName) -> tuple[str, ...]:
    """A patient's ids in a source. Among Portico's own records they go by their canonical id."""
    return (standing.patient,) if source == PORTICO else standing.sources.get(source, ())


def _orphaned(case: Case) -> bool:
    """About a patient, but about none that we know: never released, whatever the policy says."""
    return case.patient is None and case.record.type in ABOUT_PATIENTS

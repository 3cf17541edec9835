"""How somebody stands to each patient of a clinic, worked out from what the clinic holds and from the words of
docs/decisions/0013 alone: nothing of the crosswalk, the resolvers or the policies is asked.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from portico.records.consent import Consent, ConsentKind, Provision
from portico.records.people import RelationKind
from portico.records.references import PORTICO, PatientId, RecordType
from portico.records.types import Access, Record
from portico.store.crosswalk import Assurance, PersonFacts
from portico.store.grants import GuardianKind
from sandbox.identity.personas import Persona
from tests.worlds.clinic import Clinic, Key

KEPT_AWAY: Final = Provision(kind=ConsentKind.DENY)
"""What a court's order comes to."""

_CARE_OF_MINORS: Final = {"PSY", "HIV", "SUD", "RPRO"}
_LABELLED: Final = {RecordType.ENCOUNTER, RecordType.APPOINTMENT, RecordType.CLAIM}
_NAMES: Final = {
    RelationKind.CARE_TEAM: "care_team",
    RelationKind.SCHEDULED: "scheduled",
    RelationKind.ORGANIZATION: "same_organization",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """One patient, to one persona, at one instant."""

    relationships: frozenset[str]
    labels: frozenset[str]
    """What restricts all of theirs."""
    of_visits: Mapping[str, frozenset[str]]
    consent: frozenset[Provision]
    adolescent: bool

    def restricting(self, record: Record) -> frozenset[str]:
        """What restricts a record of theirs; `N` where nothing does."""
        own = record.labels
        if not own and record.type in _LABELLED:
            own = frozenset({"R"})
        if isinstance(record, Access):
            return own | self.labels or frozenset({"N"})
        labels = own | self.labels | self.of_visits.get(getattr(record, "visit", None) or "", frozenset())
        if self.adolescent and labels & _CARE_OF_MINORS:
            labels |= {"minor-confidential"}
        return (labels - {"N"}) or frozenset({"N"})


def standings(clinic: Clinic, who: Persona, at: datetime) -> dict[PatientId, Standing]:
    """Every patient who stands to anybody at all: those who are linked and were not merged into another."""
    followed = {key: link.patient for key, link in clinic.linked.items() if link.assurance >= Assurance.CLOSE}
    charts = {link.patient: key for key, link in clinic.linked.items() if link.rule == "identity"}
    lives = {patient: clinic.people.get(charts[patient]) for patient in charts}
    related = _relationships(clinic, who, at, followed, lives)
    barred = _barred(clinic, who, at, charts)
    wishes = _wishes(clinic, who, at, followed)
    labels, visits = _labels(clinic, followed)
    return {
        patient: Standing(
            relationships=frozenset() if patient in barred else frozenset(related[patient]),
            labels=frozenset(labels[patient]),
            of_visits={visit: frozenset(found) for visit, found in visits[patient].items()},
            consent=frozenset(wishes[patient] | ({KEPT_AWAY} if patient in barred else set())),
            adolescent=_adolescent(lives.get(patient), at),
        )
        for patient in set(followed.values())
        if (life := lives.get(patient)) is None or life.replaced_by is None
    }


def _relationships(
    clinic: Clinic,
    who: Persona,
    at: datetime,
    followed: Mapping[Key, PatientId],
    lives: Mapping[PatientId, PersonFacts | None],
) -> defaultdict[PatientId, set[str]]:
    mine = {
        RelationKind.CARE_TEAM: who.npi,
        RelationKind.SCHEDULED: who.npi,
        RelationKind.ORGANIZATION: who.organization,
    }
    related: defaultdict[PatientId, set[str]] = defaultdict(set)
    for relation in clinic.relations:
        patient = followed.get((relation.source, relation.source_id))
        if patient and relation.party == mine[relation.kind] and _holds(relation.start, relation.end, at):
            related[patient].add(_NAMES[relation.kind])
    for key, patient in followed.items():
        identity = clinic.linked[key].rule == "identity"
        if identity and key[1] == who.patient and _lives(lives.get(patient), at):
            related[patient].add("self")
    for (patient, guardian), (kind, start, end) in clinic.guardianships.items():
        life = lives.get(patient)
        minor = life is not None and life.adult_at is not None and at < life.adult_at
        if guardian == who.subject and _holds(start, end, at) and _lives(life, at):
            related[patient].update({"guardian"} if minor or kind is GuardianKind.PROXY else ())
    for access in clinic.emergencies.values():
        under_way = access.ended_at is None and access.started_at <= at < access.ends_at
        if access.subject == who.subject and who.kind == "person" and under_way:
            related[access.patient].add("emergency")
    return related


def _heirs(clinic: Clinic, charts: Mapping[PatientId, Key], patient: PatientId) -> Iterator[PatientId]:
    """Whoever what restricts this patient restricts: they, and whom they were merged into."""
    yield patient
    into = clinic.merged_into.get(charts[patient]) if patient in charts else None
    if into is not None:
        yield into


def _barred(clinic: Clinic, who: Persona, at: datetime, charts: Mapping[PatientId, Key]) -> set[PatientId]:
    return {
        heir
        for (patient, party), (start, end) in clinic.exclusions.items()
        if party in _names(who) and _holds(start, end, at)
        for heir in _heirs(clinic, charts, patient)
    }


def _wishes(
    clinic: Clinic, who: Persona, at: datetime, followed: Mapping[Key, PatientId]
) -> defaultdict[PatientId, set[Provision]]:
    charts = {link.patient: key for key, link in clinic.linked.items() if link.rule == "identity"}
    told = [(followed.get((one.source, one.source_id)), one) for one in clinic.consents]
    told += [(patient, kept.consent) for patient, kept in clinic.kept.values() if kept.revoked_at is None]
    wishes: defaultdict[PatientId, set[Provision]] = defaultdict(set)
    for patient, consent in told:
        if patient is None or not _concerns(consent, who, at):
            continue
        permits = consent.provision.kind is ConsentKind.PERMIT
        for heir in (patient,) if permits else _heirs(clinic, charts, patient):
            wishes[heir].add(consent.provision)
    return wishes


def _concerns(consent: Consent, who: Persona, at: datetime) -> bool:
    named = not consent.parties or not consent.parties.isdisjoint(_names(who))
    return named and _holds(consent.start, consent.end, at)


def _labels(
    clinic: Clinic, followed: Mapping[Key, PatientId]
) -> tuple[defaultdict[PatientId, set[str]], defaultdict[PatientId, defaultdict[str, set[str]]]]:
    charts = {link.patient: key for key, link in clinic.linked.items() if link.rule == "identity"}
    labels: defaultdict[PatientId, set[str]] = defaultdict(set)
    visits: defaultdict[PatientId, defaultdict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for key, facts in clinic.people.items():
        for heir in _bearers(clinic, charts, followed, key):
            labels[heir] |= facts.labels
    for visit in clinic.visits:
        for heir in _bearers(clinic, charts, followed, (visit.source, visit.source_id)):
            visits[heir][visit.visit] |= visit.labels
    return labels, visits


def _bearers(
    clinic: Clinic, charts: Mapping[PatientId, Key], followed: Mapping[Key, PatientId], key: Key
) -> Iterator[PatientId]:
    """Whom a source's word about a patient restricts; only the chart's own source speaks for merged ones."""
    patient = followed.get(key)
    if patient is not None:
        yield from _heirs(clinic, charts, patient) if charts.get(patient) == key else (patient,)


def _names(who: Persona) -> set[str]:
    return {f"subject {who.subject}", f"npi {who.npi}", f"organization {who.organization}"}


def _holds(start: datetime | None, end: datetime | None, at: datetime) -> bool:
    return (start is None or start <= at) and (end is None or at <= end)


def _lives(life: PersonFacts | None, at: datetime) -> bool:
    return life is None or not life.deceased or (life.died_at is not None and at < life.died_at)


def _adolescent(life: PersonFacts | None, at: datetime) -> bool:
    if life is None or life.adolescent_at is None or life.adult_at is None:
        return True
    return life.adolescent_at <= at < life.adult_at


def about(clinic: Clinic, known: Mapping[PatientId, Standing], record: Record) -> Standing | None:
    """How one stands to the patient whom a record is about; None where that is nobody who is known."""
    patient = PatientId(record.subject or "") if record.id.source == PORTICO else clinic.patient(record)
    return None if patient is None else known.get(patient)

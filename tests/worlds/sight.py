"""All that a person may see of a world, by the independent table: what two worlds must have in common for them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import datetime
from functools import cache, cached_property
from typing import Any, Final, NamedTuple

from portico.audit.disclosures import accounting
from portico.audit.entry import AuditEntry
from portico.records.references import PORTICO, PatientId, RecordId, RecordType, Reference, Tenant
from portico.records.types import Access, Record
from portico.records.values import Accessor, Provenance
from resolvers.own_records import OwnRecords, consent
from sandbox.identity.personas import Persona
from tests.spec.served_world import ATTRIBUTES, SchemaText, last_four, year_alone
from tests.worlds.clinic import EPOCH, Clinic, World, moment_of, of_old
from tests.worlds.consenting import unconsented
from tests.worlds.standing import about, standings
from tests.worlds.table import Effect, effect_of, lines_for

ABOUT_PATIENTS: Final = frozenset(
    [
        "Patient",
        "CareTeamMember",
        "Appointment",
        "Encounter",
        "Coverage",
        "Claim",
        "Access",
        "EmergencyAccess",
        "Consent",
    ]
)
BY_VISIT: Final = {
    ("Appointment", "encounter"), ("Appointment", "claims"), ("Encounter", "appointment"), ("Encounter", "claims"),
    ("Claim", "encounter"), ("Claim", "appointment"),
}  # fmt: skip
"""The edges that a visit number leads along."""
NOTICED: Final = "SUD"
"""The label of which every answer that tells something must say so (42 CFR 2.32)."""

NOT_CONSENTED: Final = Effect(reason="not_consented", searchable=False)

Fields = Mapping[str, Effect]


class Who(NamedTuple):
    """A persona, asking for one of their purposes."""

    persona: Persona
    purpose: str

    @property
    def tenant(self) -> Tenant:
        """Where they belong."""
        return Tenant(self.persona.tenant)


class Sight:
    """One persona's sight of one world. `at` is the instant at which periods are judged."""

    def __init__(self, world: World, who: Who, text: SchemaText, own: OwnRecords, at: datetime) -> None:
        self.clinic: Clinic = world[who.tenant]
        self.who = who
        self._text = text
        self._own = own
        self._known = standings(self.clinic, who.persona, at)
        self._effects: dict[RecordId, Fields | None] = {}
        self._families: dict[PatientId | None, list[Record]] = {}

    @cached_property
    def records(self) -> dict[RecordId, Record]:
        """Everything that there is, seen or not: of the sources, and of Portico itself."""
        return {record.id: record for record in (*self.clinic.records.values(), *self._of_portico())}

    @cached_property
    def by_patient(self) -> Mapping[PatientId | None, list[Record]]:
        """The same by whom it is about; None: nobody."""
        found: defaultdict[PatientId | None, list[Record]] = defaultdict(list)
        for record in self.records.values():
            patient = self.clinic.patient(record)
            if patient is not None or record.type.value not in ABOUT_PATIENTS:
                found[patient].append(record)
        return found

    def _of_portico(self) -> Iterator[Record]:
        for access in self.clinic.emergencies.values():
            yield of_old(self._own.access(self.who.tenant, access))
        for patient, kept in self.clinic.kept_consents():
            yield of_old(consent(patient, kept))
        for number, entry in enumerate(self.clinic.told, 1):
            if entry.outcome.tells:
                yield from (access_of(number, entry, patient) for patient in sorted(entry.patients))

    # -- by the table --------------------------------------------------------------------------------------------

    def effects(self, record: Record) -> Fields | None:
        """What becomes of each of its fields; None where it may not be seen."""
        if record.id not in self._effects:
            self._effects[record.id] = self._judge(record)
        return self._effects[record.id]

    def _judge(self, record: Record) -> Fields | None:
        type_, standing = record.type.value, about(self.clinic, self._known, record)
        if standing is None and type_ in ABOUT_PATIENTS:
            return None
        role, purpose = self.who.persona.role, self.who.purpose
        relationships = standing.relationships if standing else frozenset[str]()
        labels = standing.restricting(record) if standing else record.labels or frozenset({"N"})
        lines = tuple(lines_for(role, purpose, type_, relationships, labels))
        refused = unconsented(
            type_,
            role,
            purpose,
            relationships=relationships,
            labels=labels,
            consent=standing.consent if standing else frozenset(),
        )
        if not lines or "PUBLIC" in refused:
            return None
        effects = {name: (effect_of(lines, type_, name), tag) for name, tag in fields_of(self._text, type_).items()}
        # Why a value is withheld that would not be released anyway does not tell what the patient said.
        return {
            name: NOT_CONSENTED if tag in refused and effect.released else effect
            for name, (effect, tag) in effects.items()
        }

    def of_nobody(self, type_: str) -> Fields | None:
        """The same of records that are about nobody, and that no source holds: who asks, and the sources' state."""
        lines = tuple(lines_for(self.who.persona.role, self.who.purpose, type_, frozenset(), frozenset({"N"})))
        return {name: effect_of(lines, type_, name) for name in fields_of(self._text, type_)} if lines else None

    def labels(self, record: Record) -> frozenset[str]:
        """What restricts a record, for this persona to be cleared for."""
        standing = about(self.clinic, self._known, record)
        return standing.restricting(record) if standing else record.labels

    # -- what is seen --------------------------------------------------------------------------------------------

    def seen(self, patient: PatientId | None) -> dict[RecordId, tuple[Any, ...]]:
        """Everything that may be seen of a patient, or of nobody: fields, and where edges lead."""
        found = self.by_patient.get(patient, ())
        return {record.id: self._look(record) for record in found if self.effects(record) is not None}

    def everything(self) -> dict[PatientId | None, dict[RecordId, tuple[Any, ...]]]:
        """The same of all; patients of whom nothing may be seen are as if they weren't there."""
        all_ = {patient: self.seen(patient) for patient in self.by_patient}
        return {patient: seen for patient, seen in all_.items() if seen}

    def _look(self, record: Record) -> tuple[Any, ...]:
        effects = self.effects(record) or {}
        return (
            NOTICED in self.labels(record),
            *(
                (name, effect, self._told(record, name, effect) if effect.released else None)
                for name, effect in sorted(effects.items())
            ),
        )

    def _told(self, record: Record, name: str, effect: Effect) -> Any:
        target = target_of(self._text, record.type.value, name)
        if target is not None:
            return sorted(map(str, self.targets(record, name, target)))
        if name == "id":
            return record.id
        value = getattr(record, attribute_of(record.type.value, name))
        match effect.mask:
            case "last4" if value is not None:
                return last_four(value)
            case "year" if value is not None:
                return year_alone(value)
        return value  # moved by a number of days that is the patient's own: as telling as it is

    def targets(self, record: Record, name: str, target: str) -> list[RecordId | Reference]:
        """Where an edge leads: to the patient's records that may be seen, or to what a reference names."""
        if name == "patient" or (record.type is RecordType.PATIENT and target in ABOUT_PATIENTS):
            return [one.id for one in self._family(record) if one.type.value == target]
        if (record.type.value, name) in BY_VISIT:
            visit = getattr(record, "visit", None)
            same = [one for one in self._family(record) if one.type.value == target]
            return [one.id for one in same if visit is not None and getattr(one, "visit", None) == visit]
        reference = getattr(record, attribute_of(record.type.value, name))
        if name == "coverage":
            coverages = [one for one in self._family(record) if one.type.value == target]
            return [one.id for one in coverages if reference and getattr(one, "member_id", "") == reference.value]
        return [] if reference is None else [reference]

    def _family(self, record: Record) -> list[Record]:
        patient = self.clinic.patient(record)
        if patient not in self._families:
            of_patient = self.by_patient.get(patient, ())
            self._families[patient] = [one for one in of_patient if self.effects(one) is not None]
        return self._families[patient]


@cache
def fields_of(text: SchemaText, type_: str) -> dict[str, str]:
    """Every field of a type with its data class, as the schema's text has it."""
    return text.fields(type_)


@cache
def target_of(text: SchemaText, type_: str, name: str) -> str | None:
    """The type that a field leads to, if it leads on."""
    return text.target(type_, name)


@cache
def attribute_of(type_: str, name: str) -> str:
    """The attribute behind a field."""
    snake = "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)
    return ATTRIBUTES.get(f"{type_}.{name}", snake)


def access_of(number: int, entry: AuditEntry, patient: PatientId) -> Access:
    """A row of the trail as one patient's record."""
    return Access(
        id=RecordId(RecordType.ACCESS, PORTICO, f"{number} {patient}"),
        provenance=Provenance(source=PORTICO, source_id=str(number), retrieved_at=EPOCH, mapping_version="1"),
        subject=patient,
        labels=entry.labels,
        at=moment_of(number),
        purpose=entry.purpose,
        who=Accessor(subject=entry.subject, kind=entry.kind, roles=tuple(sorted(entry.roles))),
        client=entry.client,
        released=tuple(sorted(entry.released | entry.masked)),
        sources=tuple(sorted(entry.sources)),
        disclosure=accounting().lists(entry),
    )

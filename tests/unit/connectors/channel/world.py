"""A memory source of five patients and their appointments behind a channel, in virtual time."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime

from connectors.channel import CallReport, Channel, ChannelConfig
from connectors.memory import MemoryConnector, UnrulyConnector
from portico.records.context import CallContext
from portico.records.people import Person, Relation, RelationKind
from portico.records.references import By, RecordId, RecordType, Reference, SourceName, Tenant
from portico.records.types import Appointment, Location, Patient, Practitioner, Record
from portico.records.values import Provenance
from tests.unit.connectors.channel.virtual_clock import VirtualClock

SOURCE = SourceName("clinic")
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def provenance(value: str) -> Provenance:
    return Provenance(source=SOURCE, source_id=value, retrieved_at=NOON, mapping_version="1")


def patient(value: str) -> Patient:
    return Patient(
        id=RecordId(RecordType.PATIENT, SOURCE, value),
        provenance=provenance(value),
        subject=value,
        birth_date="1980-01-01",
        language="en",
    )


def appointment(value: str, subject: str, visit: str | None = None) -> Appointment:
    return Appointment(
        id=RecordId(RecordType.APPOINTMENT, SOURCE, value),
        provenance=provenance(value),
        subject=subject,
        start=NOON,
        visit=visit,
        practitioner=Reference(RecordType.PRACTITIONER, By.NPI, "1000000012"),
    )


def _records() -> list[Record]:
    places: list[Record] = [
        Practitioner(id=RecordId(RecordType.PRACTITIONER, SOURCE, "d"), provenance=provenance("d"), npi="1000000012"),
        Location(id=RecordId(RecordType.LOCATION, SOURCE, "l"), provenance=provenance("l"), site="ALD-1"),
    ]
    people: list[Record] = [patient(f"p{number}") for number in range(5)]
    visits: list[Record] = [appointment(f"a{n}", f"p{n % 5}", f"V-{n}" if n else None) for n in range(12)]
    return places + people + visits


@dataclass(slots=True)
class World:
    """A channel, what stands behind it, and what it reported."""

    config: ChannelConfig = field(default_factory=ChannelConfig)
    batch_limit: int = 2
    clock: VirtualClock = field(default_factory=VirtualClock)
    reports: list[CallReport] = field(default_factory=list)
    connector: UnrulyConnector = field(init=False)
    channel: Channel = field(init=False)

    def __post_init__(self) -> None:
        people = [
            Person(source=SOURCE, source_id=f"p{n}", identifiers=(), family="F", given="G", birth_date=None)
            for n in range(5)
        ]
        relations = [
            Relation(source=SOURCE, source_id="p1", kind=RelationKind.SCHEDULED, party="1000000012", start=NOON)
        ]
        memory = MemoryConnector(SOURCE, _records(), people, relations, batch_limit=self.batch_limit, clock=self.clock)
        self.connector = UnrulyConnector(memory)
        self.channel = Channel(
            self.connector, self.config, on_call=self.reports.append, clock=self.clock, sleep=self.clock.sleep
        )

    def call(self, *attributes: str, seconds: float = 10.0) -> CallContext:
        return CallContext(
            tenant=Tenant("alder"),
            trace_id="trace-1",
            deadline=self.clock() + seconds,
            attributes=frozenset(attributes),
        )

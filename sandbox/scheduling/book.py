"""One tenant's book at the vendor: appointments, openings and clients in the vendor's own words.

Times are local wall-clock times with the name of the site's zone; `startsFold` and `endsFold` say which of the two
passes of a repeated hour is meant (0 the first, 1 the second).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from zoneinfo import ZoneInfo

from sandbox.population.model import Alias, Code, Location, Population, Practitioner, Slot, Visit

Item = Mapping[str, object]
"""A JSON object as the vendor sends it."""

_STATES: Final = {
    "proposed": ("HOLD",),
    "pending": ("SCHD",),
    "booked": ("CONF",),
    "arrived": ("ARRV",),
    "checked-in": ("CKIN",),
    "fulfilled": ("SEEN",),
    "cancelled": ("CXLP", "CXLC"),
    "noshow": ("NOSH",),
    "waitlist": ("WAIT",),
    "entered-in-error": ("VOID",),
}
"""The vendor's states of an appointment; it tells cancelled by the patient (CXLP) from cancelled by the clinic."""

_OPENING_STATES: Final = {
    "free": "OPEN",
    "busy": "TAKN",
    "busy-unavailable": "BLKD",
    "busy-tentative": "TENT",
    "entered-in-error": "VOID",
}

_FLAGS: Final = {
    "R": "RSTR",
    "V": "VRST",
    "PSY": "BHVL",
    "HIV": "IMMU",
    "SUD": "SUBS",
    "RPRO": "REPR",
    "VIP": "CELB",
    "minor-confidential": "TEEN",
}
"""The vendor's privacy flags. A label that it has no flag for is noted as it is."""

_VOCABULARIES: Final = {
    "http://snomed.info/sct": "SCT",
    "http://www.ama-assn.org/go/cpt": "CPT",
    "http://terminology.hl7.org/CodeSystem/service-type": "SVC",
}

APPOINTMENT_FIELDS: Final = frozenset(
    {
        "apptId", "clientId", "visitNo", "state", "starts", "startsFold", "ends", "endsFold", "tz", "visitType",
        "note", "flags", "provider", "site",
    }
)  # fmt: skip
OPENING_FIELDS: Final = frozenset(
    {
        "openingId", "state", "starts", "startsFold", "ends", "endsFold", "tz", "visitType", "provider", "site",
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """An appointment or an opening: the item as the vendor sends it, and what the vendor searches it by."""

    id: str
    starts_at: datetime
    state: str
    npi: str
    site: str
    client: str = ""
    visit: str = ""
    item: Item


@dataclass(frozen=True, slots=True, kw_only=True)
class Book:
    """All that the vendor holds for a tenant, in the order of time."""

    appointments: tuple[Entry, ...]
    openings: tuple[Entry, ...]
    clients: tuple[Item, ...]

    @classmethod
    def of(cls, population: Population) -> Book:
        """What the vendor knows of a population: not those without an alias, nor visits that were never booked."""
        scribe = _Scribe(population)
        return cls(
            appointments=_in_order(scribe.appointments()),
            openings=_in_order(scribe.opening(slot) for slot in population.slots),
            clients=tuple(sorted(scribe.clients(), key=lambda client: str(client["clientId"]))),
        )


def _in_order(entries: Iterator[Entry]) -> tuple[Entry, ...]:
    return tuple(sorted(entries, key=lambda entry: (entry.starts_at, entry.id)))


class _Scribe:
    """Writes a population down in the vendor's words."""

    def __init__(self, population: Population) -> None:
        self._population = population
        self._practitioners = {one.key: one for one in population.practitioners}
        self._locations = {one.key: one for one in population.locations}
        self._aliases = {one.key: one.scheduling for one in population.people if one.scheduling is not None}

    def clients(self) -> Iterator[Item]:
        for alias in self._aliases.values():
            yield {
                "clientId": alias.id,
                "chartNo": alias.mrn,
                "lastName": alias.family,
                "firstName": alias.given,
                "born": alias.birth_date,
            }

    def appointments(self) -> Iterator[Entry]:
        for visit in self._population.visits:
            alias = self._aliases.get(visit.person)
            if alias is not None and visit.appointment_id is not None:
                yield self._appointment(visit, visit.appointment_id, alias)

    def _appointment(self, visit: Visit, appointment_id: str, alias: Alias) -> Entry:
        states = _STATES[visit.appointment_status]
        practitioner, location = self._practitioners[visit.practitioner], self._locations[visit.location]
        state = states[int(visit.start.timestamp() // 86_400) % len(states)]
        item = {
            "apptId": appointment_id,
            "clientId": alias.id,
            "visitNo": visit.number,
            "state": state,
            **_times(visit.start, visit.end, location),
            "visitType": _visit_type(visit.service),
            "note": visit.reason,
            "flags": [_FLAGS.get(label, label) for label in visit.labels],
            "provider": _provider(practitioner),
            "site": {"code": location.site},
        }
        return Entry(
            id=appointment_id,
            starts_at=visit.start,
            state=state,
            npi=practitioner.npi,
            site=location.site,
            client=alias.id,
            visit=visit.number,
            item=item,
        )

    def opening(self, slot: Slot) -> Entry:
        practitioner, location = self._practitioners[slot.practitioner], self._locations[slot.location]
        state = _OPENING_STATES[slot.status]
        item = {
            "openingId": slot.id,
            "state": state,
            **_times(slot.start, slot.end, location),
            "visitType": _visit_type(slot.service),
            "provider": _provider(practitioner),
            "site": {"code": location.site},
        }
        return Entry(id=slot.id, starts_at=slot.start, state=state, npi=practitioner.npi, site=location.site, item=item)


def _times(start: datetime, end: datetime, location: Location) -> dict[str, object]:
    zone = ZoneInfo(location.timezone)
    starts, ends = start.astimezone(UTC).astimezone(zone), end.astimezone(UTC).astimezone(zone)
    return {
        "starts": starts.replace(tzinfo=None).isoformat(),
        "startsFold": starts.fold,
        "ends": ends.replace(tzinfo=None).isoformat(),
        "endsFold": ends.fold,
        "tz": location.timezone,
    }


def _visit_type(service: Code) -> dict[str, str]:
    return {"code": f"{_VOCABULARIES.get(service.system, 'OWN')}:{service.code}", "name": service.display}


def _provider(practitioner: Practitioner) -> dict[str, str]:
    return {"providerId": practitioner.provider_id, "npi": practitioner.npi}

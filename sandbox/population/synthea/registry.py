"""What bundles share: organizations with a site each, and practitioners, as additions to a clinic group."""

from __future__ import annotations

from typing import Final

from sandbox.population.catalog import SPECIALTIES
from sandbox.population.clinic import npi
from sandbox.population.model import Location, Organization, Population, Practitioner
from sandbox.population.synthea.bundles import Resource
from sandbox.population.synthea.fields import Unusable, address, at, id_of, required, rows, text

_NPI: Final = "http://hl7.org/fhir/sid/us-npi"
_NPI_DIGITS: Final = 10
_NPI_FROM: Final = 50_000
"""Synthea numbers its practitioners from 1; they get well-formed identifiers from here on."""

_EASTERN: Final = "America/New_York"
_ZONES: Final = {
    "America/Chicago": "AL AR IA IL KS LA MN MO MS ND NE OK SD TN TX WI",  # codespell:ignore nd
    "America/Denver": "CO ID MT NM UT WY",
    "America/Phoenix": "AZ",
    "America/Los_Angeles": "CA NV OR WA",
    "America/Anchorage": "AK",
    "Pacific/Honolulu": "HI",
}
_ZONE_BY_STATE: Final = {state: zone for zone, states in _ZONES.items() for state in states.split()}


class Registry:
    """Organizations, sites and practitioners by every name that a reference may use."""

    def __init__(self, population: Population) -> None:
        self._population = population
        self.organizations: dict[str, Organization] = {}
        self.locations: dict[str, Location] = {}
        self.practitioners: dict[str, Practitioner] = {}
        self._names: dict[str, str] = {}

    def add(self, resource: Resource) -> None:
        """Take in an Organization or a Practitioner, or raise `Unusable`."""
        id_ = id_of(resource)
        if id_ in self.organizations or id_ in self.practitioners:
            raise Unusable("the same one again")
        if resource["resourceType"] == "Organization":
            self._add_organization(resource, id_)
        else:
            self._add_practitioner(resource, id_)
        for identifier in rows(resource, "identifier"):
            value = text(identifier, "value")
            if value:
                self._names.setdefault(value, id_)

    def location(self, name: str | None) -> Location | None:
        """The site of the organization that a reference names."""
        return self.locations.get(self._names.get(name or "", name or ""))

    def practitioner(self, name: str | None) -> Practitioner | None:
        """The practitioner whom a reference names."""
        return self.practitioners.get(self._names.get(name or "", name or ""))

    def _add_organization(self, resource: Resource, id_: str) -> None:
        number = len(self._population.locations) + len(self.locations) + 1
        organization = Organization(
            key=f"synthea-{id_}",
            ehr_id=id_,
            name=required(resource, "name"),
            phone=text(resource, "telecom", 0, "value") or "",
            address=address(resource),
        )
        self.organizations[id_] = organization
        self.locations[id_] = Location(
            key=f"site-{number}",
            ehr_id=f"loc-{number}",
            site=f"S{number:02}",
            name=organization.name,
            phone=organization.phone,
            address=organization.address,
            organization=organization.key,
            timezone=_ZONE_BY_STATE.get(organization.address.state, _EASTERN),
        )

    def _add_practitioner(self, resource: Resource, id_: str) -> None:
        number = len(self.practitioners) + 1
        given = next((text(each, "value") for each in rows(resource, "identifier") if at(each, "system") == _NPI), None)
        whole = given if given and given.isascii() and given.isdecimal() and len(given) == _NPI_DIGITS else None
        self.practitioners[id_] = Practitioner(
            key=f"synthea-{id_}",
            ehr_id=id_,
            provider_id=f"PRV{5000 + number}",
            npi=whole or npi(_NPI_FROM + number),
            family=required(resource, "name", 0, "family"),
            given=required(resource, "name", 0, "given", 0),
            prefix=text(resource, "name", 0, "prefix", 0) or "Dr.",
            specialty=SPECIALTIES[0],
            organization=self._population.organizations[0].key,
            active=at(resource, "active") is not False,
        )

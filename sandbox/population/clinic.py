"""The clinic group itself: organizations, sites and practitioners."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count
from random import Random
from typing import Final

from faker import Faker

from sandbox.population.catalog import SPECIALTIES
from sandbox.population.model import Address, Location, Organization, Practitioner

LARGE_FROM_PEOPLE: Final = 30
"""From this many people on a group has a second, smaller organization, a third site and more practitioners."""

_ZONES: Final = ("America/New_York", "America/Chicago", "America/Denver")
_AREA_CODES: Final = (202, 312, 303, 415, 617, 206, 503, 602, 713, 919)


@dataclass(frozen=True, slots=True, kw_only=True)
class Clinic:
    """What a clinic group consists of, besides the people it treats."""

    organizations: tuple[Organization, ...]
    locations: tuple[Location, ...]
    practitioners: tuple[Practitioner, ...]

    def staff(self, organization: str) -> tuple[Practitioner, ...]:
        """Those who work for an organization."""
        return tuple(each for each in self.practitioners if each.organization == organization)

    def home(self, practitioner: Practitioner) -> Location:
        """Where a practitioner usually works: the sites of their organization, dealt out in order."""
        sites = [each for each in self.locations if each.organization == practitioner.organization]
        return sites[self.staff(practitioner.organization).index(practitioner) % len(sites)]


def found(tenant: str, *, size: int, faker: Faker) -> Clinic:
    """A clinic group fit for `size` patients. Its ids and codes are alike in all tenants, so that mixing two shows."""
    title = tenant.replace("-", " ").title()
    names = [f"{title} Clinics"] + ([f"{title} Children and Family"] if size >= LARGE_FROM_PEOPLE else [])
    organizations = tuple(
        Organization(
            key=f"org-{n}", ehr_id=f"org-{n}", name=name, phone=phone(900 + n), address=address(faker)
        )
        for n, name in enumerate(names, 1)
    )  # fmt: skip
    main, last = organizations[0].key, organizations[-1].key
    locations = tuple(
        _location(n, title, main if n < 3 else last, faker)  # noqa: PLR2004 - the third site is the second clinic's
        for n in range(1, 4 if size >= LARGE_FROM_PEOPLE else 3)
    )
    owners = [main] * 6 + [last] * 2 if size >= LARGE_FROM_PEOPLE else [main] * 4
    practitioners = tuple(_practitioner(n, owner, faker) for n, owner in enumerate(owners, 1))
    return Clinic(organizations=organizations, locations=locations, practitioners=practitioners)


def _location(n: int, title: str, organization: str, faker: Faker) -> Location:
    return Location(
        key=f"site-{n}",
        ehr_id=f"loc-{n}",
        site=f"S{n:02}",
        name=f"{title} {('Main Street', 'Lakeside', 'Hillcrest')[n - 1]}",
        phone=phone(950 + n),
        address=address(faker),
        organization=organization,
        timezone=_ZONES[n - 1],
    )


def _practitioner(n: int, organization: str, faker: Faker) -> Practitioner:
    return Practitioner(
        key=f"doc-{n}",
        ehr_id=f"prac-{n}",
        provider_id=f"PRV{n:04}",
        npi=npi(n),
        family=faker.last_name(),
        given=faker.first_name(),
        prefix="Dr.",
        specialty=SPECIALTIES[(n - 1) % len(SPECIALTIES)],
        organization=organization,
        active=True,
    )


def npi(n: int) -> str:
    """The n-th well-formed National Provider Identifier: ten digits, the last by Luhn over 80840 and the first nine."""
    stem = f"1{n:08}"
    doubled = (int(digit) * (2 - place % 2) for place, digit in zip(count(), reversed("80840" + stem), strict=False))
    return stem + str(-sum(value // 10 + value % 10 for value in doubled) % 10)


def phone(n: int) -> str:
    """The n-th telephone number of those kept for fiction (555-0100 to 555-0199 of each area)."""
    return f"+1-{_AREA_CODES[n // 100 % len(_AREA_CODES)]}-555-01{n % 100:02}"


def address(faker: Faker) -> Address:
    """A made-up address in the United States."""
    return Address(
        line=faker.street_address(), city=faker.city(), state=faker.state_abbr(), postal_code=faker.postcode()
    )


def seeded(*parts: object) -> Random:
    """A generator of chance that depends on nothing but `parts`."""
    return Random("/".join(map(str, parts)))

"""A source that lists what it was not asked for is found out, and its list is no shorter list but an error."""

from __future__ import annotations

from typing import Any

import pytest

from portico.records.references import By, RecordType, Reference
from portico.records.search import Hit, Page
from portico.records.types import Appointment, Patient
from sandbox.population.planted import Planted
from tests.changed import replace
from tests.house import EHR, SCHEDULING, MemoryHouse

PATIENTS = "{ patients(first: 5) { edges { node { gender } } } }"


def _refused(answer: dict[str, Any], path: str, source: str) -> None:
    assert answer["data"] == {path: None}
    (error,) = answer["errors"]
    told = error["extensions"]
    assert (told["code"], told["source"], told["affectedPath"]) == ("SOURCE_INVALID", source, path)


@pytest.mark.parametrize("persona", ["front-desk", "biller"])
async def test_patients_of_another_clinic_in_a_list_of_ones_own_are_an_error_and_no_empty_list(
    house: MemoryHouse, persona: str
) -> None:
    honest = await house.ask(persona, PATIENTS)
    assert honest["data"]["patients"]["edges"]
    ehr = house.sources["riverbend"][EHR]  # type: ignore[index]  # a tenant's name

    def elsewhere(page: Page) -> Page:
        other = Reference(RecordType.ORGANIZATION, By.ID, "org-2")
        hits = [(hit, hit.record) for hit in page.hits if isinstance(hit.record, Patient)]
        return Page(
            tuple(replace(hit, record=replace(one, managing_organization=other)) for hit, one in hits), page.more
        )

    ehr.twist_page = elsewhere
    _refused(await house.ask(persona, PATIENTS), "patients", "ehr")


async def test_one_stranger_among_those_asked_for_costs_the_list(house: MemoryHouse) -> None:
    ehr = house.sources["riverbend"][EHR]  # type: ignore[index]  # a tenant's name

    def mixed(page: Page) -> Page:
        first, *rest = page.hits
        return replace(page, hits=(replace(first, record=_unmanaged(first)), *rest))

    ehr.twist_page = mixed
    _refused(await house.ask("front-desk", PATIENTS), "patients", "ehr")


async def test_a_patient_with_another_number_than_was_asked_for_is_an_error(house: MemoryHouse) -> None:
    person = next(one for one in house.populations["riverbend"].people if one.key == Planted.PATIENT)
    query = "query ($f: PatientFilter) { patients(filter: $f) { edges { node { mrn } } } }"
    assert (await house.ask("front-desk", query, f={"mrn": person.mrn}))["data"]["patients"]["edges"]
    ehr = house.sources["riverbend"][EHR]  # type: ignore[index]  # a tenant's name

    def numbered(page: Page) -> Page:
        hits = [(hit, hit.record) for hit in page.hits if isinstance(hit.record, Patient)]
        return replace(page, hits=tuple(replace(hit, record=replace(one, mrn="another")) for hit, one in hits))

    ehr.twist_page = numbered
    answer = await house.ask("front-desk", query, f={"mrn": person.mrn})
    _refused(answer, "patients", "ehr")
    assert person.mrn not in str(answer)


async def test_appointments_with_another_practitioner_than_was_asked_for_are_an_error(house: MemoryHouse) -> None:
    query = "query ($d: ID!) { appointments(filter: {practitioner: $d}) { edges { node { status } } } }"
    doctor = house.name(RecordType.PRACTITIONER, EHR, "prac-1")
    assert (await house.ask("physician", query, d=doctor))["data"]["appointments"]["edges"]
    vendor = house.sources["riverbend"][SCHEDULING]  # type: ignore[index]  # a tenant's name
    other = Reference(RecordType.PRACTITIONER, By.NPI, "1000000000")

    def theirs(page: Page) -> Page:
        hits = [(hit, hit.record) for hit in page.hits if isinstance(hit.record, Appointment)]
        return replace(page, hits=tuple(replace(hit, record=replace(one, practitioner=other)) for hit, one in hits))

    vendor.twist_page = theirs
    _refused(await house.ask("physician", query, d=doctor), "appointments", "scheduling")


async def test_what_was_fetched_to_judge_the_rows_is_not_released(house: MemoryHouse) -> None:
    """The clinic that keeps a record is asked for to check the EHR; who didn't select it isn't told."""
    answer = await house.ask("front-desk", PATIENTS)
    (asked,) = house.asked()
    assert asked.attributes == {"gender", "managing_organization"}
    assert all(edge["node"].keys() == {"gender"} for edge in answer["data"]["patients"]["edges"])
    assert "Patient.managingOrganization" not in house.trail.entries[-1].released


def _unmanaged(hit: Hit) -> Patient:
    assert isinstance(hit.record, Patient)
    return replace(hit.record, managing_organization=None)

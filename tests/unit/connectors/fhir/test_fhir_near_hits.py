"""What the EHR finds by a former name or an old number is left out; what it finds by nothing at all is a lie."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from connectors.channel import Channel, ChannelConfig
from connectors.fhir import FhirConnector
from connectors.fhir.mapping import FhirMapping
from connectors.fhir.queries import conditions
from portico.records.errors import SourceInvalid
from portico.records.references import RecordType
from portico.records.search import Condition, Op, Page, Search
from tests.contract.questions import context
from tests.unit.connectors.fhir.scripted import ScriptedEhr, patient, searchset

Connect = Callable[..., FhirConnector]
MRN = "https://ehr.example/id/mrn"


def _named(id_: str, family: str, *, former: str = "", given: str = "Sam") -> dict[str, Any]:
    names = [{"use": "official", "family": family, "given": [given]}]
    return patient(
        id_, name=[*names, *([{"use": "maiden", "family": former, "given": ["Samantha"]}] if former else [])]
    )


def _numbered(id_: str, *numbers: str, old: str = "", system: str = MRN) -> dict[str, Any]:
    held: list[dict[str, str]] = [{"system": system, "value": number} for number in numbers]
    return patient(id_, identifier=[*held, *([{"system": system, "value": old, "use": "old"}] if old else [])])


async def _found(connector: FhirConnector, *where: Condition, limit: int = 10) -> Page:
    search = Search(type=RecordType.PATIENT, where=where, order="id", limit=limit)
    return await Channel(connector, ChannelConfig()).search(context(), search)


def _ids(page: Page) -> list[str]:
    return [hit.record.id.value for hit in page.hits]


FAMILY = Condition("family", Op.PREFIX, ("bak",))
GIVEN = Condition("given", Op.PREFIX, ("samantha",))
NUMBER = Condition("mrn", Op.IN, ("M-2",))


@pytest.mark.parametrize(
    ("condition", "near", "hit"),
    [
        (FAMILY, _named("p-1", "Carver", former="Baker"), _named("p-2", "Baker")),
        (GIVEN, _named("p-1", "Carver", former="Baker"), _named("p-2", "Baker", given="Samantha")),
        (NUMBER, _numbered("p-1", "M-1", old="M-2"), _numbered("p-2", "M-2")),
        (NUMBER, _numbered("p-1", "M-1", "M-2"), _numbered("p-2", "M-2")),
        (NUMBER, _numbered("p-1", "m-2"), _numbered("p-2", "M-2")),
        (NUMBER, _numbered("p-1", old="M-2"), _numbered("p-2", "M-2")),
        (Condition("identifier", Op.IN, ("M-2",)), _numbered("p-1", "M-1", old="M-2"), _numbered("p-2", "M-2")),
    ],
    ids=["former family name", "former given name", "old MRN", "second MRN", "other case", "no MRN now", "identifier"],
)
async def test_a_row_found_by_what_is_not_shown_is_left_out(
    ehr: ScriptedEhr, connect: Connect, condition: Condition, near: dict[str, Any], hit: dict[str, Any]
) -> None:
    ehr.answers = [searchset(near, hit)]
    page = await _found(connect(), condition)
    assert _ids(page) == ["p-2"]
    assert not page.more


async def test_a_row_found_without_accents_or_case_is_a_hit(ehr: ScriptedEhr, connect: Connect) -> None:
    ehr.answers = [searchset(_named("p-1", "BÄKER"), _named("p-2", "von Baker"), _named("p-3", "Ba'ker"))]
    assert _ids(await _found(connect(), FAMILY)) == ["p-1", "p-2", "p-3"]


@pytest.mark.parametrize(
    ("condition", "lie"),
    [
        (FAMILY, _named("p-1", "Carver")),
        (FAMILY, _named("p-1", "Carver", former="Dyer")),
        (GIVEN, _named("p-1", "Baker")),
        (NUMBER, _numbered("p-1", "M-1")),
        (NUMBER, patient("p-1")),
        (Condition("birth_date", Op.IN, ("1980-02-29",)), patient("p-1", birthDate="1980-02-28")),
        (
            Condition("organization", Op.IN, ("o-1",)),
            patient("p-1", managingOrganization={"reference": "Organization/o-2"}),
        ),
        (Condition("organization", Op.IN, ("o-1",)), patient("p-1")),
    ],
    ids=["family", "former name", "given", "MRN", "no MRN", "birth date", "organization", "no organization"],
)
async def test_a_row_found_by_nothing_that_was_asked_is_invalid(
    ehr: ScriptedEhr, connect: Connect, condition: Condition, lie: dict[str, Any]
) -> None:
    ehr.answers = [searchset(lie)]
    with pytest.raises(SourceInvalid):
        await _found(connect(), condition)


async def test_one_condition_met_does_not_excuse_another_that_is_not(ehr: ScriptedEhr, connect: Connect) -> None:
    ehr.answers = [searchset(_named("p-1", "Carver", former="Baker"))]
    with pytest.raises(SourceInvalid):
        await _found(connect(), FAMILY, Condition("birth_date", Op.IN, ("1980-02-29",)))


async def test_a_page_of_near_hits_goes_on_until_it_is_full(ehr: ScriptedEhr, connect: Connect) -> None:
    """Two requests for the rest: one for where its rows stand, one for the rows."""
    rows = [_named(f"p-{n}", "Baker" if n > 3 else "Carver", former="Baker") for n in range(1, 7)]
    ehr.answers = [
        searchset(*rows[:2], following="Patient?_cursor=1"),
        searchset(*rows, following=None),
        searchset(*rows[2:4]),
        searchset(*rows, following=None),
        searchset(*rows[4:5]),
    ]
    page = await _found(connect(), FAMILY, limit=2)
    assert _ids(page) == ["p-4", "p-5"]
    assert page.more


def test_an_mrn_is_asked_for_in_the_ehrs_own_system() -> None:
    search = Search(type=RecordType.PATIENT, where=(Condition("mrn", Op.IN, ("a|b,c", "d")),), order="id", limit=1)
    asked = dict(conditions(search, FhirMapping.load()) or ())
    assert asked["identifier"] == f"{MRN}|a\\|b\\,c,{MRN}|d"

"""What exactly the connector asks for: keys, elements, order, and never more."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from connectors.fhir import FhirConnector, FhirMapping
from connectors.fhir.attributes import RESOURCES
from connectors.fhir.queries import KEYS, conditions, lookup, sort
from connectors.fhir.resources import wanted_elements
from portico.records.errors import UnsupportedPredicate
from portico.records.references import By, RecordType
from portico.records.search import FIELDS, Condition, Op, Search
from tests.contract import oracle
from tests.contract.questions import context, listing
from tests.unit.connectors.fhir.scripted import ScriptedEhr, searchset

Connect = Callable[..., FhirConnector]
MAPPING = FhirMapping.load()


def test_every_attribute_of_every_served_type_is_mapped() -> None:
    assert RESOURCES.keys() == KEYS.keys()
    for type_, resource in RESOURCES.items():
        assert resource.attributes.keys() == oracle.attributes_of(type_)


@pytest.mark.parametrize(
    ("type_", "attributes", "elements"),
    [
        (RecordType.PATIENT, (), "id,meta"),
        (RecordType.PATIENT, ("birth_date",), "birthDate,id,meta"),
        (RecordType.PATIENT, ("ssn", "mrn", "identifiers"), "id,identifier,meta"),
        (RecordType.PATIENT, ("phone", "email"), "id,meta,telecom"),
        (RecordType.ENCOUNTER, ("period",), "id,meta,period,reasonCode,serviceType,subject,type"),
        (RecordType.COVERAGE, ("member_id",), "beneficiary,id,identifier,meta,subscriberId"),
        (RecordType.CARE_TEAM_MEMBER, (), "id,meta,participant,status,subject"),
        (RecordType.CARE_TEAM_MEMBER, ("period", "role"), "id,meta,participant,period,status,subject"),
        (RecordType.PRACTITIONER, ("specialty", "unheard_of"), "id,meta,qualification"),
    ],
)
def test_only_the_elements_behind_the_wanted_attributes_are_asked_for(
    type_: RecordType, attributes: tuple[str, ...], elements: str
) -> None:
    assert ",".join(wanted_elements(type_, frozenset(attributes))) == elements


@pytest.mark.parametrize(
    ("type_", "by", "asked"),
    [
        (RecordType.PATIENT, By.ID, ("_id", "a,b")),
        (RecordType.ENCOUNTER, By.PATIENT, ("patient", "a,b")),
        (RecordType.COVERAGE, By.PATIENT, ("beneficiary", "a,b")),
        (RecordType.PRACTITIONER, By.NPI, ("identifier", "http://hl7.org/fhir/sid/us-npi|{}")),
        (RecordType.ENCOUNTER, By.VISIT, ("identifier", "https://ehr.example/id/visit|{}")),
        (RecordType.LOCATION, By.SITE, ("identifier", "https://ehr.example/id/site|{}")),
        (RecordType.COVERAGE, By.MEMBER, ("identifier", "https://ehr.example/id/member|{}")),
    ],
)
def test_keys_become_one_parameter(type_: RecordType, by: By, asked: tuple[str, str]) -> None:
    parameter, pattern = asked
    expected = ",".join(pattern.format(key) for key in "ab") if "{}" in pattern else pattern
    assert lookup(type_, by, ["a", "b"], MAPPING) == (parameter, expected)


def test_what_has_a_meaning_in_fhir_is_escaped() -> None:
    asked = lookup(RecordType.ENCOUNTER, By.VISIT, ["a,b|c$d\\e"], MAPPING)
    assert asked == ("identifier", "https://ehr.example/id/visit|a\\,b\\|c\\$d\\\\e")


@pytest.mark.parametrize("key", ["", " ", "a b", "a,b", "../a", "a/b", "x" * 65, "ä", "a\n"])
def test_ids_that_no_resource_can_have_are_not_asked_for(key: str) -> None:
    assert lookup(RecordType.PATIENT, By.ID, [key], MAPPING) is None
    assert lookup(RecordType.PATIENT, By.ID, [key, "b"], MAPPING) == ("_id", "b")


def test_blank_identifiers_are_not_asked_for_since_they_would_mean_any() -> None:
    assert lookup(RecordType.LOCATION, By.SITE, ["", " "], MAPPING) is None


async def test_impossible_keys_alone_cost_no_call(ehr: ScriptedEhr, connect: Connect) -> None:
    connector = connect()
    assert await connector.find(context(), RecordType.PATIENT, By.ID, ["a b"]) == []
    none = listing(RecordType.PATIENT, Condition("birth_date", Op.IN, ("1980",)))
    assert not (await connector.search(context(), none)).hits
    assert not ehr.received
    assert not ehr.asked_for_tokens


async def test_a_lookup_is_one_search_with_keys_elements_and_count(ehr: ScriptedEhr, connect: Connect) -> None:
    ehr.answers = [searchset()]
    connector = connect(page_size=500)
    await connector.find(context("name"), RecordType.PATIENT, By.ID, ["a", "b"])
    await connector.find(context("period"), RecordType.ENCOUNTER, By.PATIENT, ["a"])
    await connector.find(context("name"), RecordType.LOCATION, By.SITE, ["X-1"])
    assert [(each.path, each.parameters) for each in ehr.received] == [
        ("/r4/Patient/_search", {"_id": "a,b", "_elements": "id,meta,name", "_count": "2"}),
        (
            "/r4/Encounter/_search",
            {"patient": "a", "_elements": "id,meta,period,reasonCode,serviceType,subject,type", "_count": "500"},
        ),
        (
            "/r4/Location/_search",
            {
                "identifier": "https://ehr.example/id/site|X-1",
                "_elements": "id,identifier,meta,name",
                "_count": "500",
            },
        ),
    ]


async def test_more_keys_than_agreed_are_refused_before_any_call(ehr: ScriptedEhr, connect: Connect) -> None:
    connector = connect(batch_limit=2)
    assert connector.batch_limit == 2
    with pytest.raises(UnsupportedPredicate):
        await connector.find(context(), RecordType.PATIENT, By.ID, ["a", "b", "c"])
    assert not ehr.received


def _asked(*where: Condition) -> list[tuple[str, str]] | None:
    return conditions(Search(type=RecordType.PATIENT, where=where, order="family", limit=10), MAPPING)


def test_every_condition_of_the_vocabulary_is_sent() -> None:
    values = {"patient": "p-1", "birth_date": "1980-02-29", "organization": "o-1", "npi": "1000000012"}
    for type_ in (RecordType.PATIENT, RecordType.PRACTITIONER):
        where = tuple(
            Condition(field, op, (values.get(field, "some"),)) for field, ops in FIELDS[type_].items() for op in ops
        )
        asked = conditions(Search(type=type_, where=where, order="family", limit=10), MAPPING)
        assert asked is not None
        assert len(asked) == len(where)


def test_conditions_are_a_conjunction_of_disjunctions() -> None:
    assert _asked(
        Condition("birth_date", Op.IN, ("1980-02-29", "1981-03-01")), Condition("family", Op.PREFIX, ("Bä",))
    ) == [
        ("birthdate", "1980-02-29,1981-03-01"),
        ("family", "Bä"),
    ]
    assert _asked(Condition("patient", Op.IN, ("a", "b")), Condition("patient", Op.IN, ("b",))) == [
        ("_id", "a,b"),
        ("_id", "b"),
    ]


def test_a_condition_that_nothing_can_meet_makes_the_search_empty_and_is_never_dropped() -> None:
    family = Condition("family", Op.PREFIX, ("B",))
    assert _asked(family, Condition("birth_date", Op.IN, ("1980", "ge1900-01-01"))) is None
    assert _asked(family, Condition("patient", Op.IN, ("a b",))) is None
    assert _asked(family, Condition("identifier", Op.IN, (" ",))) is None


def test_a_blank_prefix_is_refused_since_fhir_would_ignore_it() -> None:
    for blank in ("", "  "):
        with pytest.raises(UnsupportedPredicate):
            _asked(Condition("family", Op.PREFIX, (blank,)))


@pytest.mark.parametrize(
    ("order", "descending", "written"),
    [
        ("family", False, "family,_id"),
        ("family", True, "-family,-_id"),
        ("birth_date", True, "-birthdate,-_id"),
        ("id", False, "_id"),
        ("id", True, "-_id"),
    ],
)
def test_every_order_is_total(order: str, descending: bool, written: str) -> None:
    assert sort(Search(type=RecordType.PATIENT, order=order, descending=descending, limit=10)) == written


async def test_a_scan_of_consents_asks_for_those_that_stand_and_once_for_each_practitioner(
    ehr: ScriptedEhr, connect: Connect
) -> None:
    def consent(id_: str, practitioner: str) -> dict[str, object]:
        actor = {"reference": {"reference": f"Practitioner/{practitioner}"}}
        scope = {"system": "http://terminology.hl7.org/CodeSystem/consentscope", "code": "patient-privacy"}
        return {
            "resourceType": "Consent",
            "id": id_,
            "status": "active",
            "scope": {"coding": [scope]},
            "patient": {"reference": "Patient/p-1"},
            "provision": {"type": "permit", "actor": [actor]},
        }

    def practitioner(id_: str, *npis: str) -> dict[str, object]:
        identifiers = [{"system": "http://hl7.org/fhir/sid/us-npi", "value": npi} for npi in npis]
        return {"resourceType": "Practitioner", "id": id_, "identifier": identifiers}

    ehr.answers = [
        searchset(consent("c-1", "d-1"), consent("c-2", "d-2"), following=f"{ehr.url}/Consent?page=2"),
        searchset(practitioner("d-1", "1000000012"), practitioner("d-2", "1", "2")),
        searchset(consent("c-3", "d-1"), consent("c-4", "d-2")),
    ]
    found = [each async for each in connect(page_size=2).consents(context())]
    assert [(each.consent_id, {*each.parties}) for each in found] == [
        ("c-1", {"npi 1000000012"}),
        ("c-3", {"npi 1000000012"}),
    ], "who has two numbers can't be told, and a permit for them permits nothing"
    first, second, _ = ehr.received
    assert first.path == "/r4/Consent/_search"
    assert first.parameters["status"] == "active"
    assert second.parameters == {"_id": "d-1,d-2", "_elements": "id,identifier", "_sort": "_id", "_count": "2"}
    assert len(ehr.received) == 3


async def test_a_scan_of_visits_asks_for_their_codes_and_nothing_else(ehr: ScriptedEhr, connect: Connect) -> None:
    ehr.answers = [searchset()]
    assert [each async for each in connect().sensitive_visits(context("period"))] == []
    (only,) = ehr.received
    assert only.path == "/r4/Encounter/_search"
    assert only.parameters["_elements"] == "id,identifier,meta,subject,type,serviceType,reasonCode"

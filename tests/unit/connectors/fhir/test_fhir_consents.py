"""Consents become provisions; what can't be understood denies everything, or permits nothing."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from connectors.fhir import FhirMapping
from connectors.fhir.attributes import Reading
from connectors.fhir.consents import consents, practitioners_of
from connectors.fhir.datatypes import Malformed
from portico.records.consent import Consent, ConsentKind, Provision
from portico.records.references import SourceName

READING = Reading(
    source=SourceName("ehr"),
    mapping=FhirMapping.load(),
    base="https://ehr.example/r4/",
    retrieved_at=datetime(2026, 1, 5, tzinfo=UTC),
)
NPIS = {"d-1": "1000000012", "d-2": "1000000020"}
ACT_CODE = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
CONFIDENTIALITY = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"
ROLE = "https://ehr.example/role"

PERMIT, DENY, OPT_IN = ConsentKind.PERMIT, ConsentKind.DENY, ConsentKind.OPT_IN
ALL_DENIED = [Provision(kind=DENY)]


def concept(system: str, code: str) -> dict[str, Any]:
    return {"coding": [{"system": system, "code": code}]}


PRIVACY = concept("http://terminology.hl7.org/CodeSystem/consentscope", "patient-privacy")
RECIPIENT = concept("http://terminology.hl7.org/CodeSystem/v3-ParticipationType", "PRCP")


def purposes(*codes: str) -> list[dict[str, str]]:
    return [{"system": "http://terminology.hl7.org/CodeSystem/v3-ActReason", "code": code} for code in codes]


def labels(*codes: str) -> list[dict[str, str]]:
    return [{"system": ACT_CODE, "code": code} for code in codes]


def classes(*codes: str) -> list[dict[str, str]]:
    return [{"system": "http://hl7.org/fhir/resource-types", "code": code} for code in codes]


def actor(reference: str, role: dict[str, Any] = RECIPIENT) -> dict[str, Any]:
    return {"role": role, "reference": {"reference": reference}}


def rule(type_: str | None, *nested: dict[str, Any], **terms: Any) -> dict[str, Any]:
    kind = {"type": type_} if type_ else {}
    return {**kind, **terms, **({"provision": [*nested]} if nested else {})}


def told(provision: Any = None, **changes: Any) -> list[Consent]:
    """What a consent comes to; a change to None leaves an element out."""
    resource = {
        "resourceType": "Consent",
        "id": "c-1",
        "status": "active",
        "scope": PRIVACY,
        "patient": {"reference": "Patient/p-1"},
        "provision": provision,
        **changes,
    }
    return consents({name: value for name, value in resource.items() if value is not None}, NPIS, READING)


def provisions(provision: Any = None, **changes: Any) -> list[Provision]:
    return [consent.provision for consent in told(provision, **changes)]


def base(code: str) -> dict[str, Any]:
    return concept(ACT_CODE, code)


# -- what documents come to


def test_a_permit_is_a_permit_with_all_its_terms() -> None:
    (consent,) = told(
        rule(
            "permit",
            purpose=purposes("TREAT", "HRESCH"),
            securityLabel=labels("SUD", "PSY"),
            actor=[actor("Practitioner/d-1"), actor("Organization/o-1")],
            period={"start": "2026-01-01", "end": "2026-02-01T12:00:00Z"},
            **{"class": classes("Encounter")},
        )
    )
    assert consent == Consent(
        source=SourceName("ehr"),
        source_id="p-1",
        consent_id="c-1",
        provision=Provision(
            kind=PERMIT,
            purposes=frozenset({"TREAT", "HRESCH"}),
            tags=frozenset({"CLINICAL", "SCHEDULING"}),
            labels=frozenset({"SUD", "PSY"}),
        ),
        parties=frozenset({"npi 1000000012", "organization o-1"}),
        start=datetime(2026, 1, 1, tzinfo=UTC),
        end=datetime(2026, 2, 1, 12, tzinfo=UTC),
    )


@pytest.mark.parametrize(
    ("provision", "policy_rule", "kinds"),
    [
        (rule("permit"), None, [PERMIT]),
        (rule("deny"), None, [DENY]),
        (rule("deny", rule("permit")), None, [OPT_IN, PERMIT]),
        (rule("deny", rule("permit"), rule("permit")), None, [OPT_IN, PERMIT, PERMIT]),
        (rule("permit", rule("deny")), None, [PERMIT, DENY]),
        (rule("permit", rule("permit")), None, [PERMIT, PERMIT]),
        (rule("deny", rule("deny")), None, [DENY, DENY]),
        (None, "OPTIN", [PERMIT]),
        (None, "OPTOUT", [DENY]),
        (rule(None), "OPTIN", [PERMIT]),
        (rule(None), "OPTOUT", [DENY]),
        (rule(None, rule("deny")), "OPTIN", [PERMIT, DENY]),
        (rule(None, rule("permit")), "OPTOUT", [OPT_IN, PERMIT]),
        (rule("permit"), "OPTIN", [PERMIT]),
        (rule("deny"), "OPTIN", [DENY]),
        (rule("permit"), "OPTOUT", [OPT_IN, PERMIT]),
        (rule("deny"), "OPTOUT", [DENY]),
        (rule("permit", rule("deny")), "OPTOUT", [OPT_IN, PERMIT, DENY]),
        (rule("permit"), "hipaa-auth", [PERMIT]),
        (rule("deny"), "hipaa-auth", [DENY]),
    ],
)
def test_root_and_exceptions_make_these_kinds(
    provision: Any, policy_rule: str | None, kinds: list[ConsentKind]
) -> None:
    found = provisions(provision, policyRule=base(policy_rule) if policy_rule else None)
    assert [each.kind for each in found] == kinds


def test_a_policy_rule_that_denies_closes_everything_whatever_the_root_names() -> None:
    found = provisions(rule("permit", purpose=purposes("TREAT")), policyRule=base("OPTOUT"))
    assert found == [Provision(kind=OPT_IN), Provision(kind=PERMIT, purposes=frozenset({"TREAT"}))]
    assert provisions(rule("deny", purpose=purposes("TREAT")), policyRule=base("OPTOUT")) == ALL_DENIED


def test_an_exception_has_its_parents_terms_where_it_has_none() -> None:
    parent = {"purpose": purposes("HRESCH"), "securityLabel": labels("SUD"), "actor": [actor("Practitioner/d-1")]}
    period = {"start": "2026-01-01T00:00:00Z", "end": "2026-03-01T00:00:00Z"}
    for kind in ("permit", "deny"):
        opposite = {"permit": "deny", "deny": "permit"}[kind]
        outer, inner = told(rule(opposite, rule(kind), period=period, **parent))
        assert ({*outer.provision.purposes}, {*outer.provision.labels}) == ({"HRESCH"}, {"SUD"})
        assert inner.provision == Provision(
            kind=ConsentKind(kind), purposes=outer.provision.purposes, labels=outer.provision.labels
        )
        assert (inner.parties, inner.start, inner.end) == (outer.parties, outer.start, outer.end)


def test_a_permit_permits_no_more_than_its_parent_is_about() -> None:
    parent = {"purpose": purposes("HRESCH", "HMARKT"), "period": {"end": "2026-03-01T00:00:00Z"}}
    wider = {"purpose": purposes("HRESCH", "TREAT"), "period": {"start": "2026-01-01T00:00:00Z", "end": "2030"}}
    _, inner = told(rule("deny", rule("permit", **wider), **parent))
    assert inner.provision.purposes == {"HRESCH"}
    assert (inner.start, inner.end) == (datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 3, 1, tzinfo=UTC))
    elsewhere = provisions(rule("deny", rule("permit", purpose=purposes("TREAT")), purpose=purposes("HRESCH")))
    assert [each.kind for each in elsewhere] == [OPT_IN], "nothing in common is nothing permitted"


def test_a_denial_denies_what_it_names_even_beyond_its_parent() -> None:
    found = provisions(rule("permit", rule("deny", purpose=purposes("HMARKT")), purpose=purposes("TREAT")))
    assert found[1] == Provision(kind=DENY, purposes=frozenset({"HMARKT"}))


@pytest.mark.parametrize(
    ("actors", "expected"),
    [
        ([], [(set(), set())]),
        ([actor("Practitioner/d-1")], [(set(), {"npi 1000000012"})]),
        ([actor("https://ehr.example/r4/Practitioner/d-1")], [(set(), {"npi 1000000012"})]),
        ([actor("Organization/o-1"), actor("Practitioner/d-2")], [(set(), {"organization o-1", "npi 1000000020"})]),
        ([{"role": concept(ROLE, "BILLER")}], [({"biller"}, set())]),
        ([{"role": concept(ROLE, "BILLER"), "reference": {"display": "any"}}], [({"biller"}, set())]),
        ([actor("Organization/o-1", concept(ROLE, "BILLER"))], [({"biller"}, {"organization o-1"})]),
        (
            [{"role": concept(ROLE, "BILLER")}, {"role": concept(ROLE, "PHYSICIAN")}, actor("Practitioner/d-1")],
            [(set(), {"npi 1000000012"}), ({"biller", "physician"}, set())],
        ),
        (
            [
                {
                    "role": RECIPIENT,
                    "reference": {"identifier": {"system": "http://hl7.org/fhir/sid/us-npi", "value": "1999999999"}},
                }
            ],
            [(set(), {"npi 1999999999"})],
        ),
    ],
)
def test_actors_are_parties_and_roles(actors: list[Any], expected: list[tuple[set[str], set[str]]]) -> None:
    for kind in ("permit", "deny"):
        found = told(rule(kind, actor=actors))
        assert [({*each.provision.roles}, {*each.parties}) for each in found] == expected


def test_classes_and_codes_are_tags() -> None:
    summary = {"coding": [{"system": "urn:own", "code": "x"}, {"system": "http://loinc.org", "code": "34133-9"}]}
    found = provisions(rule("deny", code=[summary], **{"class": classes("Claim", "Coverage")}))
    assert found == [Provision(kind=DENY, tags=frozenset({"FINANCIAL", "COVERAGE", "CLINICAL"}))]


@pytest.mark.parametrize(
    ("period", "start", "end"),
    [
        (None, None, None),
        ({}, None, None),
        ({"start": "2026-03-01"}, datetime(2026, 3, 1, tzinfo=UTC), None),
        ({"end": "2026-03"}, None, datetime(2026, 3, 31, 23, 59, 59, 999999, tzinfo=UTC)),
    ],
)
def test_a_period_is_open_where_it_has_no_end_and_includes_its_last_day(
    period: Any, start: datetime | None, end: datetime | None
) -> None:
    terms = {} if period is None else {"period": period}
    (consent,) = told(rule("permit", **terms))
    assert (consent.start, consent.end) == (start, end)


# -- what is not about us


@pytest.mark.parametrize(
    "status", ["draft", "proposed", "rejected", "inactive", "entered-in-error", "ACTIVE", "", None]
)
def test_only_an_active_consent_stands(status: str | None) -> None:
    assert told(rule("deny"), status=status) == []
    assert told(rule("permit"), status=status) == []


@pytest.mark.parametrize("code", ["research", "treatment", "adr"])
def test_a_consent_about_something_else_is_none_of_privacy(code: str) -> None:
    scope = concept("http://terminology.hl7.org/CodeSystem/consentscope", code)
    assert told(rule("deny"), scope=scope) == []


@pytest.mark.parametrize("patient", [None, {}, {"reference": "Group/g-1"}, {"display": "Ada"}])
def test_a_consent_that_does_not_say_whose_it_is_costs_the_scan(patient: Any) -> None:
    with pytest.raises(Malformed):
        told(rule("deny"), patient=patient)


# -- what can't be understood

ODD_TERMS: list[dict[str, Any]] = [
    {"modifierExtension": [{"url": "urn:x", "valueBoolean": True}]},
    {"dataPeriod": {"start": "2026-01-01"}},
    {"data": [{"meaning": "instance", "reference": {"reference": "Encounter/e-1"}}]},
    {"unheardOf": True},
    {"purpose": purposes("CAREMGT")},
    {"purpose": purposes("HRESCH", "CAREMGT")},
    {"purpose": [{"code": "HRESCH"}]},
    {"purpose": "HRESCH"},
    {"purpose": ["HRESCH"]},
    {"purpose": [{"system": 7, "code": "HRESCH"}]},
    {"securityLabel": labels("GENE")},
    {"class": classes("Observation")},
    {"class": [{"system": "urn:own", "code": "Encounter"}]},
    {"code": [concept("http://loinc.org", "1-1")]},
    {"code": [{"text": "everything"}]},
    {"action": [concept("http://terminology.hl7.org/CodeSystem/consentaction", "collect")]},
    {"action": [{"text": "look"}]},
    {"actor": [actor("Practitioner/d-9")]},
    {"actor": [actor("PractitionerRole/r-1")]},
    {"actor": [actor("RelatedPerson/r-1")]},
    {"actor": [actor("Group/g-1", concept(ROLE, "BILLER"))]},
    {"actor": [actor("https://elsewhere.example/Practitioner/d-1")]},
    {"actor": [actor("Practitioner/d-1", concept(ROLE, "JANITOR"))]},
    {"actor": [{"role": RECIPIENT}]},
    {"actor": [{}]},
    {"actor": [{**actor("Practitioner/d-1"), "modifierExtension": [{"url": "urn:x"}]}]},
    {"actor": [{"role": RECIPIENT, "reference": {"identifier": {"system": "urn:own", "value": "1"}}}]},
    {"period": {"start": "soon"}},
    {"period": "always"},
]


@pytest.mark.parametrize("terms", ODD_TERMS, ids=str)
def test_odd_terms_make_a_permit_nothing_and_a_denial_a_denial_of_everything(terms: dict[str, Any]) -> None:
    assert provisions(rule("permit", **terms)) == []
    assert provisions(rule("deny", **terms)) == ALL_DENIED
    assert provisions(rule("permit", rule("deny", **terms))) == ALL_DENIED
    assert provisions(rule("deny", rule("permit", **terms))) == [Provision(kind=OPT_IN)]
    assert provisions(rule("permit", rule("deny"), **terms)) == ALL_DENIED


@pytest.mark.parametrize(
    "changes",
    [
        {"modifierExtension": [{"url": "urn:x"}]},
        {"implicitRules": "urn:x"},
        {"scope": None},
        {"scope": {"text": "privacy"}},
        {"scope": concept("urn:own", "patient-privacy")},
        {"scope": "patient-privacy"},
        {"policyRule": {"coding": [*base("OPTIN")["coding"], *base("OPTOUT")["coding"]]}},
        {"policyRule": "OPTIN"},
    ],
    ids=str,
)
def test_an_odd_document_permits_nothing_and_denies_everything_where_it_denies_anything(
    changes: dict[str, Any],
) -> None:
    assert provisions(rule("deny", purpose=purposes("HRESCH")), **changes) == ALL_DENIED
    assert provisions(rule("deny", rule("permit")), **changes) == ALL_DENIED
    assert provisions(rule("permit", rule("deny")), **changes) == ALL_DENIED
    found = provisions(rule("permit"), **changes)
    assert found == (ALL_DENIED if "policyRule" in changes else [])


@pytest.mark.parametrize(
    "provision",
    [
        None,
        {},
        [],
        "deny",
        rule("maybe"),
        rule(None),
        rule("deny", rule(None)),
        rule("permit", rule("maybe")),
        rule("permit", rule("deny", rule("permit"))),
        rule("deny", rule("deny", rule("permit"))),
        {"type": "permit", "provision": {"type": "deny"}},
        {"type": "permit", "provision": ["deny"]},
    ],
    ids=str,
)
def test_a_document_without_a_plain_root_and_one_level_of_exceptions_denies_everything(provision: Any) -> None:
    found = provisions(provision)
    assert found == ALL_DENIED


def test_a_permit_with_exceptions_of_its_own_permits_nothing_within_a_denial() -> None:
    assert provisions(rule("deny", rule("permit", rule("deny")))) == [Provision(kind=OPT_IN)]


def test_a_denial_of_everything_lasts_as_long_as_the_consent() -> None:
    period = {"start": "2026-01-01T00:00:00Z", "end": "2026-02-01T00:00:00Z"}
    (consent,) = told(rule("deny", period=period, purpose=purposes("CAREMGT")))
    assert consent.provision == Provision(kind=DENY)
    assert (consent.start, consent.end) == (datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC))
    (forever,) = told(rule("deny", period={"end": "soon"}))
    assert (forever.start, forever.end) == (None, None)


def test_nesting_without_end_is_read_without_harm() -> None:
    deep = rule("deny")
    for _ in range(100_000):
        deep = rule("deny", deep)
    assert provisions(deep) == ALL_DENIED


def test_the_practitioners_named_at_any_depth_are_found() -> None:
    inner = rule("permit", rule("deny", actor=[actor("Practitioner/d-3"), actor("Organization/o-1")]))
    resource = {"provision": rule("deny", inner, actor=[actor("Practitioner/d-1")])}
    assert practitioners_of(resource, READING) == {"d-1", "d-3"}
    assert practitioners_of({}, READING) == practitioners_of({"provision": "x"}, READING) == frozenset()

"""Whatever JSON an EHR sends: it has a shape, what isn't read changes nothing, and one odd value costs no neighbour."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.fhir import FhirMapping
from connectors.fhir.attributes import RESOURCES, Reading
from connectors.fhir.datatypes import Malformed
from connectors.fhir.resources import reader
from connectors.fhir.shapes import SHAPES, Bundle, Entry, decoded, fitted
from portico.records.references import RecordType, SourceName
from portico.records.types import Record

READING: Final = Reading(
    source=SourceName("ehr"),
    mapping=FhirMapping.load(),
    base="https://ehr.example/r4/",
    retrieved_at=datetime(2026, 1, 5, tzinfo=UTC),
)
NAMES: Final = sorted(
    {name for served in RESOURCES.values() for each in served.attributes.values() for name in each.elements}
)
PARTS: Final = [
    "coding",
    "system",
    "code",
    "display",
    "text",
    "value",
    "use",
    "reference",
    "start",
    "end",
    "family",
    "given",
]

scalars = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**53), 2**53), st.floats(allow_nan=False, allow_infinity=False), st.text(),
    st.sampled_from(["old", "2026-01-05T12:00:00Z", "2026-02", "Patient/p-1", "Practitioner/d-1", "active", "F11.20",
                     "http://hl7.org/fhir/sid/icd-10-cm", "https://ehr.example/id/mrn"]),
)  # fmt: skip
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(PARTS) | st.text(), inner, max_size=4),
    max_leaves=12,
)
elements = st.dictionaries(st.sampled_from([*NAMES, "meta", "participant", "type"]), values, max_size=6)


def _resource(type_: RecordType, odd: dict[str, Any]) -> dict[str, Any]:
    served = RESOURCES[type_]
    about = {served.subject: {"reference": "Patient/p-1"}} if served.subject else {}
    return {**odd, "resourceType": served.type, "id": "x-1", **about}


def _read(type_: RecordType, attributes: frozenset[str], *resources: dict[str, Any]) -> list[tuple[Record, ...] | str]:
    """The records of an answer, or what is wrong with a resource."""
    entries = [{"resource": each} for each in resources]
    bundle = decoded(orjson.dumps({"entry": entries}), RESOURCES[type_].type)
    read, found = reader(type_, attributes, READING), list[tuple[Record, ...] | str]()
    for entry in bundle.entry:
        try:
            found.append(read(entry.resource))
        except Malformed as reason:
            found.append(str(reason))
    return found


@given(document=values)
@pytest.mark.parametrize("type_", [*SHAPES, "Consent"])
def test_any_json_has_a_shape(type_: str, document: Any) -> None:
    entry = {"entry": [{"resource": document}, document], "link": document}
    assert isinstance(decoded(orjson.dumps(document), type_), Bundle) == isinstance(document, dict)
    whole = decoded(orjson.dumps(entry), type_)
    assert isinstance(whole.entry[0], Entry)
    if type_ in SHAPES:
        assert whole.entry[0].resource == fitted(document, SHAPES[type_])
    else:
        assert whole.entry[0].resource == document


@given(odd=elements, unknown=values)
@pytest.mark.parametrize("type_", list(RESOURCES))
def test_what_is_not_read_of_a_resource_changes_nothing(type_: RecordType, odd: dict[str, Any], unknown: Any) -> None:
    attributes = frozenset(RESOURCES[type_].attributes)
    plain = _resource(type_, odd)
    beside = {"_ext": unknown, **plain, "extension": unknown, "contained": [plain]}
    first, second = _read(type_, attributes, plain, beside)
    assert first == second


@given(odd=elements, wanted=st.sets(st.integers(0, 12)))
@pytest.mark.parametrize("type_", list(RESOURCES))
def test_an_attribute_reads_the_same_whatever_else_is_wanted(
    type_: RecordType, odd: dict[str, Any], wanted: set[int]
) -> None:
    """Each by itself and all at once: one that can't be read costs no other, and a reader keeps nothing of a row."""
    names = list(RESOURCES[type_].attributes)
    some = frozenset(name for at, name in enumerate(names) if at in wanted)
    resource = _resource(type_, odd)
    (whole,) = _read(type_, frozenset(names), resource)
    again = _read(type_, some, _resource(type_, {}), resource, resource)[1:]
    assert again[0] == again[1]
    if isinstance(whole, str):
        assert again[0] == whole
        return
    for full, part in zip(whole, again[0], strict=True):
        assert isinstance(part, Record)
        assert (full.id, full.subject, full.labels) == (part.id, part.subject, part.labels)
        assert all(getattr(part, name) == (getattr(full, name) if name in some else None) for name in names)

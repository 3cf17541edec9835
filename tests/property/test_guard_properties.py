"""Whatever the policies answer: what they do not release in so many words is not in a release."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from portico.access.decisions import Decisions, Facts, Tally
from portico.access.engine import PolicyStatus, Rule, Verdict
from portico.access.guard import Case, Guard, Masked, Withheld
from portico.access.masks import Mask
from portico.access.principal import Caller, Principal, PrincipalKind, Purpose
from portico.access.tags import Coordinate, Tag, TagTable
from portico.records.references import PatientId, RecordId, RecordType, SourceName, Tenant
from portico.records.types import Patient
from portico.records.values import HumanName, Provenance

VALUES: dict[str, tuple[Tag, object]] = {
    "name": (Tag.DEMOGRAPHIC, HumanName(family="Canaryfamily", given=("Canarygiven",))),
    "birth_date": (Tag.DEMOGRAPHIC, "1980-07-10"),
    "mrn": (Tag.IDENTIFIER, "CANARY-MRN-1"),
    "ssn": (Tag.IDENTIFIER, "900-51-0001"),
    "phone": (Tag.CONTACT, "+1-555-0100-22"),
    "email": (Tag.CONTACT, "canary@canary.example"),
}
TAGS: TagTable = {
    "Patient": {
        "id": Coordinate("Patient.id", "id", Tag.PUBLIC, edge=False),
        "claims": Coordinate("Patient.claims", "claims", Tag.FINANCIAL, edge=True),
        **{name: Coordinate(f"Patient.{name}", name, tag, edge=False) for name, (tag, _) in VALUES.items()},
    }
}
RECORD = Patient(
    id=RecordId(RecordType.PATIENT, SourceName("ehr"), "pt-1"),
    provenance=Provenance(
        source="ehr", source_id="pt-1", retrieved_at=datetime(2026, 1, 1, tzinfo=UTC), mapping_version="1"
    ),
    subject="pt-1",
    **{name: value for name, (_, value) in VALUES.items()},  # type: ignore[arg-type]  # each of its own type
)
CASE = Case.of(RECORD, PatientId("p"), Facts(frozenset({"self"})))
CALLER = Caller(
    principal=Principal(
        subject="s", kind=PrincipalKind.PERSON, tenant=Tenant("t"), roles=frozenset(), purposes=frozenset(),
        client="c", expires_at=0,
    ),
    purpose=Purpose.TREATMENT,
    request_id="q",
    deadline=0,
)  # fmt: skip

TAG = st.sampled_from([*(tag.value for tag in Tag), "SECRET"])
MASK = st.sampled_from([*(mask.value for mask in Mask), "sepia"])
EFFECT = st.one_of(
    st.just({"effect": "allow"}),
    st.builds(lambda mask: {"effect": "mask", "mask": mask}, MASK),
    st.just({"effect": "mask"}),
    st.just({"effect": "deny", "reason": "no"}),
    st.just({"effect": "deny"}),
    st.just({"effect": "reveal"}),
    st.just({}),
)
ANSWER = st.fixed_dictionaries(
    {
        "visible": st.sampled_from([True, True, True, False, None, 1]),
        "allow": st.lists(TAG, max_size=9),
        "mask": st.dictionaries(TAG, MASK, max_size=3),
        "deny": st.dictionaries(TAG, st.just("no"), max_size=3),
        "overrides": st.dictionaries(st.sampled_from([one.name for one in TAGS["Patient"].values()]), EFFECT),
        "refuse": st.just({}),
        "step_up": st.just({}),
        "notices": st.just({}),
    }
)


class Fixed:
    """A policy engine with one answer."""

    revision = "r"

    def __init__(self, answer: Mapping[str, Any]) -> None:
        self._answer = answer

    @property
    def status(self) -> PolicyStatus:
        return PolicyStatus(revision=self.revision)

    async def ask(self, _: Rule, input_: Mapping[str, Any]) -> Verdict:
        return Verdict(dict.fromkeys(input_["classes"], self._answer), self.revision, "d")

    async def aclose(self) -> None:
        """Nothing is held."""


def _effect(answer: Mapping[str, Any], name: str, tag: Tag) -> str:
    """What the answer says of a coordinate, read by somebody who trusts nothing in it."""
    override = answer["overrides"].get(f"Patient.{name}")
    if override is not None:
        if override.get("effect") == "mask":
            return "mask" if override.get("mask") in [mask.value for mask in Mask] else "deny"
        return "allow" if override.get("effect") == "allow" else "deny"
    if tag in answer["deny"] or answer["mask"].get(tag, "year") not in [mask.value for mask in Mask]:
        return "deny"
    return "mask" if tag in answer["mask"] else "allow" if tag in answer["allow"] else "deny"


@settings(derandomize=True, deadline=None, max_examples=300)
@given(answer=ANSWER, wanted=st.frozensets(st.sampled_from(sorted([*TAGS["Patient"], "subject", "labels"]))))
async def test_a_release_holds_what_the_policies_say_and_nothing_else(
    answer: Mapping[str, Any], wanted: frozenset[str]
) -> None:
    guard = Guard(Decisions(Fixed(answer)), TAGS, mask_secret=bytes(range(32)))
    (released,) = await guard.release(CALLER, [CASE], wanted, Tally())
    if answer["visible"] is not True or _effect(answer, "id", Tag.PUBLIC) != "allow":
        assert released is None
        return
    assert released is not None
    assert released.values.keys() == wanted & (VALUES.keys() | {"id"})
    for name, value in released.values.items():
        tag = TAGS["Patient"][name].tag
        match _effect(answer, name, tag):
            case "allow":
                assert value == getattr(RECORD, name)
            case "mask":
                assert isinstance(value, Masked | Withheld)
                assert not isinstance(value, Masked) or value.value != getattr(RECORD, name)
            case _:
                assert isinstance(value, Withheld)
    follows = _effect(answer, "claims", Tag.FINANCIAL) == "allow"
    assert (released.denied.keys() == {"claims"}) is ("claims" in wanted and not follows)


@settings(derandomize=True, deadline=None, max_examples=200)
@given(answer=ANSWER)
async def test_no_withheld_value_is_anywhere_in_a_release(answer: Mapping[str, Any]) -> None:
    guard = Guard(Decisions(Fixed(answer)), TAGS, mask_secret=bytes(range(32)))
    (released,) = await guard.release(CALLER, [CASE], frozenset(TAGS["Patient"]), Tally())
    for name, (tag, value) in VALUES.items():
        if released is None or _effect(answer, name, tag) == "deny":
            told = "" if released is None else repr(released.values[name])
            assert str(value) not in told

"""Who sees what, as a privacy officer would write it down: the independent policy table.

Written by hand from what the roles are for. Nothing of `policies/` is read here, neither rules nor tables: where the
two disagree, one of them is wrong.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final, NamedTuple

ALL_LABELS: Final = frozenset(["N", "R", "V", "PSY", "HIV", "SUD", "RPRO", "VIP", "EMP", "minor-confidential"])

CHART: Final = {
    "Patient": "id name birthDate gender language deceased mrn ssn identifiers phone email address provenance "
    "generalPractitioner managingOrganization careTeam coverages appointments encounters claims",
    "CareTeamMember": "role period provenance practitioner",
    "Appointment": "id start end status serviceType reason provenance patient practitioner location encounter claims",
    "Encounter": "id status class serviceType period reasons provenance patient practitioner location organization "
    "appointment claims",
    "Coverage": "id status payer memberId plan period provenance patient",
    "Claim": "id status type created servicePeriod diagnoses lines billed allowed paid patientResponsibility "
    "provenance patient provider coverage encounter appointment",
}
"""Everything in a chart, by type."""

CLINIC: Final = {
    "Viewer": "subject kind roles purpose tenant",
    "Practitioner": "id name npi specialty active",
    "Organization": "id name phone address",
    "Location": "id name site phone address",
}
"""What anyone may know of a clinic; where each record comes from is nobody's business."""

DIARY: Final = {"Slot": "id start end status serviceType practitioner location"}
LOOKED: Final = {"Access": "at purpose who client released sources disclosure"}
BROKEN: Final = {"EmergencyAccess": "id at endsAt endedAt who patientId reviewedAt"}
SAID: Final = {"Consent": "id kind purposes roles tags sensitivities parties period recordedAt revokedAt provenance"}


class Effect(NamedTuple):
    """What becomes of a field: released in full, through a mask, or not, for a reason.

    `searchable`: a filter or an order may use it.
    """

    mask: str | None = None
    reason: str | None = None
    searchable: bool = True

    @property
    def released(self) -> bool:
        """Whether anything of it is."""
        return self.reason is None


PLAIN: Final = Effect()
NOT_NEEDED: Final = Effect(reason="minimum_necessary", searchable=False)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Line:
    """Of these patients (None: of anyone) these types, where all labels are cleared, and what of them in full.

    `masks` are shown through a mask, `never` is withheld for a reason of its own, `stepped_up` asks for a recent
    sign-in: the personas' is, so it is shown, but nothing can be searched by it.
    """

    of: frozenset[str] | None
    labels: frozenset[str]
    full: Mapping[str, frozenset[str]]
    masks: Mapping[str, str] = field(default_factory=dict)
    never: Mapping[str, str] = field(default_factory=dict)
    stepped_up: frozenset[str] = frozenset()


def _line(
    of: str | None,
    labels: str | frozenset[str],
    *parts: Mapping[str, str],
    without: str = "",
    masks: Mapping[str, str] | None = None,
    never: Mapping[str, str] | None = None,
    stepped_up: str = "",
) -> Line:
    gone, masks, never = set(without.split()), masks or {}, never or {}
    full = {
        type_: frozenset(
            name
            for name in names.split()
            if not {f"{type_}.{name}", f"*.{name}"} & (gone | masks.keys() | never.keys())
        )
        for part in parts
        for type_, names in part.items()
    }
    cleared = labels if isinstance(labels, frozenset) else frozenset(labels.split())
    return Line(
        of=None if of is None else frozenset(of.split()),
        labels=cleared,
        full=full,
        masks=masks,
        never=never,
        stepped_up=frozenset(stepped_up.split()),
    )


def _only(*types: str) -> dict[str, str]:
    return {type_: CHART[type_] for type_ in types}


_ANYONE: Final = _line(None, ALL_LABELS, CLINIC)
_ANYONE_WHO_BOOKS: Final = _line(None, ALL_LABELS, CLINIC, DIARY)
_PARENTS: Final = "N R V PSY VIP EMP"
_OWN_EDGES: Final = {"Patient": "id accesses emergencyAccesses consents"}
_LAST_FOUR: Final = {"Patient.ssn": "last4"}
_REPEATS: Final = {"Patient.identifiers": "repeats_masked_value"}

TABLE: Final[Mapping[tuple[str, str], tuple[Line, ...]]] = {
    ("patient", "PATRQT"): (
        _ANYONE_WHO_BOOKS,
        _line("self", ALL_LABELS, CHART, LOOKED, BROKEN, SAID),
        _line("self", ALL_LABELS, _OWN_EDGES),
    ),
    ("guardian", "PATRQT"): (
        _ANYONE_WHO_BOOKS,
        _line("guardian", _PARENTS, CHART, LOOKED, BROKEN, SAID),
        _line("guardian", _PARENTS, _OWN_EDGES),
    ),
    ("physician", "TREAT"): (
        _ANYONE_WHO_BOOKS,
        _line("care_team scheduled", ALL_LABELS - {"V"}, CHART, masks=_LAST_FOUR, never=_REPEATS),
    ),
    ("physician", "ETREAT"): (
        _ANYONE_WHO_BOOKS,
        _line(
            "emergency",
            ALL_LABELS,
            _only("Patient", "CareTeamMember", "Appointment", "Encounter", "Coverage"),
            BROKEN,
            without="*.claims",
            masks=_LAST_FOUR,
            never=_REPEATS,
            stepped_up="CareTeamMember.role CareTeamMember.period CareTeamMember.practitioner Patient.careTeam "
            "Appointment.reason Encounter.serviceType Encounter.reasons",
        ),
    ),
    ("front-desk", "HOPERAT"): (
        _ANYONE_WHO_BOOKS,
        _line(
            "same_organization scheduled",
            "N",
            _only("Patient", "Appointment", "Encounter"),
            without="*.provenance *.claims Patient.careTeam Patient.coverages Appointment.reason "
            "Encounter.serviceType Encounter.reasons",
            masks=_LAST_FOUR,
            never=_REPEATS,
        ),
    ),
    ("biller", "HPAYMT"): (
        _ANYONE,
        _line(
            "same_organization",
            "N R",
            _only("Patient", "Appointment", "Encounter", "Coverage", "Claim"),
            without="Patient.phone Patient.email Patient.careTeam Appointment.reason Encounter.serviceType "
            "Encounter.reasons",
        ),
    ),
    ("researcher", "HRESCH"): (
        _ANYONE,
        _line(
            None,
            "N",
            CHART,
            without="*.provenance Patient.name Patient.mrn Patient.ssn Patient.identifiers Patient.phone "
            "Patient.email Patient.address",
            masks={
                "Patient.birthDate": "year",
                "CareTeamMember.period": "shift",
                "Appointment.start": "shift",
                "Appointment.end": "shift",
                "Encounter.period": "shift",
                "Coverage.period": "shift",
                "Claim.created": "shift",
                "Claim.servicePeriod": "shift",
                "Claim.lines": "shift",
            },
            never={"Appointment.reason": "free_text", "Coverage.memberId": "identifies_the_patient"},
        ),
    ),
    ("auditor", "HOPERAT"): (_ANYONE, _line(None, ALL_LABELS, LOOKED)),
    ("privacy-officer", "HOPERAT"): (
        _ANYONE,
        _line(None, ALL_LABELS, {"EmergencyAccess": BROKEN["EmergencyAccess"] + " reason reviewer verdict note"}),
    ),
    ("operator", "HOPERAT"): (
        _line(None, ALL_LABELS, {"Viewer": CLINIC["Viewer"], "Source": "name status latencyMilliseconds serves"}),
    ),
    ("website", "HOPERAT"): (_ANYONE_WHO_BOOKS,),
}
"""By role and purpose."""

OPT_IN_PURPOSES: Final = frozenset({"HRESCH", "HMARKT"})
"""Nothing is told for these without a permit."""
OPT_IN_LABELS: Final = frozenset({"SUD"})
"""Nothing of records with these without a permit that names the label (42 CFR 2.31)."""
UNASKED: Final[Mapping[str, frozenset[str]]] = {
    "PATRQT": frozenset({"self", "guardian"}),
    "ETREAT": frozenset({"emergency"}),
}
"""Where a patient's consent does not matter: to themselves, to who acts for them, and when their life is at stake."""
CONSENTED_TO: Final = frozenset(CHART)
"""The types to which consent applies."""
PURPOSES: Final = frozenset(["TREAT", "ETREAT", "HPAYMT", "HOPERAT", "PATRQT", "HRESCH", "PUBHLTH", "HMARKT"])
TAGS: Final = frozenset(
    [
        "PUBLIC",
        "SCHEDULING",
        "DEMOGRAPHIC",
        "CONTACT",
        "IDENTIFIER",
        "COVERAGE",
        "FINANCIAL",
        "CLINICAL",
        "COMMUNICATION",
        "OPERATIONAL",
        "ACCESS",
    ]
)
ROLES: Final = frozenset(role for role, _ in TABLE)


def lines_for(
    role: str, purpose: str, type_: str, relationships: frozenset[str], labels: frozenset[str]
) -> Iterator[Line]:
    """The lines that show such a record to such a person. To one's own record one is nothing but the patient."""
    standing = frozenset({"self"}) if "self" in relationships else relationships
    for line in TABLE.get((role, purpose), ()):
        near = line.of is None or not line.of.isdisjoint(standing)
        if type_ in line.full and near and labels <= line.labels:
            yield line


@lru_cache(maxsize=10_000)
def effect_of(lines: tuple[Line, ...], type_: str, name: str) -> Effect:
    """What these lines make of a field."""
    coordinate = f"{type_}.{name}"
    for line in lines:
        if coordinate in line.never:
            return Effect(reason=line.never[coordinate], searchable=False)
    for line in lines:
        if coordinate in line.masks:
            return Effect(mask=line.masks[coordinate], searchable=False)
    for line in lines:
        if name in line.full[type_]:
            return Effect(searchable=coordinate not in line.stepped_up)
    return NOT_NEEDED

"""The billing system's own codes for what the population says in FHIR's words."""

from __future__ import annotations

from typing import Final

STATUSES: Final = {
    "draft": "NW",
    "submitted": "SB",
    "accepted": "AC",
    "pended": "PE",
    "paid": "PD",
    "denied": "DN",
    "cancelled": "VD",
}
PATIENT_OWES: Final = "PP"
"""The status of a paid claim of which the patient still owes a part."""

TYPES: Final = {"professional": "P", "institutional": "I", "pharmacy": "R", "oral": "D", "vision": "V"}

DIAGNOSIS_QUALIFIERS: Final = {
    "http://hl7.org/fhir/sid/icd-10-cm": "ABF",
    "http://hl7.org/fhir/sid/icd-9-cm": "BF",
    "http://snomed.info/sct": "SCT",
}
PRINCIPAL: Final = {"ABF": "ABK", "BF": "BK"}
"""The first diagnosis of a claim has a qualifier of its own (X12 837, HI segment)."""

SERVICE_TYPES: Final = {
    "http://www.ama-assn.org/go/cpt": "C",
    "https://www.cms.gov/Medicare/Coding/HCPCSReleaseCodeSets": "H",
    "http://www.ada.org/cdt": "D",
    "http://www.nlm.nih.gov/research/umls/rxnorm": "N",
    "http://hl7.org/fhir/sid/cvx": "I",
    "http://snomed.info/sct": "S",
}

OTHER_DIAGNOSIS: Final = "ZZ"
OTHER_SERVICE: Final = "Z"

SENSITIVITIES: Final = {
    "R": "R",
    "V": "V",
    "PSY": "P",
    "HIV": "H",
    "SUD": "S",
    "RPRO": "G",
    "VIP": "E",
    "minor-confidential": "M",
}

SEXES: Final = {"male": "M", "female": "F", "other": "O", "unknown": "U"}

"""The codes from which synthetic care is made: problems, services, procedures, payers, specialties."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from sandbox.population.model import Code

SNOMED: Final = "http://snomed.info/sct"
ICD_10: Final = "http://hl7.org/fhir/sid/icd-10-cm"
CPT: Final = "http://www.ama-assn.org/go/cpt"
TAXONOMY: Final = "http://nucc.org/provider-taxonomy"
ENCOUNTER_CLASS: Final = "http://terminology.hl7.org/CodeSystem/v3-ActCode"


@dataclass(frozen=True, slots=True)
class Problem:
    """Why someone comes: in their words, in the chart's code, and in the claim's code."""

    complaint: str
    finding: Code
    diagnosis: Code


@dataclass(frozen=True, slots=True)
class Payer:
    """An insurer, with its electronic payer id and the plans that it sells."""

    name: str
    code: str
    plans: tuple[str, ...]


def _problem(complaint: str, snomed: str, finding: str, icd: str, diagnosis: str) -> Problem:
    return Problem(complaint, Code(system=SNOMED, code=snomed, display=finding),
                   Code(system=ICD_10, code=icd, display=diagnosis))  # fmt: skip


PROBLEMS: Final = (
    _problem("Blood pressure follow-up", "38341003", "Hypertensive disorder", "I10", "Essential hypertension"),
    _problem("Sugar too high at home", "44054006", "Diabetes mellitus type 2", "E11.9", "Type 2 diabetes"),
    _problem("Cough for two weeks", "10509002", "Acute bronchitis", "J20.9", "Acute bronchitis, unspecified"),
    _problem("Sore throat and fever", "195662009", "Acute viral pharyngitis", "J02.9", "Acute pharyngitis"),
    _problem("Headache with light sensitivity", "37796009", "Migraine", "G43.909", "Migraine, not intractable"),
    _problem("Back pain after lifting", "279039007", "Low back pain", "M54.50", "Low back pain, unspecified"),
    _problem("Wheezing at night", "195967001", "Asthma", "J45.909", "Asthma, uncomplicated"),
    _problem("Heartburn after meals", "235595009", "Gastroesophageal reflux disease", "K21.9", "Reflux disease"),
    _problem("Tired and cold all day", "40930008", "Hypothyroidism", "E03.9", "Hypothyroidism, unspecified"),
)
LOW_MOOD: Final = _problem("Low mood, sleeps badly", "35489007", "Depressive disorder", "F32.A", "Depression")

SERVICES: Final = (
    Code(system=SNOMED, code="185349003", display="Encounter for check up"),
    Code(system=SNOMED, code="185345009", display="Encounter for symptom"),
    Code(system=SNOMED, code="390906007", display="Follow-up encounter"),
    Code(system=SNOMED, code="162673000", display="General examination of patient"),
)

OFFICE_VISIT: Final = Code(system=CPT, code="99213", display="Office visit, known patient")
PROCEDURES: Final = (
    Code(system=CPT, code="36415", display="Blood draw"),
    Code(system=CPT, code="80053", display="Metabolic panel"),
    Code(system=CPT, code="85025", display="Blood count with differential"),
    Code(system=CPT, code="93000", display="Electrocardiogram with report"),
    Code(system=CPT, code="94010", display="Spirometry"),
)

PAYERS: Final = (
    Payer("Blue Heron Mutual", "BHM01", ("Heron Choice PPO", "Heron Core HMO")),
    Payer("Granite State Health", "GSH77", ("Granite Gold", "Granite Silver")),
    Payer("Union Benefit Trust", "UBT20", ("UBT Family", "UBT Single")),
)
SENIOR_PLAN: Final = Payer("Federal Senior Plan", "FSP65", ("Senior Part B",))

SPECIALTIES: Final = (
    Code(system=TAXONOMY, code="207Q00000X", display="Family Medicine"),
    Code(system=TAXONOMY, code="207R00000X", display="Internal Medicine"),
    Code(system=TAXONOMY, code="207RC0000X", display="Cardiovascular Disease"),
    Code(system=TAXONOMY, code="207N00000X", display="Dermatology"),
    Code(system=TAXONOMY, code="2084P0800X", display="Psychiatry"),
    Code(system=TAXONOMY, code="363LF0000X", display="Family Nurse Practitioner"),
    Code(system=TAXONOMY, code="208000000X", display="Pediatrics"),
)

AMBULATORY: Final = Code(system=ENCOUNTER_CLASS, code="AMB", display="ambulatory")
EMERGENCY: Final = Code(system=ENCOUNTER_CLASS, code="EMER", display="emergency")

PRIMARY_CARE: Final = Code(system=SNOMED, code="446050000", display="Primary care provider")
PHYSICIAN: Final = Code(system=SNOMED, code="309343006", display="Physician")

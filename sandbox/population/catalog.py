"""The codes from which synthetic care is made: problems, services, procedures, payers, specialties."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from sandbox.population.model import Code

SNOMED: Final = "http://snomed.info/sct"
ICD_10: Final = "http://hl7.org/fhir/sid/icd-10-cm"
CPT: Final = "http://www.ama-assn.org/go/cpt"
HCPCS: Final = "https://www.cms.gov/Medicare/Coding/HCPCSReleaseCodeSets"
TAXONOMY: Final = "http://nucc.org/provider-taxonomy"
ENCOUNTER_CLASS: Final = "http://terminology.hl7.org/CodeSystem/v3-ActCode"


@dataclass(frozen=True, slots=True)
class Problem:
    """Why someone comes: in their words, in the chart's code, and in the claim's code.

    `service` is what the visit is for, `procedure` what is billed; None: anything, and an office visit.
    """

    complaint: str
    finding: Code
    diagnosis: Code
    service: Code | None = None
    procedure: Code | None = None


@dataclass(frozen=True, slots=True)
class Payer:
    """An insurer, with its electronic payer id and the plans that it sells."""

    name: str
    code: str
    plans: tuple[str, ...]


def _treated(problem: Problem, snomed: str, service: str, procedure: Code) -> Problem:
    """A problem that is treated in a way of its own."""
    return replace(problem, service=Code(system=SNOMED, code=snomed, display=service), procedure=procedure)


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
"""Every source flags it; what makes the following sensitive stands in their codes alone."""
WORRIES: Final = _treated(
    _problem("Worries all day", "21897009", "Generalized anxiety disorder", "F41.1", "Generalized anxiety disorder"),
    "75516001", "Psychotherapy", Code(system=CPT, code="90834", display="Psychotherapy, 45 minutes"),
)  # fmt: skip
CRAVINGS: Final = _treated(
    _problem("Cravings are back", "75544000", "Opioid dependence", "F11.20", "Opioid dependence, uncomplicated"),
    "266707007", "Drug addiction therapy", Code(system=HCPCS, code="H0020", display="Methadone administration"),
)  # fmt: skip
VIRAL_LOAD: Final = _treated(
    _problem("Results of the blood test", "86406008", "HIV infection", "B20", "HIV disease"),
    "313077009", "HIV counseling", Code(system=CPT, code="87536", display="HIV-1 quantification"),
)  # fmt: skip
PREGNANCY: Final = _treated(
    _problem("Twelve weeks along", "77386006", "Pregnant", "Z34.01", "Supervision of first pregnancy"),
    "424619006", "Prenatal visit", Code(system=CPT, code="59425", display="Antepartum care"),
)  # fmt: skip
CONTRACEPTION: Final = _treated(
    _problem("Wants to talk about the pill", "389095005", "Contraception care", "Z30.09", "Contraceptive counseling"),
    "389095005", "Contraception care", Code(system=HCPCS, code="J1050", display="Contraceptive injection"),
)  # fmt: skip
SENSITIVE_PROBLEMS: Final = (LOW_MOOD, WORRIES, CRAVINGS, VIRAL_LOAD, PREGNANCY, CONTRACEPTION)

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

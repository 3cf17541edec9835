"""The people on whom tests and personas rely, each at a known key with a known peculiarity."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

GUARDIAN_SUBJECT: Final = "usr-guardian"
"""The token subject of the guardian of the children."""

PHYSICIAN: Final = "doc-1"
"""The practitioner who is the physician of the personas."""


class Planted(StrEnum):
    """A person's key, named for what is peculiar about them. Earlier ones are planted first."""

    PATIENT = "patient"
    """Who the patient persona is: every kind of visit and claim, one of them in the hour that clocks repeat."""
    ELDER_CHILD = "elder-child"
    YOUNGER_CHILD = "younger-child"
    """Both children have the guardian persona as their guardian."""
    STRANGER = "stranger"
    """Of the other organization (where there is one), never seen by the physician persona."""
    REFERRED = "referred"
    """Not of the physician's care team, but booked with them."""
    MISSPELT = "misspelt"
    """Billing misspells the family name, with the right MRN: to be linked."""
    SHARED_MEMBER = "shared-member"
    """Billing has somebody else under this person's member number: not to be linked."""
    DECEASED = "deceased"
    NAMESAKE = "namesake"
    OTHER_NAMESAKE = "other-namesake"
    """Same name and birth date as the namesake; billing has no identifier of either."""
    UNSCHEDULED = "unscheduled"
    """Unknown to the scheduling vendor: walks in."""
    UNCHARTED = "uncharted"
    """Unknown to the EHR: booked and billed only."""
    EMPLOYEE = "employee"
    """One of the clinic's practitioners, as a patient."""
    GROWN_WARD = "grown-ward"
    """Was the guardian's ward until they came of age."""
    SENSITIVE = "sensitive"
    """Has a visit labelled PSY."""
    RESTRICTED = "restricted"
    """The whole record is labelled VIP."""
    ACCENTED = "accented"
    APOSTROPHE = "apostrophe"
    MARKUP = "markup"
    SPREADSHEET = "spreadsheet"
    SEGMENTED = "segmented"
    """Names that are HTML, a spreadsheet formula, and HL7 v2 delimiters."""
    SURVIVOR = "survivor"
    MERGED = "merged"
    """One person charted twice: the EHR has merged this record into the survivor's."""
    NEARLY_OF_AGE = "nearly-of-age"
    """A ward of the guardian persona who comes of age soon, and once came about contraception."""
    IN_TREATMENT = "in-treatment"
    """Treated for a substance use disorder, and permits the physician persona to know it."""
    LIVING_WITH_HIV = "living-with-hiv"
    EXPECTING = "expecting"
    """Theirs are visits that only the codes in the three systems tell to be sensitive."""
    REFUSING_CLINIC = "refusing-clinic"
    """Denies everything to the organization that treats them."""
    SELF_PAYER = "self-payer"
    """Denies what is done for payment."""
    OPTING_IN = "opting-in"
    """Denies everything but treatment by the physician persona."""
    LAPSED = "lapsed"
    """Permitted research until a month ago."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Peculiarity:
    """How a planted person differs from anyone else. `doctor` counts from 0, negative from the end."""

    family: str | None = None
    given: str | None = None
    age_years: int | None = None
    doctor: int | None = None
    labels: tuple[str, ...] = ()
    story: tuple[str, ...] = ()
    """What becomes of their visits, by appointment status; `booked` ones lie ahead. Empty: left to chance."""
    known_to: frozenset[str] = field(default=frozenset({"ehr", "scheduling", "billing"}))
    deceased: bool = False
    of_age_in_days: int | None = None
    """In how many days they come of age; it outweighs `age_years`."""
    replaced_by: Planted | None = None


_ONCE: Final = ("fulfilled", "booked")
_TWICE: Final = ("fulfilled", "fulfilled", "booked")
_PATIENTS_STORY: Final = (*("fulfilled",) * 4, "cancelled", "noshow", "booked", "booked")

PECULIARITIES: Final[dict[Planted, Peculiarity]] = {
    Planted.PATIENT: Peculiarity(age_years=46, doctor=0, story=_PATIENTS_STORY),
    Planted.ELDER_CHILD: Peculiarity(family="Lindqvist", age_years=11, doctor=1),
    Planted.YOUNGER_CHILD: Peculiarity(family="Lindqvist", age_years=7, doctor=1),
    Planted.STRANGER: Peculiarity(age_years=58, doctor=-1),
    Planted.REFERRED: Peculiarity(age_years=63, doctor=2, story=_ONCE),
    Planted.MISSPELT: Peculiarity(family="Schwarzenbach", age_years=39, doctor=0, story=_TWICE),
    Planted.SHARED_MEMBER: Peculiarity(age_years=51, story=_TWICE),
    Planted.DECEASED: Peculiarity(age_years=84, doctor=0, deceased=True),
    Planted.NAMESAKE: Peculiarity(family="Reyes", given="Daniel", age_years=33, doctor=0),
    Planted.OTHER_NAMESAKE: Peculiarity(family="Reyes", given="Daniel", age_years=33, doctor=1),
    Planted.UNSCHEDULED: Peculiarity(age_years=29, doctor=0, known_to=frozenset({"ehr", "billing"})),
    Planted.UNCHARTED: Peculiarity(age_years=44, doctor=0, known_to=frozenset({"scheduling", "billing"})),
    Planted.EMPLOYEE: Peculiarity(age_years=41, doctor=0, labels=("EMP",)),
    Planted.GROWN_WARD: Peculiarity(age_years=19, doctor=1),
    Planted.SENSITIVE: Peculiarity(age_years=36, doctor=0, story=_TWICE),
    Planted.RESTRICTED: Peculiarity(age_years=55, doctor=0, labels=("VIP",)),
    Planted.ACCENTED: Peculiarity(family="Ångström-Nuñez", given="Zoë"),
    Planted.APOSTROPHE: Peculiarity(family="O'Shaughnessy", given="D'Arcy"),
    Planted.MARKUP: Peculiarity(family="<script>alert(1)</script>", given="<b>Bo</b>"),
    Planted.SPREADSHEET: Peculiarity(family="=HYPERLINK(0)", given='",Ann\r\n@SUM(1)'),
    Planted.SEGMENTED: Peculiarity(family="Pike^O&B|~\\F\\", given="Lee\rOBX|1"),
    Planted.SURVIVOR: Peculiarity(family="Okonkwo", given="Grace", age_years=48, doctor=0),
    Planted.MERGED: Peculiarity(
        family="Okonkwo", given="Grace", age_years=48, doctor=0, story=_ONCE, replaced_by=Planted.SURVIVOR
    ),
    Planted.NEARLY_OF_AGE: Peculiarity(family="Lindqvist", age_years=17, doctor=1, story=_TWICE, of_age_in_days=10),
    Planted.IN_TREATMENT: Peculiarity(age_years=34, doctor=0, story=_TWICE),
    Planted.LIVING_WITH_HIV: Peculiarity(age_years=45, doctor=0, story=_TWICE),
    Planted.EXPECTING: Peculiarity(age_years=31, doctor=0, story=_TWICE),
    Planted.REFUSING_CLINIC: Peculiarity(age_years=52, doctor=0, story=_TWICE),
    Planted.SELF_PAYER: Peculiarity(age_years=38, doctor=0, story=_TWICE),
    Planted.OPTING_IN: Peculiarity(age_years=60, doctor=0, story=_TWICE),
    Planted.LAPSED: Peculiarity(age_years=49, doctor=0, story=_TWICE),
}

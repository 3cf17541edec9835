"""What the EHR tells of a patient that decides besides relationships: labels and consents, read plainly."""

from __future__ import annotations

from datetime import UTC, date, datetime

from portico.records.consent import ConsentKind, Provision
from portico.records.references import RecordType
from portico.records.types import Record
from sandbox.population.model import Person, Population
from tests.contract.truth import Truth

JUDGED = {RecordType.ENCOUNTER, RecordType.APPOINTMENT, RecordType.CLAIM}
"""Types of which every record carries a label."""


class Told:
    """One tenant's EHR, asked how sensitive something is and what its patient said."""

    def __init__(self, population: Population, ehr: Truth) -> None:
        self._population = population
        self._consents = ehr.consents
        self._of_visit: dict[str | None, frozenset[str]] = {}
        for visit in ehr.sensitive_visits:
            self._of_visit[visit.visit] = self._of_visit.get(visit.visit, frozenset()) | visit.labels

    def labels(self, record: Record, person: Person) -> frozenset[str]:
        """What restricts a record: its own labels, its patient's, its visit's, and that an adolescent may keep it."""
        labels = record.labels | set(person.labels) | self._of_visit.get(getattr(record, "visit", None), frozenset())
        if record.type in JUDGED and not record.labels:
            labels |= {"R"}
        if 12 <= _age(person) < 18 and labels & {"PSY", "HIV", "SUD", "RPRO"}:
            labels |= {"minor-confidential"}
        restricting = labels - {"N"}
        return restricting or (frozenset({"N"}) if record.type in JUDGED else frozenset())

    def consent(self, person: Person, parties: set[str]) -> frozenset[Provision]:
        """What a person said that holds now, of everyone or of one of these parties.

        What they refused in a record that was merged into theirs is refused here too.
        """
        now = datetime.now(UTC)
        merged = {one.ehr_id for one in self._population.people if one.replaced_by == person.key}
        return frozenset(
            one.provision
            for one in self._consents
            if one.source_id == person.ehr_id
            or (one.source_id in merged and one.provision.kind is not ConsentKind.PERMIT)
            if (one.start is None or one.start <= now) and (one.end is None or now <= one.end)
            if not one.parties or one.parties & parties
        )


def _age(person: Person) -> int:
    born, today = date.fromisoformat(person.birth_date), datetime.now(UTC).date()
    return today.year - born.year - ((today.month, today.day) < (born.month, born.day))

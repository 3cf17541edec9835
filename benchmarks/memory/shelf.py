"""What stands in for sources and crosswalk: look-ups in dictionaries, so that only answering is measured."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime

from benchmarks.memory.rows import SOURCES, key
from connectors.memory.connector import MemoryConnector
from portico.access.decisions import Facts
from portico.access.principal import Principal
from portico.records.context import CallContext
from portico.records.references import By, PatientId, RecordType, SourceName
from portico.records.search import Hit, Page, Search
from portico.records.types import Patient, Record
from portico.store.crosswalk import Standing


class Shelf(MemoryConnector):
    """A source in memory whose records lie ready by patient, whole; patients come by family name.

    Every patient is of the one organization, so a search has nothing to leave out. A position is a row's number.
    """

    def __init__(self, source: SourceName, records: Iterable[Record]) -> None:
        held = tuple(records)
        super().__init__(source, held, batch_limit=1_000)
        self._of: dict[tuple[RecordType, str], list[Record]] = {}
        for record in held:
            self._of.setdefault((record.type, record.subject or ""), []).append(record)
        patients = [record for record in held if isinstance(record, Patient)]
        patients.sort(key=lambda one: (one.name.family or "" if one.name else "", one.id.value))
        self._hits = [Hit(record, str(number)) for number, record in enumerate(patients)]

    async def find(self, call: CallContext, type_: RecordType, by: By, keys: Sequence[str]) -> Sequence[Record]:  # noqa: ARG002  the contract's
        """The records of these patients."""
        return [record for one in keys for record in self._of.get((type_, one), ())]

    async def search(self, call: CallContext, search: Search) -> Page:  # noqa: ARG002  the contract's
        """The page of patients after the position."""
        start = 0 if search.after is None else int(search.after) + 1
        return Page(tuple(self._hits[start : start + search.limit]), more=start + search.limit < len(self._hits))


class Register:
    """A crosswalk in which everybody is linked, and a patient of the caller's own organization."""

    def __init__(self, patients: int) -> None:
        facts = Facts(frozenset({"same_organization"}))
        standings = [
            Standing(_canonical(number), facts, {source: (key(source, number),) for source in SOURCES})
            for number in range(patients)
        ]
        self._by_patient = {one.patient: one for one in standings}
        self._by_id = {(source, ids[0]): one for one in standings for source, ids in one.sources.items()}

    async def standings(
        self,
        principal: Principal,  # noqa: ARG002  the contract's
        *,
        source: SourceName,
        source_ids: Collection[str],
        at: datetime,  # noqa: ARG002  the contract's
    ) -> Mapping[str, Standing]:
        """By a source's ids."""
        return {id_: self._by_id[source, id_] for id_ in source_ids}

    async def standings_of(
        self,
        principal: Principal,  # noqa: ARG002  the contract's
        patients: Collection[PatientId],
        *,
        at: datetime,  # noqa: ARG002  the contract's
    ) -> Mapping[PatientId, Standing]:
        """By canonical id."""
        return {patient: self._by_patient[patient] for patient in patients}

    async def related(
        self,
        principal: Principal,  # noqa: ARG002  the contract's
        relationships: Collection[str],  # noqa: ARG002  the contract's
        *,
        at: datetime,  # noqa: ARG002  the contract's
        limit: int,
    ) -> Sequence[Standing]:
        """Everybody."""
        return list(self._by_patient.values())[:limit]


def _canonical(number: int) -> PatientId:
    return PatientId(f"00000000-0000-4000-8000-{number:012}")

"""AUDIT-BEFORE: what reached a client stands in a committed row that is no younger than the answer's first byte."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime

from portico.audit.entry import AuditEntry
from portico.records.references import PatientId
from sandbox.population.canary import Canary


def unrecorded(
    read: Iterable[str],
    canaries: Mapping[str, Canary],
    patients: Mapping[str, PatientId],
    entries: Collection[AuditEntry],
) -> set[str]:
    """The canaries among those that one actor read that no entry of theirs accounts for.

    An entry accounts for a canary where it names its patient and one of its coordinates as released, masked or not (a
    mask leaves something). `patients` are the canonical ids by a person's key; a canary of nobody known is never
    accounted for.
    """
    told = {
        (patient, coordinate)
        for entry in entries
        for patient in entry.patients
        for coordinate in entry.released | entry.masked
    }
    return {
        text
        for text in read
        if not any(
            (patients.get(canaries[text].person), coordinate) in told for coordinate in canaries[text].coordinates
        )
    }


def late(first_bytes: Mapping[str, datetime], committed: Mapping[str, datetime]) -> set[str]:
    """The requests, by id, whose row is missing or was committed after the first byte of their answer."""
    return {name for name, began in first_bytes.items() if name not in committed or committed[name] > began}

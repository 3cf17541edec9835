"""How sensitive a record is: its own labels, those that it inherits, and what its patient's age makes of them.

Which codes make which label stands in `sensitivity.toml`, beside this module; connectors apply it on ingest.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, TypeAlias

from portico.records.codesets import CodeSets
from portico.records.references import RecordType
from portico.records.types import Record

Code: TypeAlias = tuple[str | None, str | None]
"""A code system, and a code of it."""

NORMAL: Final = "N"
"""Judged, and nothing restricts it. Alone, or not at all."""
RESTRICTED: Final = "R"
MINOR_CONFIDENTIAL: Final = "minor-confidential"

LABELLED: Final = frozenset({RecordType.ENCOUNTER, RecordType.APPOINTMENT, RecordType.CLAIM})
"""The kinds of record that carry a label each: one without any was never judged."""

UNRESTRICTED: Final = {type_.value: frozenset({NORMAL}) for type_ in LABELLED}
"""What decisions read of a record, by its type, that no label restricts; of other types nothing at all."""

CONSENTED_BY_MINORS: Final = frozenset({"PSY", "HIV", "SUD", "RPRO"})
"""Care to which adolescents consent by themselves, so that it is theirs to tell."""

_NONE: Final = frozenset[str]()
_UNJUDGED: Final = dict.fromkeys(LABELLED, frozenset({RESTRICTED}))
_JUDGED_NORMAL: Final = frozenset({NORMAL})
_CODE_SETS: Final = CodeSets.load()


def labels_of(
    codes: Iterable[tuple[str | None, str | None]], *, set_by_source: frozenset[str] = _NONE
) -> frozenset[str]:
    """The labels of a record that says these codes, each after its system: all of theirs, and those of its source.

    `N` alone where something could be judged and nothing restricts; empty where nothing could be judged. A code that
    is none, or of a system that has no code set, says nothing.
    """
    found = set_by_source
    for system, code in codes:
        if system and code:
            said = _CODE_SETS.labels_of(system, code)
            if said is not None and said is not found:
                found = found | said if found else said
    return found - _JUDGED_NORMAL if len(found) > 1 else found


def of(record: Record, inherited: frozenset[str], of_visit: frozenset[str], *, adolescent: bool) -> frozenset[str]:
    """All labels that restrict a record: its own, those that it inherits from its patient, and those of its visit.

    One of a kind that carries labels, and that carries none, was never judged: it is restricted.
    """
    labels = record.labels or _UNJUDGED.get(record.type, record.labels)
    labels = labels | inherited | of_visit
    if adolescent and labels & CONSENTED_BY_MINORS:
        labels |= {MINOR_CONFIDENTIAL}
    return labels - _JUDGED_NORMAL if NORMAL in labels else labels

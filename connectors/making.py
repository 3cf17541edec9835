"""Records made by constructors that are put together for the attributes wanted: as fast as if they were written out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any, Final, TypeAlias

from portico.records.references import RecordId, RecordType, SourceName
from portico.records.types import RECORD_CLASSES, Record
from portico.records.values import Provenance

_REMEMBERED: Final = 1_024

Make: TypeAlias = Callable[[Any, str, str, str | None, frozenset[str]], Record]
"""Makes a record of an item of a source's answer: given that, the record's id, the source's id of what it is made of,
whom it is about, and its labels."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where all records of an answer come from, and by which mapping."""

    source: SourceName
    retrieved_at: datetime
    mapping_version: str


def maker(type_: RecordType, reads: Mapping[str, Callable[[Any], Any]], origin: Origin) -> Make:
    """What makes records of a type whose attributes are those of `reads`, which reads each off an item."""
    construct = _constructor(type_, tuple(reads))(*reads.values())
    source, retrieved_at, version = origin.source, origin.retrieved_at, origin.mapping_version

    def make(item: Any, id_: str, source_id: str, subject: str | None, labels: frozenset[str]) -> Record:
        provenance = Provenance(source=source, source_id=source_id, retrieved_at=retrieved_at, mapping_version=version)
        return construct(item, RecordId(type_, source, id_), provenance, subject, labels)

    return make


@lru_cache(maxsize=_REMEMBERED)
def _constructor(type_: RecordType, names: tuple[str, ...]) -> Callable[..., Callable[..., Record]]:
    """Python that makes records with these attributes, given what reads each."""
    reads = ", ".join(f"read_{name}" for name in names)
    values = "".join(f", {name}=read_{name}(item)" for name in names)
    text = (
        f"def constructor({reads}):\n"
        f"    return lambda item, id, provenance, subject, labels: "
        f"record(id=id, provenance=provenance, subject=subject, labels=labels{values})\n"
    )
    made: dict[str, Any] = {"record": RECORD_CLASSES[type_]}
    exec(compile(text, "<records>", "exec"), made)  # noqa: S102  made of the attributes' own names
    constructor: Callable[..., Callable[..., Record]] = made["constructor"]
    return constructor

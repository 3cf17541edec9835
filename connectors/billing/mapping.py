"""What the billing system's codes mean, as versioned data: `mapping.toml`.

Read once and checked whole: an incomplete or misspelt mapping is a `Fault` at start, never a surprise later.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final

from portico.records.errors import Fault
from portico.records.types import ClaimStatus, ClaimType

SHIPPED: Final = Path(__file__).with_name("mapping.toml")

IDENTIFIER_COLUMNS: Final = frozenset({"chart_no", "mbr_id"})
"""The columns of subscribers that identify them elsewhere."""


@dataclass(frozen=True, slots=True)
class IdentifierKind:
    """What an identifier column holds: its canonical system and its HL7 table 0203 type."""

    system: str
    type: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BillingMapping:
    """Lookups are by the billing system's code; what is missing is unknown."""

    version: str
    currency: str
    """ISO 4217: the system books in one currency and doesn't say in which."""
    statuses: Mapping[str, ClaimStatus]
    claim_types: Mapping[str, ClaimType]
    diagnosis_systems: Mapping[str, str]
    service_systems: Mapping[str, str]
    labels: Mapping[str, str]
    identifiers: Mapping[str, IdentifierKind]
    """By column of the subscribers."""

    @classmethod
    def load(cls, path: Path = SHIPPED) -> BillingMapping:
        """Read and check a mapping. Raises `Fault`, saying what is wrong with it."""
        try:
            return cls._checked(tomllib.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError, AttributeError) as error:
            raise Fault(f"{path.name} is no usable billing mapping: {error}") from error

    @classmethod
    def _checked(cls, document: Mapping[str, Any]) -> BillingMapping:
        if document.keys() != {field.name for field in fields(cls)}:
            raise ValueError(f"it needs exactly {', '.join(field.name for field in fields(cls))}")
        if not document["version"] or len(document["currency"]) != len("USD"):
            raise ValueError("version and currency are texts")
        if document["identifiers"].keys() != IDENTIFIER_COLUMNS:
            raise ValueError(f"identifiers are exactly {', '.join(sorted(IDENTIFIER_COLUMNS))}")
        return cls(
            version=str(document["version"]),
            currency=str(document["currency"]),
            statuses={code: ClaimStatus(word) for code, word in document["statuses"].items()},
            claim_types={code: ClaimType(word) for code, word in document["claim_types"].items()},
            diagnosis_systems=_texts(document["diagnosis_systems"]),
            service_systems=_texts(document["service_systems"]),
            labels=_texts(document["labels"]),
            identifiers={column: IdentifierKind(**kind) for column, kind in document["identifiers"].items()},
        )

    def status_codes(self, statuses: tuple[str, ...]) -> list[str]:
        """The system's codes for canonical statuses; a word that is none has no code."""
        return [code for code, status in self.statuses.items() if status in statuses]

    def labels_of(self, codes: str) -> frozenset[str]:
        """The canonical labels of a `;`-separated list of sensitivities.

        An unknown one restricts as much as all known ones together: what it means can't be told, so nobody who is
        not cleared for everything gets past it.
        """
        found: set[str] = set()
        for code in filter(None, codes.split(";")):
            found.update([self.labels[code]] if code in self.labels else self.labels.values())
        return frozenset(found)


def _texts(table: Mapping[str, object]) -> dict[str, str]:
    if not all(isinstance(value, str) for value in table.values()):
        raise ValueError("codes stand for texts")
    return {code: str(value) for code, value in table.items()}

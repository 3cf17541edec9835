"""Where a record carries the key that it can be found by."""

from __future__ import annotations

from typing import Final

from portico.records.references import By
from portico.records.types import Record

KEY_ATTRIBUTES: Final = {By.VISIT: "visit", By.NPI: "npi", By.SITE: "site", By.MEMBER: "member_id"}
"""The attribute behind a key. `id` and `subject`, behind the other two, are on every record unasked."""


def key_of(record: Record, by: By) -> str | None:
    """The record's own value of a key; None where it has none, or its type never does."""
    match by:
        case By.ID:
            return record.id.value
        case By.PATIENT:
            return record.subject
        case _:
            value: str | None = getattr(record, KEY_ATTRIBUTES[by], None)
            return value

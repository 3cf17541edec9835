"""One audit entry: who was shown which fields of whom. Ids and names of fields, never values."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import UTC, datetime
from enum import StrEnum
from hashlib import sha256
from typing import Final

import orjson

from portico.records.errors import AuditUnavailable
from portico.records.references import PatientId, Tenant, is_patient_id

ENCODING: Final = "portico.audit.1"
"""Names the encoding below; a row of another encoding would name another."""


class Outcome(StrEnum):
    """What became of the operation."""

    RELEASED = "released"
    """Everything that was asked for and exists."""
    PARTIAL = "partial"
    """Something was masked, withheld, or not to be had from its source."""
    REFUSED = "refused"
    """Nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """What one answer is about to release, and to whom.

    Raises `AuditUnavailable` where a value could not be recorded as it is (a NUL or half a surrogate in a text, a
    patient without a canonical id, a naive time): what can't be recorded is not released.
    """

    tenant: Tenant
    """Whose chain the row belongs to."""
    request_id: str
    """The request's id, as in the log and in the answer's `X-Request-Id`."""
    subject: str
    """Who asked: the token's subject."""
    kind: str
    """`person` or `service`."""
    roles: frozenset[str]
    """The roles that the token gave."""
    purpose: str
    """Why: the purpose of use of the request."""
    client: str
    """The client application that asked."""
    operation: str
    """SHA-256 of the document, in hex."""
    operation_name: str | None = None
    """The operation's name, if it has one."""
    patients: frozenset[PatientId] = frozenset()
    """Canonical ids of everyone whom the answer tells about."""
    released: frozenset[str] = frozenset()
    """Schema coordinates, `Patient.birthDate`."""
    masked: frozenset[str] = frozenset()
    """Coordinates of which some values were released through a mask."""
    withheld: frozenset[str] = frozenset()
    """Coordinates of which some values were not released."""
    sources: frozenset[str] = frozenset()
    """The sources that were asked."""
    policy_revision: str
    """The one revision of the policies that decided."""
    decision_ids: frozenset[str] = frozenset()
    """What to cite for the decisions that were applied."""
    outcome: Outcome
    """What became of the operation."""
    at: datetime
    """When the answer was made; aware."""

    def __post_init__(self) -> None:
        if self.at.tzinfo is None or not self.tenant:
            raise AuditUnavailable
        if not all(map(is_patient_id, self.patients)):
            raise AuditUnavailable
        for text in _texts(self):
            if "\x00" in text or not _is_unicode(text):
                raise AuditUnavailable

    def encode(self) -> bytes:
        """The canonical encoding: JSON by RFC 8785 (JCS), so that any auditor can make the same bytes.

        One object with every field of the entry by its name, and `encoding`: sets are arrays of strings in the order
        of their code points, `at` is `2026-01-31T08:30:00.000000Z`, a missing operation name is null.
        """
        content: dict[str, object] = {"encoding": ENCODING}
        for name in _NAMES:
            value = getattr(self, name)
            content[name] = sorted(value) if isinstance(value, frozenset) else value
        content["at"] = self.at.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"
        return orjson.dumps(content, option=orjson.OPT_SORT_KEYS)

    def digest(self) -> bytes:
        """SHA-256 of the encoding: the entry's name in the chain, and the key by which it is recorded only once."""
        return sha256(self.encode()).digest()


_NAMES: Final = tuple(field.name for field in fields(AuditEntry))


def _texts(entry: AuditEntry) -> list[str]:
    texts: list[str] = []
    for name in _NAMES:
        value = getattr(entry, name)
        if isinstance(value, str):
            texts.append(value)
        elif isinstance(value, frozenset) and name != "patients":
            texts.extend(value)
    return texts


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True

"""One audit entry: who was shown which fields of whom, or had what done. Ids and names of fields, never values."""

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
"""Names the encoding of an entry about an answer; a row of another encoding names another."""

LATER_ENCODING: Final = "portico.audit.2"
"""Names the encoding of an entry with more: the same, and what it has of a command's fields, labels and attempts."""


class Outcome(StrEnum):
    """What became of the operation."""

    RELEASED = "released"
    """Everything that was asked for and exists."""
    PARTIAL = "partial"
    """Something was masked, withheld, or not to be had from its source."""
    REFUSED = "refused"
    """Nothing: not released, or a command not carried out."""
    DONE = "done"
    """A command was carried out. What its answer released stands in the answer's own entry."""

    @property
    def tells(self) -> bool:
        """Whether its patients were told about to somebody."""
        return self in (Outcome.RELEASED, Outcome.PARTIAL)


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """What one answer is about to release, and to whom; or which command was carried out, or refused, for whom.

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
    """When the answer was made, or the command was given; aware."""
    command: str | None = None
    """The command, `breakTheGlass`, or an operator's, `switchOff`; None where the entry is about no command."""
    refusal: str | None = None
    """Why the command was refused: a reason code, or the code of the error."""
    target: str | None = None
    """The id of what the command made or changed: an emergency access, a consent; or what it switched, `source ehr`."""
    labels: frozenset[str] = frozenset()
    """The sensitivity labels of what is told about the patients. They keep this entry from whom they keep that."""
    attempts: frozenset[PatientId] = frozenset()
    """Canonical ids of watched patients who were asked for by name and may not be seen. Nothing was told about them."""

    def __post_init__(self) -> None:
        if self.at.tzinfo is None or not self.tenant:
            raise AuditUnavailable
        if not all(map(is_patient_id, self.patients | self.attempts)):
            raise AuditUnavailable
        texts = "".join(_texts(self))
        if "\x00" in texts or not _is_unicode(texts):
            raise AuditUnavailable

    def encode(self) -> bytes:
        """The canonical encoding: JSON by RFC 8785 (JCS), so that any auditor can make the same bytes.

        One object with every field of the entry by its name, and `encoding`: sets are arrays of strings in the order
        of their code points, `at` is `2026-01-31T08:30:00.000000Z`, a missing operation name is null. Of the fields of
        a command, the labels and the attempts, those that hold nothing are left out, and an entry without any of them
        has the first encoding: what was recorded before there were such has the same bytes for good.
        """
        later = [name for name in _LATER if getattr(self, name) not in (None, frozenset())]
        content: dict[str, object] = {"encoding": LATER_ENCODING if later else ENCODING}
        for name in (*_FROM_THE_FIRST, *later):
            value = getattr(self, name)
            content[name] = sorted(value) if isinstance(value, frozenset) else value
        content["at"] = self.at.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"
        return orjson.dumps(content, option=orjson.OPT_SORT_KEYS)

    def digest(self) -> bytes:
        """SHA-256 of the encoding: the entry's name in the chain, and the key by which it is recorded only once."""
        return sha256(self.encode()).digest()


_LATER: Final = ("command", "refusal", "target", "labels", "attempts")
_NAMES: Final = tuple(field.name for field in fields(AuditEntry))
_FROM_THE_FIRST: Final = tuple(name for name in _NAMES if name not in _LATER)


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

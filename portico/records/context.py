"""What a call to a source carries besides its question."""

from __future__ import annotations

from dataclasses import dataclass

from portico.records.references import Tenant


@dataclass(frozen=True, slots=True, kw_only=True)
class CallContext:
    """One call's context: whose, how long, and exactly what is wanted of each record.

    `deadline` is a `time.monotonic()` reading in seconds. `attributes` names the attributes of the record class to
    fetch (`birth_date`, `practitioner`): a connector asks its source for these and for what they are built from, and
    for nothing else. `id`, `subject`, `provenance` and `labels` always come along. The credential is the
    connector's own: one connector serves one tenant.
    """

    tenant: Tenant
    trace_id: str
    deadline: float
    attributes: frozenset[str]

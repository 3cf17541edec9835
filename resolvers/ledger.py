"""What a request used and told about, noted while it is answered."""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Protocol

from portico.records.references import PatientId, SourceName


@dataclass(slots=True)
class SourceUse:
    """What one request asked of one source."""

    calls: int = 0
    milliseconds: float = 0.0
    status: str = "ok"


@dataclass(slots=True)
class Ledger:
    """What the answer holds and took, for the audit row and the client: ids and names of fields, never values."""

    patients: set[PatientId] = field(default_factory=set)
    labels: set[str] = field(default_factory=set)
    """The sensitivity labels of what is told about them."""
    attempts: set[PatientId] = field(default_factory=set)
    """Watched patients who were asked for by name and may not be seen. Nothing was told about them."""
    masked: set[str] = field(default_factory=set)
    withheld: set[str] = field(default_factory=set)
    sources: dict[SourceName, SourceUse] = field(default_factory=dict)
    notices: dict[str, str] = field(default_factory=dict)
    """Texts that must be said with what is released, by code."""


LEDGER: ContextVar[Ledger] = ContextVar("ledger")
"""The ledger of the request that is being answered, if one is."""


class CallReport(Protocol):
    """How one operation on a channel ended; see `connectors.channel.CallReport`."""

    @property
    def source(self) -> SourceName:
        """The source that was asked."""

    @property
    def calls(self) -> int:
        """Requests that went to it."""

    @property
    def milliseconds(self) -> float:
        """How long it took in all."""

    @property
    def status(self) -> str:
        """`ok`, or how it failed."""


def note_call(report: CallReport) -> None:
    """Note what a channel did in the ledger of the request that it did it for."""
    ledger = LEDGER.get(None)
    if ledger is None:
        return
    use = ledger.sources.setdefault(report.source, SourceUse())
    use.calls += report.calls
    use.milliseconds += report.milliseconds
    if report.status != "ok":
        use.status = report.status

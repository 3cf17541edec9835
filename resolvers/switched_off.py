"""A source that is switched off: still the one that serves its types, and asked for nothing."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Final

from portico.records.context import CallContext
from portico.records.errors import SourceSwitchedOff
from portico.records.references import By, RecordType, SourceName
from portico.records.search import Page, Search
from portico.records.types import Record
from resolvers.ports import Channel


class SwitchedOffChannel:
    """A `Channel` in place of another. Whatever would ask that one raises `SourceSwitchedOff`."""

    def __init__(self, channel: Channel) -> None:
        self.source: SourceName = channel.source
        self.destination: str = channel.destination
        self.keys: Mapping[RecordType, frozenset[By]] = channel.keys

    async def find(
        self,
        call: CallContext,  # noqa: ARG002  nobody is asked, here and below
        type_: RecordType,  # noqa: ARG002
        by: By,  # noqa: ARG002
        keys: Sequence[str],  # noqa: ARG002
    ) -> Mapping[str, tuple[Record, ...]]:
        """See `Channel.find`."""
        raise SourceSwitchedOff(self.source)

    async def search(self, call: CallContext, search: Search) -> Page:  # noqa: ARG002
        """See `Channel.search`."""
        raise SourceSwitchedOff(self.source)

    async def ping(self, call: CallContext) -> None:  # noqa: ARG002
        """See `Channel.ping`."""
        raise SourceSwitchedOff(self.source)


REPEATED_BY: Final[Mapping[str, frozenset[str]]] = {
    "Patient.ssn": frozenset({"Patient.identifiers"}),
    "Patient.mrn": frozenset({"Patient.identifiers"}),
    "Claim.billed": frozenset({"Claim.lines"}),
    "Claim.allowed": frozenset({"Claim.lines"}),
    "Claim.paid": frozenset({"Claim.lines"}),
}
"""Fields whose values stand in others too, or follow from them: those are off with them."""


def with_repetitions(fields: frozenset[str]) -> frozenset[str]:
    """The fields that are off, and those that would tell the same."""
    return fields.union(*(REPEATED_BY.get(name, frozenset()) for name in fields))


def switched(channels: Mapping[RecordType, Channel], sources: Collection[str]) -> Mapping[RecordType, Channel]:
    """The channels, with a stand-in for each of these sources."""
    if not sources:
        return channels
    stands_in: dict[SourceName, Channel] = {
        channel.source: SwitchedOffChannel(channel) for channel in channels.values() if channel.source in sources
    }
    return {type_: stands_in.get(channel.source, channel) for type_, channel in channels.items()}

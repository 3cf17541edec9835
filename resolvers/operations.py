"""The caller themselves, and the sources' own state: Portico's records about its own work, released like any other."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from time import monotonic

from portico.access.decisions import NOBODY
from portico.access.guard import Case, Released
from portico.records.errors import SourceError, SourceSwitchedOff, SourceTimeout
from portico.records.references import PORTICO, RecordId, RecordType
from portico.records.types import Source, SourceStatus, Viewer
from portico.records.values import Provenance
from resolvers.ports import Channel
from resolvers.session import Session


async def viewer(session: Session) -> Released | None:
    """Who asks."""
    principal = session.caller.principal
    record = Viewer(
        id=RecordId(RecordType.VIEWER, PORTICO, principal.subject),
        provenance=_provenance(principal.subject),
        subject_name=principal.subject,
        kind=principal.kind.value,
        roles=tuple(sorted(principal.roles)),
        purpose=session.caller.purpose.value,
        tenant=principal.tenant,
    )
    return (await session.release([Case.of(record, None, NOBODY)]))[0]


async def sources(session: Session) -> list[Released]:
    """Every source of the tenant, asked now whether it answers; nobody is asked for a caller who may not know."""
    channels = {channel.source: channel for channel in session.channels.values() if channel.source != PORTICO}
    drafts = [Case.of(_source(session, channel, None, 0), None, NOBODY) for channel in channels.values()]
    if not await session.admitted(drafts):
        return []
    states = await asyncio.gather(*(_ask(session, channel) for channel in channels.values()))
    released = await session.release([Case.of(record, None, NOBODY) for record in states])
    return [release for release in released if release is not None]


async def _ask(session: Session, channel: Channel) -> Source:
    started = monotonic()
    try:
        await channel.ping(session.call(RecordType.SOURCE))
        status = SourceStatus.UP
    except SourceSwitchedOff:
        status = SourceStatus.OFF
    except SourceTimeout:
        status = SourceStatus.SLOW
    except SourceError:
        status = SourceStatus.DOWN
    return _source(session, channel, status, round((monotonic() - started) * 1_000))


def _source(session: Session, channel: Channel, status: SourceStatus | None, milliseconds: int) -> Source:
    return Source(
        id=RecordId(RecordType.SOURCE, PORTICO, channel.source),
        provenance=_provenance(channel.source),
        name=channel.source,
        status=status,
        latency_milliseconds=milliseconds,
        serves=tuple(sorted(type_ for type_, serving in session.channels.items() if serving is channel)),
    )


def _provenance(id_: str) -> Provenance:
    return Provenance(source=PORTICO, source_id=id_, retrieved_at=datetime.now(UTC), mapping_version="1")

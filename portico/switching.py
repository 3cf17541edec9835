"""What an operator does with switches from the command line: turn something off, turn it on again, see what is off."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from difflib import get_close_matches
from hashlib import sha256
from typing import Final
from uuid import uuid4

from portico.audit.disclosures import display_safe
from portico.audit.entry import AuditEntry, Outcome
from portico.main import graph_schema
from portico.records.references import Tenant
from portico.records.switches import Switchable, SwitchKind
from portico.store.database import Database, DatabaseConfig
from portico.store.postgres_switches import PostgresSwitches
from portico.store.switches import Switch

CLIENT: Final = "portico switch"
TEXT_LIMIT: Final = 200
"""Characters of a reason, and of a name."""
_ALIKE: Final = 0.8
"""How much of two names has to be the same; the type's name, which many fields share, must not be enough."""

Known = Mapping[str, Collection[str]]
"""The sources of each tenant."""


def thing(kind: SwitchKind, name: str, tenant: str | None, known: Known | None) -> Switchable:
    """What is meant. Raises `ValueError` where the tenant isn't clear."""
    of = tenant or (name if kind is SwitchKind.TENANT else None)
    if of is None:
        raise ValueError(f"name the tenant with --tenant{_there(known or ())}")
    if kind is SwitchKind.TENANT and of != name:
        raise ValueError("leave out --tenant where a tenant is switched; it names another one")
    return Switchable(Tenant(of), kind, _line("name", name))


def require_known(one: Switchable, known: Known | None) -> None:
    """Raises `ValueError` for what isn't there: a slip must not look like a switch. `known` None: nobody can say."""
    if known is not None:
        _require(one.tenant, known, "tenant")
        if one.kind is SwitchKind.SOURCE:
            _require(one.name, known[one.tenant], f"source of {one.tenant}")
    if one.kind is SwitchKind.FIELD:
        fields = {each.name for of in graph_schema().fields.values() for each in of.values()}
        if one.name not in fields:
            raise ValueError(f"no such field{_there(_nearest(one.name, fields))}")


async def turn_off(database_url: str, one: Switchable, *, by: str, reason: str) -> bool:
    """Turn it off, on the record; False: it is off already."""
    now = datetime.now(UTC)
    who, why = _line("by", by), _line("reason", reason)
    async with _opened(database_url) as switches:
        return await switches.turn_off(one, by=who, reason=why, at=now, entry=_entry("switchOff", one, who, now))


async def turn_on(database_url: str, one: Switchable, *, by: str) -> bool:
    """Turn it on again, on the record; False: it isn't off."""
    now = datetime.now(UTC)
    who = _line("by", by)
    async with _opened(database_url) as switches:
        return await switches.turn_on(one, by=who, at=now, entry=_entry("switchOn", one, who, now))


async def history(database_url: str) -> Sequence[Switch]:
    """Every time that something was off, the latest first."""
    async with _opened(database_url) as switches:
        return await switches.history()


def sentence(switch: Switch) -> str:
    """`riverbend: source billing is off since 2026-01-31 08:30:00 by ops: wrong amounts`."""
    tenant, kind, name = switch.thing
    since = f"since {_when(switch.off_at)} by {display_safe(switch.off_by)}: {switch.reason}"
    if switch.on_at is None:
        return f"{tenant}: {kind} {name} is off {since}"
    return f"{tenant}: {kind} {name} was off {since}; on {_when(switch.on_at)} by {display_safe(switch.on_by or '')}"


def _when(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S}"


def _line(what: str, text: str) -> str:
    if not 0 < len(text) <= TEXT_LIMIT or not text.isprintable() or text != text.strip():
        raise ValueError(f"{what} must be 1 to {TEXT_LIMIT} printable characters, without space around them")
    return text


def _require(name: str, known: Collection[str], what: str) -> None:
    if name not in known:
        raise ValueError(f"no such {what}{_there(known)}")


def _there(names: Collection[str]) -> str:
    """What to say of those that there are, or nothing."""
    return f"; there {'is' if len(names) == 1 else 'are'} {', '.join(names)}" if names else ""


def _nearest(name: str, known: Collection[str]) -> Sequence[str]:
    """What somebody may have meant: the same in other letters, else what is spelt much alike."""
    folded = {one.casefold(): one for one in sorted(known)}
    same = folded.get(name.casefold())
    return [same] if same else [folded[one] for one in get_close_matches(name.casefold(), folded, cutoff=_ALIKE)]


def _entry(command: str, one: Switchable, by: str, at: datetime) -> AuditEntry:
    """The row about it. No policy decides it: who may use the command may write to the database."""
    return AuditEntry(
        tenant=one.tenant,
        request_id=str(uuid4()),
        subject=by,
        kind="person",
        roles=frozenset(),
        purpose="HOPERAT",
        client=CLIENT,
        operation=sha256(f"{CLIENT} {command}".encode()).hexdigest(),
        policy_revision="none",
        outcome=Outcome.DONE,
        at=at,
        command=command,
        target=str(one),
    )


@asynccontextmanager
async def _opened(url: str) -> AsyncIterator[PostgresSwitches]:
    database = await Database.open(DatabaseConfig(url=url, pool_size=1))
    try:
        yield PostgresSwitches(database)
    finally:
        await database.aclose()

"""What `portico check` says: the effective settings, and whether the server could start with them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final

import asyncpg

from portico.access.embedded import EmbeddedConfig, EmbeddedEngine
from portico.checkpoint_settings import checkpoint_file
from portico.records.errors import Fault, PorticoError
from portico.secret_files import read_key
from portico.settings import Settings
from portico.store.migration import pending
from portico.tenants import load_tenants

WELL: Final = "well"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was to be looked at. `trouble` is empty where there is none; `state` says how it is then."""

    subject: str
    trouble: str = ""
    state: str = WELL


class _Trouble(Fault):
    """Something that `serve` would stop at."""


def settings_table(settings: Settings) -> str:
    """Every setting with its value and origin; secrets are stars."""
    rows = [(each.name, each.value, each.origin.value) for each in settings.describe()]
    widths = [max(len(row[column]) for row in rows) for column in (0, 1)]
    return "\n".join(f"{name:<{widths[0]}}  {value:<{widths[1]}}  {origin}" for name, value, origin in rows)


async def examine(settings: Settings) -> Sequence[Finding]:
    """Look at everything that `serve` stands on, in the order in which it would."""
    return [
        await _finding(subject, look, settings)
        for subject, look in (
            ("settings", _essentials),
            ("tenants", _tenants),
            ("secret", _secret),
            ("checkpoints", _checkpoints),
            ("policies", _policies),
            ("database", _database),
        )
    ]


async def _finding(subject: str, look: Callable[[Settings], Awaitable[str]], settings: Settings) -> Finding:
    try:
        return Finding(subject, state=await look(settings))
    except PorticoError as error:
        return Finding(subject, trouble="; ".join(str(error).splitlines()))
    except (OSError, asyncpg.PostgresError) as error:
        return Finding(subject, trouble=f"not reachable ({type(error).__name__})")


def _unset(name: str) -> str:
    return f"not looked at, {name} is not set"


async def _essentials(settings: Settings) -> str:
    settings.essentials()
    return WELL


async def _tenants(settings: Settings) -> str:
    if not settings.tenants:
        return _unset("PORTICO_TENANTS")
    load_tenants(settings.tenants, demo=settings.demo)
    return WELL


async def _secret(settings: Settings) -> str:
    if not settings.secret_file:
        return _unset("PORTICO_SECRET_FILE")
    read_key(settings.secret_file, demo=settings.demo)
    return WELL


async def _checkpoints(settings: Settings) -> str:
    file = checkpoint_file(settings)
    if file is None:
        return "off"
    await asyncio.to_thread(file.read, thorough=True)
    return WELL


async def _policies(settings: Settings) -> str:
    engine = await EmbeddedEngine.start(EmbeddedConfig(folder=settings.policies))
    await engine.aclose()
    return WELL


async def _database(settings: Settings) -> str:
    if settings.database_url is None:
        return _unset("PORTICO_DATABASE_URL")
    missing = await pending(settings.database_url.get_secret_value())
    if missing and settings.migration_url is None:
        raise _Trouble(f"lacks {', '.join(missing)}; set PORTICO_MIGRATION_URL so that serve brings it up to date")
    return WELL

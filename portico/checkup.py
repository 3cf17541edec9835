"""What `portico check` says: the effective settings, and whether the server could start with them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import asyncpg

from portico.access.embedded import EmbeddedConfig, EmbeddedEngine
from portico.checkpoint_settings import checkpoint_file
from portico.records.errors import PorticoError
from portico.secret_files import read_key
from portico.settings import Settings
from portico.store.migration import pending
from portico.tenants import load_tenants


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at: `trouble` is empty where it is well."""

    subject: str
    trouble: str


def settings_table(settings: Settings) -> str:
    """Every setting with its value and origin; secrets are stars."""
    rows = [(each.name, each.value, each.origin.value) for each in settings.describe()]
    widths = [max(len(row[column]) for row in rows) for column in (0, 1)]
    return "\n".join(f"{name:<{widths[0]}}  {value:<{widths[1]}}  {origin}" for name, value, origin in rows)


async def examine(settings: Settings) -> Sequence[Finding]:
    """Look at everything that `serve` stands on, in the order in which it would."""
    return [
        Finding(subject, await _trouble(look, settings))
        for subject, look in (
            ("settings", _essentials),
            ("tenants", _tenants),
            ("secret", _secret),
            ("checkpoints", _checkpoints),
            ("policies", _policies),
            ("database", _database),
        )
    ]


async def _trouble(look: Callable[[Settings], Awaitable[str]], settings: Settings) -> str:
    try:
        return await look(settings)
    except PorticoError as error:
        return "; ".join(str(error).splitlines())
    except (OSError, asyncpg.PostgresError) as error:
        return f"not reachable ({type(error).__name__})"


async def _essentials(settings: Settings) -> str:
    settings.essentials()
    return ""


async def _tenants(settings: Settings) -> str:
    if settings.tenants:
        load_tenants(settings.tenants, demo=settings.demo)
    return ""


async def _secret(settings: Settings) -> str:
    if settings.secret_file:
        read_key(settings.secret_file, demo=settings.demo)
    return ""


async def _checkpoints(settings: Settings) -> str:
    file = checkpoint_file(settings)
    if file is not None:
        await asyncio.to_thread(file.read, thorough=True)
    return ""


async def _policies(settings: Settings) -> str:
    engine = await EmbeddedEngine.start(EmbeddedConfig(folder=settings.policies))
    await engine.aclose()
    return ""


async def _database(settings: Settings) -> str:
    if settings.database_url is None:
        return ""
    missing = await pending(settings.database_url.get_secret_value())
    if missing and settings.migration_url is None:
        return f"lacks {', '.join(missing)}; set PORTICO_MIGRATION_URL so that serve brings it up to date"
    return ""

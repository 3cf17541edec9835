"""What the commands stand on: the settings, else the running demo; and how they say what is wrong."""
# ruff: noqa: PLC0415 - so that `portico token` does not wait for the server's imports

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from portico.demo.children import DemoFailed
from portico.demo.client import Refused
from portico.demo.state import State

if TYPE_CHECKING:
    from portico.audit.checkpoint_file import CheckpointFile
    from portico.switching import Known


def state() -> State:
    """The demo's state folder."""
    return State(Path(os.environ.get("PORTICO_STATE", ".portico")).absolute())


def database_url() -> str:
    """The database that the settings name, else the running demo's."""
    from portico.settings import Settings

    configured = Settings.load().database_url
    return configured.get_secret_value() if configured else state().running().database_url


def secret() -> bytes:
    """The secret that seals ids: the one that the settings name, else the demo's."""
    from portico.secret_files import read_key
    from portico.settings import Settings

    settings = Settings.load()
    return read_key(settings.secret_file or state().key, demo=settings.demo or not settings.secret_file)


def checkpoints() -> CheckpointFile | None:
    """The checkpoint file that the settings name, else the demo's, if it is its database that is looked at."""
    from portico.checkpoint_settings import checkpoint_file, open_checkpoints
    from portico.settings import Settings

    settings, folder = Settings.load(), state()
    if settings.database_url is None and settings.checkpoint_file is None:
        return open_checkpoints(folder.checkpoints, folder.checkpoint_key, demo=True)
    return checkpoint_file(settings)


def needed_checkpoints() -> CheckpointFile:
    """The same, where nothing can be done without."""
    file = checkpoints()
    if file is None:
        raise Refused("no checkpoint file is configured; set PORTICO_CHECKPOINT_FILE and PORTICO_CHECKPOINT_KEY_FILE")
    return file


def known_sources() -> Known | None:
    """The sources of each tenant that the settings name, else of the running demo's; None: nobody can say."""
    from portico.settings import Settings
    from portico.tenants import load_tenants

    settings = Settings.load()
    path = settings.tenants or (state().tenants if settings.database_url is None else None)
    if path is None:
        return None
    tenants = load_tenants(path, demo=settings.demo or settings.tenants is None)
    return {name: tenant.sources.keys() for name, tenant in tenants.items()}


@contextmanager
def as_refusals(kind: type[ValueError] = ValueError) -> Iterator[None]:
    """What is wrong with an argument, or this kind of it, is refused as such."""
    try:
        yield
    except kind as error:
        raise Refused(str(error)) from None


@contextmanager
def plainly() -> Iterator[None]:
    """Say in plain lines what is wrong: exit 2 where something unknown was asked for, else 1."""
    from portico.records.errors import PorticoError

    try:
        yield
    except Refused as refused:
        typer.echo(f"portico: {refused}", err=True)
        raise typer.Exit(2) from None
    except (DemoFailed, PorticoError) as failed:
        typer.echo(f"portico: {failed}", err=True)
        raise typer.Exit(1) from None

"""Which checkpoint file the settings name, ready to be read and written."""

from __future__ import annotations

from pathlib import Path

from portico.audit.checkpoint_file import CheckpointFile
from portico.audit.checkpoints import CheckpointKeys, KeysRefused
from portico.secret_files import read_key
from portico.settings import Settings, SettingsRefused


def checkpoint_file(settings: Settings) -> CheckpointFile | None:
    """The file and its keys, or None without one. Raises `SettingsRefused` for half of the two, or for no good key."""
    path, key = settings.checkpoint_file, settings.checkpoint_key_file
    if path is None and key is None:
        return None
    if path is None or key is None:
        raise SettingsRefused("PORTICO_CHECKPOINT_FILE and PORTICO_CHECKPOINT_KEY_FILE are given both or not at all")
    return open_checkpoints(path, key, demo=settings.demo)


def open_checkpoints(path: Path, key: Path, *, demo: bool) -> CheckpointFile:
    """A checkpoint file, signed with a key file's key. Raises `SettingsRefused` where there is no good key."""
    try:
        return CheckpointFile(path, CheckpointKeys.read(read_key(key, demo=demo)))
    except KeysRefused as error:
        raise SettingsRefused(f"PORTICO_CHECKPOINT_KEY_FILE: {error}") from None

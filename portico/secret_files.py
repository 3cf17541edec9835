"""Secrets lie in files, one each, and are read once at the start."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Final

from pydantic import SecretStr

from portico.settings import SettingsRefused

KEY_BYTES: Final = 32
"""Fewest bytes of a key."""
_SIZE_LIMIT_BYTES: Final = 65536


def read_secret(path: Path, *, demo: bool) -> SecretStr:
    """A password or token: the file's text without the white space around it.

    Raises `SettingsRefused` where the file is missing, empty, no UTF-8, or readable by everyone outside demo mode.
    """
    try:
        text = _read(path, demo=demo).decode().strip()
    except UnicodeDecodeError:
        raise SettingsRefused(f"{path}: a secret must be UTF-8 text") from None
    if not text:
        raise SettingsRefused(f"{path}: a secret must not be empty")
    return SecretStr(text)


def read_key(path: Path, *, demo: bool) -> bytes:
    """A key: the file's bytes as they are, at least `KEY_BYTES` of them. Raises like `read_secret`."""
    key = _read(path, demo=demo)
    if len(key) < KEY_BYTES:
        raise SettingsRefused(f"{path}: a key must have at least {KEY_BYTES} bytes")
    return key


def _read(path: Path, *, demo: bool) -> bytes:
    try:
        with path.open("rb") as file:
            if not demo and path.stat().st_mode & (stat.S_IROTH | stat.S_IWOTH):
                raise SettingsRefused(f"{path}: a secret must not be open to every user of the machine (chmod o-rw)")
            content = file.read(_SIZE_LIMIT_BYTES + 1)
    except OSError as error:
        raise SettingsRefused(f"{path}: {error.strerror}") from None
    if len(content) > _SIZE_LIMIT_BYTES:
        raise SettingsRefused(f"{path}: a secret has at most {_SIZE_LIMIT_BYTES} bytes")
    return content

"""Bundles from a folder, a tar archive or one file: read in memory, never unpacked, each within a size limit."""

from __future__ import annotations

import lzma
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO, Any, Final

import orjson

MEMBER_LIMIT_BYTES: Final = 64 * 1024 * 1024
"""Largest bundle that is read. Synthea's largest are about half of that."""
MEMBERS_LIMIT: Final = 100_000

Resource = dict[str, Any]


class UnusableData(ValueError):
    """The data can't be taken in at all. The message names what is wrong, and no value of the data."""


def documents(path: Path, *, limit_bytes: int = MEMBER_LIMIT_BYTES) -> Iterator[bytes]:
    """The JSON files at `path`, in a stable order. Raises `UnusableData` for anything but honest, bounded input."""
    try:
        for stream in _streams(path):
            yield _bounded(stream, limit_bytes)
    except (tarfile.TarError, lzma.LZMAError, zlib.error, EOFError) as error:
        raise UnusableData(f"{path}: the archive is damaged") from error
    except OSError as error:
        raise UnusableData(f"{path}: {error.strerror or 'not readable'}") from error


def resources(document: bytes) -> list[Resource] | None:
    """The resources of a bundle; None where the document is no bundle."""
    try:
        bundle = orjson.loads(document)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(bundle, dict) or bundle.get("resourceType") != "Bundle":
        return None
    entries = bundle.get("entry")
    entries = entries if isinstance(entries, list) else []
    found = (entry.get("resource") for entry in entries if isinstance(entry, dict))
    return [resource for resource in found if isinstance(resource, dict)]


def _streams(path: Path) -> Iterator[IO[bytes]]:
    if path.is_dir():
        return _folder(path)
    return _archive(path) if tarfile.is_tarfile(path) else _file(path)


def _file(path: Path) -> Iterator[IO[bytes]]:
    with path.open("rb") as stream:
        yield stream


def _folder(path: Path) -> Iterator[IO[bytes]]:
    for file in sorted(path.rglob("*.json")):
        if file.is_file() and not file.is_symlink():
            yield from _file(file)


def _archive(path: Path) -> Iterator[IO[bytes]]:
    """The JSON members. A member that would not stay in its folder if unpacked is hostile, though nothing is."""
    with tarfile.open(path, mode="r|*") as archive:
        for number, member in enumerate(archive, 1):
            name = PurePosixPath(member.name)
            if number > MEMBERS_LIMIT:
                raise UnusableData(f"the archive has more than {MEMBERS_LIMIT} members")
            if name.is_absolute() or ".." in name.parts or not (member.isfile() or member.isdir()):
                raise UnusableData(f"member {number} of the archive points out of it")
            stream = archive.extractfile(member) if name.suffix == ".json" else None
            if stream:
                yield stream


def _bounded(stream: IO[bytes], limit_bytes: int) -> bytes:
    document = stream.read(limit_bytes + 1)
    if len(document) > limit_bytes:
        raise UnusableData(f"a bundle is larger than {limit_bytes} bytes")
    return document

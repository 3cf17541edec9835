"""The policy folder as one bundle: what is in it, whether it may be loaded, and its revision.

    policies/
    ├── <package>/*.rego            modules; package = folder, `*_test.rego` is for `opa test` alone
    ├── <package>/data.yaml         data, found by policies under `data.<package>` (data.yml, data.json alike)
    ├── schemas/*.json              JSON Schemas: of each entry point's input and output, and of data (`a/b.json` for
    │                               `data.a.b`)
    └── capabilities.json           the builtins that policies may use

Anything else that OPA could mistake for one of these is refused; other files are nobody's business.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TypeAlias

import fastjsonschema

from portico.access.documents import Json, Unreadable, parse_json, parse_yaml
from portico.records.errors import Fault

_DATA_NAMES = {"data.yaml", "data.yml", "data.json"}
_POLICY_SUFFIXES = {".rego", ".yaml", ".yml", ".json"}
_CAPABILITIES = PurePosixPath("capabilities.json")
_SCHEMAS = PurePosixPath("schemas")
_FILE_LIMIT_BYTES = 1 << 20
_FILE_COUNT_LIMIT = 500


Files: TypeAlias = "Mapping[PurePosixPath, bytes]"
"""The policy files of a folder by their path in it."""


class PoliciesRefused(Fault):
    """Policies that may not be loaded. The message is for those who write them: the file, the line, the reason."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """A policy folder's content at one moment. `modules` are Rego sources by path, `data` is the whole document."""

    revision: str
    modules: Mapping[str, str]
    data: Mapping[str, Json]
    schemas: Mapping[str, Json]
    """By path without its suffix: `classes.input`, `portico/matrix`."""
    builtins: frozenset[str]
    """The names of the builtins that modules may call."""


def read_files(folder: Path) -> Files:
    """The policy files of a folder, tests left out, by path in it.

    Raises `PoliciesRefused` where the folder or a file can't be read, or is larger than any policy would be.
    """
    files: dict[PurePosixPath, bytes] = {}
    try:
        for path in sorted(folder.rglob("*")):
            name = PurePosixPath(path.relative_to(folder))
            if path.suffix not in _POLICY_SUFFIXES or _aside(name) or not path.is_file():
                continue
            if path.stat().st_size > _FILE_LIMIT_BYTES or len(files) >= _FILE_COUNT_LIMIT:
                raise PoliciesRefused(f"{name}: larger than policies may be")
            files[name] = path.read_bytes()
    except OSError as error:
        raise PoliciesRefused(f"the policy folder can't be read: {error.strerror}") from None
    if not files:
        raise PoliciesRefused("the policy folder holds no policies")
    return files


def revision_of(files: Files) -> str:
    """A short name for exactly this content: 16 hex digits."""
    digest = hashlib.sha256()
    for name, content in sorted(files.items()):
        digest.update(f"{name}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()[:16]


def bundle_of(files: Files) -> Bundle:
    """The bundle that the files make. Raises `PoliciesRefused` with the first file that doesn't belong or is broken."""
    modules: dict[str, str] = {}
    data: dict[str, Json] = {}
    schemas: dict[str, Json] = {}
    builtins: frozenset[str] = frozenset()
    for name, content in sorted(files.items()):
        text = _text(name, content)
        if name.suffix == ".rego":
            modules[str(name)] = text
        elif name == _CAPABILITIES:
            builtins = _builtins(_parsed(name, text))
        elif name.is_relative_to(_SCHEMAS):
            schemas[str(name.relative_to(_SCHEMAS).with_suffix(""))] = _parsed(name, text)
        elif name.name in _DATA_NAMES:
            _place(data, name, _parsed(name, text))
        else:
            raise PoliciesRefused(f"{name}: OPA would not load this; data stands in data.yaml, one a folder")
    if not builtins:
        raise PoliciesRefused(f"{_CAPABILITIES}: missing, or names no builtin")
    _check_data(data, schemas)
    return Bundle(revision=revision_of(files), modules=modules, data=data, schemas=schemas, builtins=builtins)


def read_bundle(folder: Path) -> Bundle:
    """The folder's bundle now. Raises `PoliciesRefused`."""
    return bundle_of(read_files(folder))


def schema_check(name: str, schema: Json) -> Callable[[object], object]:
    """A function that raises `JsonSchemaValueException` on what the schema doesn't allow."""
    if not isinstance(schema, dict):
        raise PoliciesRefused(f"schemas/{name}.json: not a schema")
    try:
        check: Callable[[object], object] = fastjsonschema.compile(schema)
    except fastjsonschema.JsonSchemaDefinitionException as error:
        raise PoliciesRefused(f"schemas/{name}.json: {error}") from None
    return check


def _aside(name: PurePosixPath) -> bool:
    return name.name.endswith("_test.rego") or any(part.startswith(".") for part in name.parts)


def _text(name: PurePosixPath, content: bytes) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise PoliciesRefused(f"{name}: not UTF-8") from None


def _parsed(name: PurePosixPath, text: str) -> Json:
    parse = parse_json if name.suffix == ".json" else parse_yaml
    try:
        return parse(text)
    except Unreadable as error:
        raise PoliciesRefused(f"{name}: {error}") from None


def _builtins(capabilities: Json) -> frozenset[str]:
    match capabilities:
        case {"builtins": [*builtins]}:
            return frozenset(str(builtin["name"]) for builtin in builtins if isinstance(builtin, Mapping))
        case _:
            return frozenset()


def _place(data: dict[str, Json], name: PurePosixPath, value: Json) -> None:
    """Puts a file's content under its folder, as OPA does."""
    if not isinstance(value, dict):
        raise PoliciesRefused(f"{name}: data must be a table")
    table = data
    for part in name.parent.parts:
        below = table.setdefault(part, {})
        if not isinstance(below, dict):
            raise PoliciesRefused(f"{name}: {part} stands in another data file too")
        table = below
    for key, item in value.items():
        if key in table:
            raise PoliciesRefused(f"{name}: {key} stands in another data file too")
        table[key] = item


def _check_data(data: Mapping[str, Json], schemas: Mapping[str, Json]) -> None:
    """Data of which a schema tells the shape must have it."""
    for path, schema in schemas.items():
        value: Json = data
        for part in PurePosixPath(path).parts:
            value = value.get(part) if isinstance(value, Mapping) else None
        if value is None:
            continue
        try:
            schema_check(path, schema)(value)
        except fastjsonschema.JsonSchemaValueException as error:
            where = (error.name or "").removeprefix("data")
            raise PoliciesRefused(f"{path}/data.yaml: {where or 'the file'} breaks its schema ({error.rule})") from None

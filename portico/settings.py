"""What an operator can set: one typed object, read from the environment.

Every name begins with `PORTICO_`. A name that isn't known is refused, so that a misspelt limit can't go unnoticed.
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from portico.records.errors import Fault

PREFIX: Final = "PORTICO_"
LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})
_ORIGIN: Final = re.compile(r"https?://[a-z0-9.-]+(:[0-9]{1,5})?")


class SettingsRefused(Fault):
    """The configuration can't be used. Each line names a setting and what is wrong with it, never its value."""

    def __init__(self, *reasons: str) -> None:
        super().__init__("\n".join(reasons))
        self.reasons = reasons


class Origin(StrEnum):
    """Where an effective value comes from."""

    ENVIRONMENT = "environment"
    GIVEN = "given"
    """By the command that was run."""
    DEFAULT = "default"


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One setting as `portico check` and the reference show it; a secret's `value` is stars."""

    name: str
    value: str
    origin: Origin
    description: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Essentials:
    """The settings that `portico serve` can't do without, each present."""

    tenants: Path
    database_url: SecretStr
    issuer: str
    jwks_url: str
    audience: str
    secret_file: Path


def _split(value: object) -> object:
    return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


def _exact_origins(origins: tuple[str, ...]) -> tuple[str, ...]:
    if not all(_ORIGIN.fullmatch(origin) for origin in origins):
        raise ValueError("must be origins as browsers send them, such as https://www.example.org")
    return origins


def _guarded_transport(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOOPBACK):
        return url
    raise ValueError("must be an https URL, or http on loopback")


Seconds = Annotated[float, Field(gt=0, le=3600, allow_inf_nan=False)]
Port = Annotated[int, Field(ge=0, le=65535)]
Url = Annotated[str, AfterValidator(_guarded_transport)]
Text = Annotated[str, Field(min_length=1)]


class Settings(BaseSettings):
    """Every setting with its default. Frozen; secrets print as stars."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_ignore_empty=True,
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
        use_attribute_docstrings=True,
    )

    host: Text = "127.0.0.1"
    """Address that the server listens on."""
    port: Port = 8000
    """Port that the server listens on; 0 takes any free one."""
    demo: bool = False
    """Demo mode: synthetic people, the demo's own identity provider, and `extensions.portico` in every answer."""
    state: Path = Path(".portico")
    """Folder in which the demo keeps its state."""
    policies: Path = Path("policies")
    """Folder of the Rego policies."""
    tenants: Path | None = None
    """TOML file that lists the tenants and their source systems."""
    database_url: SecretStr | None = None
    """PostgreSQL URL of Portico's own database, as the role `portico_app`."""
    migration_url: SecretStr | None = None
    """PostgreSQL URL of the same database as its owner; when set, `serve` brings the schema up to date first."""
    secret_file: Path | None = None
    """File of at least 32 random bytes, from which the keys that seal ids and cursors and key masks are derived."""
    issuer: Text | None = None
    """The identity provider's name, exactly as in the tokens' `iss`."""
    jwks_url: Url | None = None
    """Where the identity provider publishes its keys: https, or http on loopback."""
    audience: Text | None = None
    """What the tokens' `aud` must be, exactly."""
    executor: Literal["planned", "reference"] = "planned"
    """Whether queries are executed by their plans, or by graphql-core: slower, with the same answers, to compare."""
    token_lifetime_limit_seconds: Annotated[int, Field(ge=60, le=86400)] = 43200
    """Longest accepted lifetime of a token, from `iat` to `exp`."""
    opa_url: Url | None = None
    """URL of an OPA server; without it, policies are evaluated in process."""
    opa_bundle_seconds: Annotated[float, Field(gt=0, le=86400, allow_inf_nan=False)] | None = None
    """Longest that the OPA server may go without a sound look at its bundle; its status API must be on. Without: any
    time."""
    request_timeout_seconds: Seconds = 10.0
    """Longest that a request may take once it is read."""
    source_timeout_seconds: Seconds = 5.0
    """Longest that one call to a source system may take."""
    body_limit_bytes: Annotated[int, Field(ge=1024, le=1048576)] = 65536
    """Largest accepted request body."""
    in_flight_limit: Annotated[int, Field(ge=1, le=10000)] = 256
    """Most requests that are answered at once; further ones get 503 with Retry-After."""
    get_queries: bool = False
    """Whether queries may also be asked by GET. Off, because addresses end up in the logs, caches and histories of
    proxies and browsers, and with them the names and birth dates that people ask about."""
    allowed_origins: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split), AfterValidator(_exact_origins)] = ()
    """Origins of web pages that may ask from a browser, separated by commas, matched exactly. None by default."""
    link_interval_seconds: Annotated[int, Field(ge=5, le=86400)] = 300
    """How often patients are linked across the source systems."""
    consent_interval_seconds: Annotated[int, Field(ge=5, le=3600)] = 15
    """How often the EHR is asked for its consents between two rounds of linking."""
    checkpoint_file: Path | None = None
    """File outside of the database to which signed checkpoints of the audit chains are appended; without: none are."""
    checkpoint_key_file: Path | None = None
    """PEM file of the Ed25519 private key that signs checkpoints, and of the public keys of those before it."""
    checkpoint_interval_seconds: Seconds = 300.0
    """How often a checkpoint of every chain that grew is appended, and the chains are held against the last ones."""
    metrics_port: Port = 0
    """Loopback port of the Prometheus metrics; 0 turns them off."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """Least severe log line that is written."""

    @classmethod
    def load(cls, **given: object) -> Self:
        """The settings of this process: the environment, overridden by what a command was given.

        Raises `SettingsRefused` for unknown names and for values that can't be used.
        """
        unknown = _unknown_names(os.environ)
        if unknown:
            raise SettingsRefused(*unknown)
        try:
            return cls(**given)  # type: ignore[arg-type]  # pydantic judges the types
        except ValidationError as error:
            raise SettingsRefused(*_reasons(error)) from None

    def essentials(self) -> Essentials:
        """What serving needs, or `SettingsRefused` naming every setting that is missing."""
        tenants, database_url, secret_file = self.tenants, self.database_url, self.secret_file
        issuer, jwks_url, audience = self.issuer, self.jwks_url, self.audience
        if tenants and database_url and secret_file and issuer and jwks_url and audience:
            return Essentials(
                tenants=tenants,
                database_url=database_url,
                issuer=issuer,
                jwks_url=jwks_url,
                audience=audience,
                secret_file=secret_file,
            )
        missing = [name for name in Essentials.__slots__ if not getattr(self, name)]
        raise SettingsRefused(*(f"{PREFIX}{name.upper()} is required" for name in missing))

    def describe(self, environ: Mapping[str, str] = os.environ) -> tuple[Setting, ...]:
        """Every setting with its effective value and where that came from, in the order of declaration."""
        return tuple(
            Setting(
                name=_name(field),
                value=_shown(getattr(self, field)),
                origin=self._origin(field, environ),
                description=info.description or "",
            )
            for field, info in type(self).model_fields.items()
        )

    def _origin(self, field: str, environ: Mapping[str, str]) -> Origin:
        if field not in self.model_fields_set:
            return Origin.DEFAULT
        return Origin.ENVIRONMENT if environ.get(_name(field)) else Origin.GIVEN


def _name(field: str) -> str:
    return f"{PREFIX}{field.upper()}"


def _shown(value: object) -> str:
    match value:
        case None:
            return ""
        case tuple():
            return ",".join(map(str, value))
        case bool():
            return str(value).lower()
        case _:
            return str(value)


def _unknown_names(environ: Mapping[str, str]) -> list[str]:
    known = {_name(field): field for field in Settings.model_fields}
    reasons = []
    for name in sorted(name for name in environ if name.upper().startswith(PREFIX) and name not in known):
        nearest = difflib.get_close_matches(name[len(PREFIX) :].lower(), known.values(), n=1)
        reasons.append(f"{name} is not a setting" + (f"; did you mean {_name(nearest[0])}?" if nearest else ""))
    return reasons


def _reasons(error: ValidationError) -> list[str]:
    return [
        f"{_name(str(entry['loc'][0]))}: {entry['msg'].removeprefix('Value error, ')}"
        for entry in error.errors(include_url=False)
    ]

"""The tenants file: which clinic groups there are, and which source systems each has.

    [tenants.riverbend]
    name = "Riverbend Clinics"
    time_zone = "America/Chicago"
    [tenants.riverbend.sources.ehr]
    kind = "fhir"
    url = "https://ehr.example.org/fhir"
    client_secret_file = "secrets/riverbend-ehr"

    [tenants.riverbend.alerts]
    url = "https://alerts.example.org/portico"
    key_file = "secrets/riverbend-alerts"

`time_zone`, `majority_age` and `adolescence_age` of a tenant say when its patients come of age, in which the day begins
at midnight of the zone: `UTC`, 18 and 12 unless they are given.

`alerts` names the webhook that hears of broken glass: its address, the file of the key (at least 32 bytes) with which
alerts are signed, and as `allowed_networks` the private networks in which it may be.

`watch` says how many `patients` one subject may be told about within so many `minutes` before that alerts, and how long
they are slowed then: for `brake_minutes`, to one request in `pace_seconds`; 300 in 10 minutes, 10 and 60 unless given.

`kind` and `requests_per_second` (the vendor's rate limit, this process's share of it) are the same for every source,
and so is `keep_seconds = { Practitioner = 60 }`: for how long records of which types are kept in the process after they
were fetched. Nothing is kept unless it stands here; what a caller may see of a kept record is decided each time.
An option that ends in `_file` names a file, relative to this one, and stands for the secret in it. Which options there
are is the connector's business: its configuration's fields say, see `SourceConfig.bind`.
"""

from __future__ import annotations

import dataclasses
import difflib
import ipaddress
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Final, TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import SecretStr, TypeAdapter, ValidationError

from portico.alerts.receiver import Network, Receiver
from portico.records.ages import Ages
from portico.records.references import RecordType, SourceName, Tenant
from portico.secret_files import read_key, read_secret
from portico.settings import SettingsRefused
from portico.store.watching import Volume

_NAME: Final = re.compile(r"[a-z][a-z0-9-]{0,62}")
_SECRET: Final = re.compile(r"(.*_)?(secret|password|key|passphrase)")
_FILE: Final = "_file"
_KEYS: Final = ("name", "sources", "time_zone", "majority_age", "adolescence_age", "alerts", "watch")
_AGE_LIMIT: Final = 30
KEEP_LIMIT_SECONDS: Final = 300
"""The longest that a record may be kept: what changes at its source, a label too, counts only afterwards."""
_COUNT_LIMIT: Final = 1_000_000

Option = str | int | float | bool | SecretStr
Config = TypeVar("Config")


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceConfig:
    """One source system of one tenant, as configured; secrets are read and print as stars."""

    place: str
    """Where it stands in the file, for messages: `tenants.riverbend.sources.ehr`."""
    kind: str
    """Which connector speaks to it."""
    requests_per_second: float | None = None
    """The source's rate limit, this process's share of it; None: it has none."""
    keep_seconds: Mapping[RecordType, float] = field(default_factory=dict)
    """How long records are kept, by type; what isn't named is asked for each time."""
    options: Mapping[str, Option] = field(default_factory=dict)

    def bind(self, config: type[Config], **given: object) -> Config:
        """The connector's own configuration, a dataclass whose field names are the options'.

        `given` are the fields that aren't the operator's to set. Raises `SettingsRefused` in one line for every
        option that is unknown, missing or of the wrong type.
        """
        known = {known.name for known in dataclasses.fields(config) if known.init} - given.keys()  # type: ignore[arg-type]  # any dataclass
        _refuse_unknown(self.place, self.options, known | {"kind"})
        revealed = {
            name: option.get_secret_value() if isinstance(option, SecretStr) else option
            for name, option in self.options.items()
        }
        try:
            return TypeAdapter(config).validate_python({**revealed, **given})
        except ValidationError as error:
            raise SettingsRefused(
                *(f"{self.place}.{entry['loc'][0]}: {entry['msg']}" for entry in error.errors(include_url=False))
            ) from None


@dataclass(frozen=True, slots=True, kw_only=True)
class TenantConfig:
    """One clinic group: `name` is its key everywhere, `title` what people call it."""

    name: Tenant
    title: str
    sources: Mapping[SourceName, SourceConfig]
    ages: Ages = field(default_factory=Ages)
    """When its patients come of age."""
    alerts: Receiver | None = None
    """Where alerts go; None: nowhere yet, and they wait."""
    volume: Volume = field(default_factory=Volume)
    """About how many patients a subject may be told before that alerts, and slows them."""


def load_tenants(path: Path, *, demo: bool) -> Mapping[Tenant, TenantConfig]:
    """The tenants of a file, at least one. Raises `SettingsRefused` at the first thing that is wrong."""
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsRefused(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise SettingsRefused(f"{path}: not UTF-8") from None
    except tomllib.TOMLDecodeError as error:
        raise SettingsRefused(f"{path}: {error}") from None
    _refuse_unknown(str(path), document, {"tenants"})
    tenants = _table(document, "tenants", str(path))
    if not tenants:
        raise SettingsRefused(f"{path}: no tenants")
    return MappingProxyType(
        {
            Tenant(name): _tenant(name, _table(tenants, name, "tenants"), folder=path.parent, demo=demo)
            for name in tenants
        }
    )


def _tenant(name: str, table: Mapping[str, object], *, folder: Path, demo: bool) -> TenantConfig:
    place = f"tenants.{name}"
    _refuse_name(place, name)
    _refuse_unknown(place, table, _KEYS)
    sources = _table(table, "sources", place)
    return TenantConfig(
        name=Tenant(name),
        title=_text(table, "name", place),
        ages=_ages(place, table),
        volume=_volume(f"{place}.watch", table.get("watch", {})),
        alerts=_alerts(f"{place}.alerts", table["alerts"], folder=folder, demo=demo) if "alerts" in table else None,
        sources=MappingProxyType(
            {
                SourceName(source): _source(
                    f"{place}.sources.{source}", _table(sources, source, f"{place}.sources"), folder=folder, demo=demo
                )
                for source in sources
            }
        ),
    )


def _alerts(place: str, table: object, *, folder: Path, demo: bool) -> Receiver:
    if not isinstance(table, dict):
        raise SettingsRefused(f"{place}: must be a table")
    _refuse_unknown(place, table, {"url", "key_file", "allowed_networks"})
    key = read_key(folder / _text(table, "key_file", place), demo=demo)
    networks = table.get("allowed_networks", [])
    if not isinstance(networks, list):
        raise SettingsRefused(f"{place}.allowed_networks: must be a list of networks")
    try:
        allowed = tuple(_network(network) for network in networks)
    except (TypeError, ValueError):
        raise SettingsRefused(f"{place}.allowed_networks: must be networks such as 10.20.0.0/16") from None
    try:
        return Receiver(url=_text(table, "url", place), key=key, allowed_networks=allowed)
    except ValueError as error:
        raise SettingsRefused(f"{place}.url: {error}") from None


def _volume(place: str, table: object) -> Volume:
    if not isinstance(table, dict):
        raise SettingsRefused(f"{place}: must be a table")
    _refuse_unknown(place, table, {"patients", "minutes", "brake_minutes", "pace_seconds"})
    usual = Volume()
    return Volume(
        patients=_count(place, table, "patients", usual.patients),
        window_seconds=60.0 * _count(place, table, "minutes", round(usual.window_seconds / 60)),
        brake_seconds=60.0 * _count(place, table, "brake_minutes", round(usual.brake_seconds / 60), least=0),
        pace_seconds=float(_count(place, table, "pace_seconds", round(usual.pace_seconds))),
    )


def _count(place: str, table: Mapping[str, object], key: str, usual: int, *, least: int = 1) -> int:
    number = table.get(key, usual)
    if not isinstance(number, int) or isinstance(number, bool) or not least <= number <= _COUNT_LIMIT:
        raise SettingsRefused(f"{place}.{key}: must be a whole number from {least} to {_COUNT_LIMIT}")
    return number


def _network(text: object) -> Network:
    if not isinstance(text, str):
        raise TypeError
    return ipaddress.ip_network(text)


def _ages(place: str, table: Mapping[str, object]) -> Ages:
    usual = Ages()
    adolescence = _age(place, table, "adolescence_age", usual.adolescence_years)
    majority = _age(place, table, "majority_age", usual.majority_years)
    if adolescence > majority:
        raise SettingsRefused(f"{place}.adolescence_age: must not be above majority_age")
    try:
        zone = ZoneInfo(_text(table, "time_zone", place)) if "time_zone" in table else usual.time_zone
        return Ages(time_zone=zone, adolescence_years=adolescence, majority_years=majority)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise SettingsRefused(f"{place}.time_zone: no such time zone; one is America/New_York") from None


def _age(place: str, table: Mapping[str, object], key: str, usual: int) -> int:
    years = table.get(key, usual)
    if not isinstance(years, int) or isinstance(years, bool) or not 0 < years <= _AGE_LIMIT:
        raise SettingsRefused(f"{place}.{key}: must be a whole number from 1 to {_AGE_LIMIT}")
    return years


def _source(place: str, table: Mapping[str, object], *, folder: Path, demo: bool) -> SourceConfig:
    _refuse_name(place, place.rpartition(".")[2])
    kind = _text(table, "kind", place)
    options: dict[str, Option] = {}
    for key, value in table.items():
        if key in ("kind", "requests_per_second", "keep_seconds"):
            continue
        if not isinstance(value, str | int | float | bool):
            raise SettingsRefused(f"{place}.{key}: must be text, a number or a boolean")
        if _SECRET.fullmatch(key):
            raise SettingsRefused(f"{place}.{key}: a secret is given as a file, by {key}{_FILE}")
        name = key.removesuffix(_FILE)
        options[name] = value if name == key else read_secret(folder / _text(table, key, place), demo=demo)
    rate = table.get("requests_per_second")
    if rate is not None and (isinstance(rate, bool) or not isinstance(rate, int | float) or rate <= 0):
        raise SettingsRefused(f"{place}.requests_per_second: must be a number above 0")
    return SourceConfig(
        place=place,
        kind=kind,
        requests_per_second=None if rate is None else float(rate),
        keep_seconds=_keep_seconds(f"{place}.keep_seconds", table.get("keep_seconds", {})),
        options=MappingProxyType(options),
    )


def _keep_seconds(place: str, table: object) -> Mapping[RecordType, float]:
    if not isinstance(table, dict):
        raise SettingsRefused(f"{place}: must be a table of types, such as {{ Practitioner = 60 }}")
    _refuse_unknown(place, table, RecordType)
    for type_, seconds in table.items():
        if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 <= seconds <= KEEP_LIMIT_SECONDS:
            raise SettingsRefused(f"{place}.{type_}: must be a number from 0 to {KEEP_LIMIT_SECONDS}")
    return MappingProxyType({RecordType(type_): float(seconds) for type_, seconds in table.items()})


def _table(parent: Mapping[str, object], key: str, place: str) -> Mapping[str, object]:
    value = parent.get(key)
    if not isinstance(value, dict):
        raise SettingsRefused(f"{place}: needs a table {key}")
    return value


def _text(table: Mapping[str, object], key: str, place: str) -> str:
    value = table.get(key)
    if not isinstance(value, str) or not value:
        raise SettingsRefused(f"{place}.{key}: must be given, as text")
    return value


def _refuse_name(place: str, name: str) -> None:
    if not _NAME.fullmatch(name):
        raise SettingsRefused(f"{place}: a name has lower-case letters, digits and hyphens")


def _refuse_unknown(place: str, names: Iterable[str], known: Iterable[str]) -> None:
    allowed = sorted(known)
    for name in names:
        if name not in allowed:
            nearest = difflib.get_close_matches(name, allowed, n=1)
            raise SettingsRefused(f"{place}: unknown {name}" + (f"; did you mean {nearest[0]}?" if nearest else ""))

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from pydantic import SecretStr

from portico.records.ages import Ages
from portico.records.references import RecordType, Tenant
from portico.secret_files import read_key, read_secret
from portico.settings import SettingsRefused
from portico.store.watching import Volume
from portico.tenants import SourceConfig, load_tenants

GOOD = """
[tenants.riverbend]
name = "Riverbend Clinics"
[tenants.riverbend.sources.ehr]
kind = "fhir"
url = "http://127.0.0.1:8101/riverbend/fhir"
client_id = "portico"
client_secret_file = "secrets/riverbend-ehr"
[tenants.riverbend.sources.billing]
kind = "billing"
port = 5433
password_file = "secrets/riverbend-billing"
[tenants.harbor]
name = "Harbor"
sources = {}
"""

Write = Callable[[str], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write a tenants file beside its secrets; for its path."""
    (tmp_path / "secrets").mkdir()
    for name in ("riverbend-ehr", "riverbend-billing"):
        (tmp_path / "secrets" / name).write_text(f"hunter2-{name}\n")
        (tmp_path / "secrets" / name).chmod(0o600)

    def write(text: str) -> Path:
        path = tmp_path / "tenants.toml"
        path.write_text(text)
        return path

    return write


def refusal(path: Path) -> str:
    with pytest.raises(SettingsRefused) as refused:
        load_tenants(path, demo=False)
    assert "hunter2" not in str(refused.value)
    return str(refused.value)


def test_patients_come_of_age_where_the_tenant_is_at_home(write: Write) -> None:
    home = 'time_zone = "America/New_York"\nmajority_age = 19\nadolescence_age = 14'
    tenants = load_tenants(write(GOOD.replace('name = "Riverbend Clinics"', f'name = "R"\n{home}')), demo=False)

    ages = tenants[Tenant("riverbend")].ages
    assert ages == Ages(time_zone=ZoneInfo("America/New_York"), majority_years=19, adolescence_years=14)
    assert tenants[Tenant("harbor")].ages == Ages()


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ('time_zone = "Mars/Olympus"', "no such time zone"),
        ('time_zone = "../../etc/passwd"', "no such time zone"),
        ("time_zone = 5", "must be given, as text"),
        ("majority_age = 0", "whole number"),
        ("majority_age = 31", "whole number"),
        ("majority_age = true", "whole number"),
        ('adolescence_age = "12"', "whole number"),
        ("adolescence_age = 19", "must not be above majority_age"),
    ],
)
def test_an_age_or_zone_that_cannot_be_is_refused(write: Write, line: str, complaint: str) -> None:
    refused = refusal(write(GOOD.replace('name = "Riverbend Clinics"', f'name = "R"\n{line}')))

    assert refused.startswith("tenants.riverbend.")
    assert complaint in refused


def test_tenants_and_their_sources_are_read(write: Write) -> None:
    tenants = load_tenants(write(GOOD), demo=False)

    assert list(tenants) == ["riverbend", "harbor"]
    riverbend = tenants[Tenant("riverbend")]
    assert (riverbend.name, riverbend.title, list(riverbend.sources)) == (
        "riverbend",
        "Riverbend Clinics",
        ["ehr", "billing"],
    )
    ehr = next(iter(riverbend.sources.values()))
    assert (ehr.kind, ehr.options["client_id"]) == ("fhir", "portico")


def test_a_secret_is_read_from_its_file_and_prints_as_stars(write: Write) -> None:
    ehr = next(iter(load_tenants(write(GOOD), demo=False)[Tenant("riverbend")].sources.values()))

    assert ehr.options["client_secret"] == SecretStr("hunter2-riverbend-ehr")
    assert "hunter2" not in repr(ehr)


def test_what_is_kept_of_a_source_is_read_by_type_and_nothing_is_unless_it_is_said(write: Write) -> None:
    kept = 'kind = "fhir"\nkeep_seconds = { Practitioner = 60, Location = 2.5 }'
    tenants = load_tenants(write(GOOD.replace('kind = "fhir"', kept)), demo=False)

    ehr, billing = tenants[Tenant("riverbend")].sources.values()
    assert ehr.keep_seconds == {RecordType.PRACTITIONER: 60.0, RecordType.LOCATION: 2.5}
    assert billing.keep_seconds == {}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("1", "keep_seconds: must be a table of types, such as { Practitioner = 60 }"),
        ("{ Practitoner = 1 }", "unknown Practitoner; did you mean Practitioner?"),
        ("{ Practitioner = 301 }", "keep_seconds.Practitioner: must be a number from 0 to 300"),
        ("{ Practitioner = -1 }", "must be a number from 0 to 300"),
        ("{ Practitioner = true }", "must be a number from 0 to 300"),
        ("{ Practitioner = nan }", "must be a number from 0 to 300"),
    ],
)
def test_what_cannot_be_kept_is_refused(write: Write, text: str, reason: str) -> None:
    assert reason in refusal(write(GOOD.replace('kind = "fhir"', f'kind = "fhir"\nkeep_seconds = {text}')))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "needs a table tenants"),
        ("tenants = 1", "needs a table tenants"),
        ("[tenants]", "no tenants"),
        ("x = ", "Invalid value"),
        ('[tenants.a]\nname = "A"\nname = "B"', "Cannot overwrite"),
        ('[tenants.a]\nname = "A"\n[tenants.a]', "Cannot declare"),
        ('[tenants.a]\nname = "A"\n[other]', "unknown other"),
        ('[tenants.a]\nname = "A"\nsource = {}', "tenants.a: unknown source; did you mean sources?"),
        ("[tenants.a]\nsources = {}", "tenants.a.name: must be given, as text"),
        ("[tenants.a]\nname = 1\nsources = {}", "tenants.a.name: must be given, as text"),
        ('[tenants.a]\nname = "A"', "tenants.a: needs a table sources"),
        ('[tenants.A]\nname = "A"\nsources = {}', "tenants.A: a name has"),
        ('[tenants."a.b"]\nname = "A"\nsources = {}', "tenants.a.b: a name has"),
        ('[tenants.a]\nname = "A"\nsources = {ehr = 1}', "tenants.a.sources: needs a table ehr"),
        ('[tenants.a]\nname = "A"\nsources = {EHR = {kind = "fhir"}}', "tenants.a.sources.EHR: a name has"),
        ('[tenants.a]\nname = "A"\nsources = {ehr = {}}', "tenants.a.sources.ehr.kind: must be given, as text"),
        ('[tenants.a]\nname = "A"\nsources = {ehr = {kind = "fhir", url = []}}', "tenants.a.sources.ehr.url: must be"),
        (
            '[tenants.a]\nname = "A"\nsources = {ehr = {kind = "fhir", at = 2020-01-01}}',
            "tenants.a.sources.ehr.at: must be",
        ),
        (
            '[tenants.a]\nname = "A"\nsources = {ehr = {kind = "fhir", client_secret = "hunter2"}}',
            "tenants.a.sources.ehr.client_secret: a secret is given as a file, by client_secret_file",
        ),
        ('[tenants.a]\nname = "A"\nsources = {ehr = {kind = "fhir", key_file = "none"}}', "No such file"),
        (
            '[tenants.a]\nname = "A"\nsources = {ehr = {kind = "fhir", key_file = 1}}',
            "key_file: must be given, as text",
        ),
    ],
)
def test_what_cannot_be_is_refused_in_one_clear_line(write: Write, text: str, reason: str) -> None:
    told = refusal(write(text))

    assert reason in told
    assert "\n" not in told


def test_a_missing_or_unreadable_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe")

    assert "No such file" in refusal(tmp_path / "none.toml")
    assert "not UTF-8" in refusal(tmp_path / "binary.toml")


@pytest.mark.parametrize("mode", [0o604, 0o602, 0o644, 0o666, 0o777])
def test_a_secret_that_everyone_can_read_is_refused_outside_the_demo(write: Write, tmp_path: Path, mode: int) -> None:
    path = write(GOOD)
    (tmp_path / "secrets" / "riverbend-ehr").chmod(mode)

    assert "must not be open to every user" in refusal(path)
    assert load_tenants(path, demo=True)


@pytest.mark.parametrize("content", [b"", b" \n", b"\xff", b"x" * 65537], ids=["empty", "blank", "binary", "huge"])
def test_a_file_that_holds_no_secret_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "secret"
    path.write_bytes(content)
    path.chmod(0o600)

    with pytest.raises(SettingsRefused):
        read_secret(path, demo=False)


def test_a_folder_is_no_secret(tmp_path: Path) -> None:
    with pytest.raises(SettingsRefused, match="Is a directory"):
        read_secret(tmp_path, demo=True)


def test_a_key_is_read_as_it_is_and_must_be_long_enough(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_bytes(b"\n" * 32)

    assert read_key(path, demo=True) == b"\n" * 32
    path.write_bytes(b"k" * 31)
    with pytest.raises(SettingsRefused, match="at least 32 bytes"):
        read_key(path, demo=True)


# Binding


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectorConfig:
    """As a connector declares it."""

    source: str
    url: str
    port: int = 1
    client_secret: str = field(repr=False)


def source(**options: str | int | SecretStr) -> SourceConfig:
    return SourceConfig(place="tenants.a.sources.ehr", kind="fhir", options=options)


def test_options_become_the_connectors_own_configuration() -> None:
    bound = source(url="https://x", port=2, client_secret=SecretStr("s")).bind(ConnectorConfig, source="ehr")

    assert bound == ConnectorConfig(source="ehr", url="https://x", port=2, client_secret="s")


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"url": "x", "client_secret": "s", "prot": 2}, "tenants.a.sources.ehr: unknown prot; did you mean port?"),
        ({"url": "x", "client_secret": "s", "source": "billing"}, "tenants.a.sources.ehr: unknown source"),
        ({"client_secret": "s"}, "tenants.a.sources.ehr.url: Field required"),
        (
            {"url": "x", "client_secret": "s", "port": "hunter2"},
            "tenants.a.sources.ehr.port: Input should be a valid integer",
        ),
    ],
)
def test_options_that_do_not_fit_are_refused_without_their_values(options: dict[str, str | int], reason: str) -> None:
    with pytest.raises(SettingsRefused) as refused:
        source(**options).bind(ConnectorConfig, source="ehr")

    assert str(refused.value).startswith(reason)
    assert "hunter2" not in str(refused.value)


def alerting(tmp_path: Path, table: str) -> Path:
    (tmp_path / "key").write_bytes(bytes(range(32)))
    (tmp_path / "key").chmod(0o600)
    path = tmp_path / "alerting.toml"
    path.write_text(f'[tenants.riverbend]\nname = "Riverbend"\n[tenants.riverbend.sources]\n{table}')
    return path


def test_alerts_have_a_receiver_with_a_key_and_networks(tmp_path: Path) -> None:
    path = alerting(
        tmp_path,
        '[tenants.riverbend.alerts]\nurl = "https://alerts.example.org"\nkey_file = "key"\n'
        'allowed_networks = ["10.20.0.0/16"]',
    )
    receiver = load_tenants(path, demo=False)[Tenant("riverbend")].alerts

    assert receiver is not None
    assert (receiver.url, receiver.key) == ("https://alerts.example.org", bytes(range(32)))
    assert [str(network) for network in receiver.allowed_networks] == ["10.20.0.0/16"]
    assert load_tenants(alerting(tmp_path, ""), demo=False)[Tenant("riverbend")].alerts is None


@pytest.mark.parametrize(
    ("table", "reason"),
    [
        ("alerts = 1", "alerts: must be a table"),
        ('alerts = { url = "https://x" }', "alerts.key_file"),
        ('alerts = { url = "https://x", key_file = "absent" }', "absent"),
        ('alerts = { key_file = "key" }', "alerts.url"),
        ('alerts = { url = "http://x", key_file = "key" }', "alerts.url: must be an https URL"),
        ('alerts = { url = "https://u:secret@x", key_file = "key" }', "alerts.url"),
        ('alerts = { url = "https://x", key_file = "key", allowed_networks = "10.0.0.0/8" }', "must be a list"),
        ('alerts = { url = "https://x", key_file = "key", allowed_networks = ["10.0.0.1/8"] }', "must be networks"),
        ('alerts = { url = "https://x", key_file = "key", allowed_networks = [10] }', "must be networks"),
        ('alerts = { url = "https://x", key_file = "key", secret = "x" }', "unknown secret"),
    ],
)
def test_a_receiver_that_cannot_be_used_is_refused(tmp_path: Path, table: str, reason: str) -> None:
    path = alerting(tmp_path, "")
    path.write_text(f'[tenants.riverbend]\nname = "Riverbend"\n{table}\n[tenants.riverbend.sources]\n')

    with pytest.raises(SettingsRefused) as refused:
        load_tenants(path, demo=False)
    assert reason in str(refused.value)
    assert "u:secret" not in str(refused.value)


def test_a_tenant_says_how_much_is_too_much(write: Write) -> None:
    watch = "[tenants.riverbend.watch]\npatients = 50\nminutes = 5\nbrake_minutes = 0\npace_seconds = 30\n"
    tenants = load_tenants(write(GOOD + watch), demo=False)

    assert tenants[Tenant("harbor")].volume == Volume()
    assert tenants[Tenant("riverbend")].volume == Volume(
        patients=50, window_seconds=300, brake_seconds=0, pace_seconds=30
    )


@pytest.mark.parametrize(
    ("watch", "complaint"),
    [
        ("watch = 1", "watch: must be a table"),
        ("watch = { patients = 0 }", "watch.patients: must be a whole number from 1"),
        ("watch = { minutes = 1.5 }", "watch.minutes: must be a whole number"),
        ("watch = { brake_minutes = -1 }", "watch.brake_minutes: must be a whole number from 0"),
        ("watch = { pace_seconds = true }", "watch.pace_seconds: must be a whole number"),
        ("watch = { patient = 9 }", "unknown patient; did you mean patients?"),
    ],
)
def test_a_watch_that_cannot_be_kept_is_refused(write: Write, watch: str, complaint: str) -> None:
    with pytest.raises(SettingsRefused, match=re.escape(complaint)):
        load_tenants(write(GOOD + watch + "\n"), demo=False)

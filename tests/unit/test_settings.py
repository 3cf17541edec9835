from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import SecretStr

from portico.settings import Origin, Settings, SettingsRefused

SECRET = "postgresql://portico_app:hunter2@db/portico"
ESSENTIALS = {
    "PORTICO_TENANTS": "tenants.toml",
    "PORTICO_DATABASE_URL": SECRET,
    "PORTICO_ISSUER": "https://id.example",
    "PORTICO_JWKS_URL": "https://id.example/jwks",
    "PORTICO_AUDIENCE": "portico",
    "PORTICO_SECRET_FILE": "secret",
}


@pytest.fixture(autouse=True)
def environ(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in ["PORTICO_" + field.upper() for field in Settings.model_fields]:
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


def refusals(**given: object) -> tuple[str, ...]:
    with pytest.raises(SettingsRefused) as refused:
        Settings.load(**given)
    return refused.value.reasons


def test_without_any_setting_the_defaults_are_safe() -> None:
    settings = Settings.load()

    assert (settings.host, settings.port, settings.demo, settings.metrics_port) == ("127.0.0.1", 8000, False, 0)
    assert settings.allowed_origins == ()
    assert settings.get_queries is False
    assert (settings.body_limit_bytes, settings.request_timeout_seconds) == (65536, 10.0)


def test_the_environment_is_read(environ: pytest.MonkeyPatch) -> None:
    environ.setenv("PORTICO_PORT", "0")
    environ.setenv("PORTICO_DEMO", "true")
    environ.setenv("PORTICO_STATE", "/var/lib/portico")
    environ.setenv("PORTICO_ALLOWED_ORIGINS", "https://a.example, http://localhost:3000")
    environ.setenv("PORTICO_GET_QUERIES", "true")

    settings = Settings.load()

    assert (settings.port, settings.demo, settings.state) == (0, True, Path("/var/lib/portico"))
    assert settings.allowed_origins == ("https://a.example", "http://localhost:3000")
    assert settings.get_queries is True


def test_an_empty_value_is_none(environ: pytest.MonkeyPatch) -> None:
    environ.setenv("PORTICO_OPA_URL", "")
    environ.setenv("PORTICO_PORT", "")

    assert (Settings.load().opa_url, Settings.load().port) == (None, 8000)


def test_what_a_command_is_given_goes_before_the_environment(environ: pytest.MonkeyPatch) -> None:
    environ.setenv("PORTICO_PORT", "8001")

    assert Settings.load(port=8002).port == 8002


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("PORTICO_PROT", "PORTICO_PROT is not a setting; did you mean PORTICO_PORT?"),
        ("PORTICO_BODY_LIMIT", "PORTICO_BODY_LIMIT is not a setting; did you mean PORTICO_BODY_LIMIT_BYTES?"),
        ("portico_port", "portico_port is not a setting; did you mean PORTICO_PORT?"),
        ("PORTICO_XQZ", "PORTICO_XQZ is not a setting"),
    ],
)
def test_an_unknown_name_is_refused_with_the_nearest_known_one(
    environ: pytest.MonkeyPatch, name: str, reason: str
) -> None:
    environ.setenv(name, "1")

    assert refusals() == (reason,)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORTICO_PORT", "http"),
        ("PORTICO_PORT", "65536"),
        ("PORTICO_PORT", "-1"),
        ("PORTICO_DEMO", "perhaps"),
        ("PORTICO_REQUEST_TIMEOUT_SECONDS", "0"),
        ("PORTICO_REQUEST_TIMEOUT_SECONDS", "inf"),
        ("PORTICO_REQUEST_TIMEOUT_SECONDS", "nan"),
        ("PORTICO_BODY_LIMIT_BYTES", "60000000"),
        ("PORTICO_IN_FLIGHT_LIMIT", "0"),
        ("PORTICO_TOKEN_LIFETIME_LIMIT_SECONDS", "100000000"),
        ("PORTICO_JWKS_URL", "http://id.example/jwks"),
        ("PORTICO_JWKS_URL", "file:///etc/jwks"),
        ("PORTICO_OPA_URL", "http://10.0.0.1:8181"),
        ("PORTICO_ALLOWED_ORIGINS", "*"),
        ("PORTICO_ALLOWED_ORIGINS", "null"),
        ("PORTICO_ALLOWED_ORIGINS", "https://a.example/"),
        ("PORTICO_ALLOWED_ORIGINS", "https://*.a.example"),
        ("PORTICO_ALLOWED_ORIGINS", "https://a.example,b"),
        ("PORTICO_LOG_LEVEL", "verbose"),
    ],
)
def test_a_value_that_cannot_be_is_refused_by_name_and_never_repeated(
    environ: pytest.MonkeyPatch, name: str, value: str
) -> None:
    environ.setenv(name, value)

    [reason] = refusals()

    assert reason.startswith(f"{name}: ")
    assert value not in reason.removeprefix(name) or len(value) == 1


def test_every_wrong_value_is_told_at_once(environ: pytest.MonkeyPatch) -> None:
    environ.setenv("PORTICO_PORT", "x")
    environ.setenv("PORTICO_DEMO", "x")

    assert {reason.partition(":")[0] for reason in refusals()} == {"PORTICO_PORT", "PORTICO_DEMO"}


def test_loopback_may_do_without_tls(environ: pytest.MonkeyPatch) -> None:
    for url in (
        "http://127.0.0.1:8104/jwks",
        "http://localhost/jwks",
        "http://[::1]:1/jwks",
        "https://id.example/jwks",
    ):
        environ.setenv("PORTICO_JWKS_URL", url)
        assert Settings.load().jwks_url == url


def test_settings_do_not_change() -> None:
    settings = Settings.load()

    with pytest.raises(ValueError, match="frozen"):
        settings.port = 1


def test_serving_needs_its_essentials_and_names_all_that_are_missing(environ: pytest.MonkeyPatch) -> None:
    environ.setenv("PORTICO_ISSUER", "https://id.example")

    with pytest.raises(SettingsRefused) as refused:
        Settings.load().essentials()

    missing = [f"{name} is required" for name in ESSENTIALS if name != "PORTICO_ISSUER"]
    assert sorted(refused.value.reasons) == sorted(missing)


def test_with_its_essentials_serving_can_begin(environ: pytest.MonkeyPatch) -> None:
    for name, value in ESSENTIALS.items():
        environ.setenv(name, value)

    essentials = Settings.load().essentials()

    assert essentials.tenants == Path("tenants.toml")
    assert essentials.database_url == SecretStr(SECRET)
    assert essentials.audience == "portico"


def test_every_setting_is_described_with_its_origin(environ: pytest.MonkeyPatch) -> None:
    environ.setenv("PORTICO_PORT", "81")

    described = {setting.name: setting for setting in Settings.load(demo=True).describe()}

    assert len(described) == len(Settings.model_fields)
    assert all(setting.description.endswith(".") for setting in described.values())
    assert (described["PORTICO_PORT"].value, described["PORTICO_PORT"].origin) == ("81", Origin.ENVIRONMENT)
    assert (described["PORTICO_DEMO"].value, described["PORTICO_DEMO"].origin) == ("true", Origin.GIVEN)
    assert (described["PORTICO_HOST"].value, described["PORTICO_HOST"].origin) == ("127.0.0.1", Origin.DEFAULT)
    assert described["PORTICO_OPA_URL"].value == ""


def test_secrets_print_as_stars(environ: pytest.MonkeyPatch) -> None:
    environ.setenv("PORTICO_DATABASE_URL", SECRET)
    environ.setenv("PORTICO_MIGRATION_URL", SECRET)

    settings = Settings.load()

    assert "hunter2" not in f"{settings!r} {settings} {settings.describe()}"
    assert {s.value for s in settings.describe() if s.name.endswith(("DATABASE_URL", "MIGRATION_URL"))} == {"*" * 10}

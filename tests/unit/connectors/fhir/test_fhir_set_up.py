"""A mapping or a configuration that is not right is refused at start."""

from __future__ import annotations

from pathlib import Path

import pytest

from connectors.fhir import FhirConfig, FhirMapping
from connectors.fhir.mapping import SHIPPED, SITE, VISIT
from portico.records import systems
from portico.records.errors import Fault
from portico.records.references import SourceName, Tenant
from portico.records.types import CoverageStatus, EncounterStatus, Gender


def test_the_shipped_mapping_knows_every_canonical_word() -> None:
    mapping = FhirMapping.load()
    assert mapping.version
    assert set(mapping.genders.values()) == set(Gender)
    assert set(mapping.encounter_statuses.values()) == set(EncounterStatus)
    assert set(mapping.coverage_statuses.values()) == set(CoverageStatus)
    known = {systems.MRN, systems.SSN, systems.NPI, systems.MEMBER, systems.DRIVERS_LICENSE, VISIT, SITE}
    assert mapping.own_systems.keys() == set(mapping.canonical_systems.values()) == known
    assert mapping.care_teams_in_force == {"active"}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('version = "fhir-r4.2"', 'version = ""'),
        ('version = "fhir-r4.2"', "version = 1"),
        ('version = "fhir-r4.2"', ""),
        ("[care_team]", "[care_teams]"),
        ("mrn = [", "chart = ["),
        ("[care_team]", '[extra]\nx = "y"\n[care_team]'),
        ('visit = ["https://ehr.example/id/visit"]', "visit = []"),
        ('visit = ["https://ehr.example/id/visit"]', 'visit = ["https://ehr.example/id/site"]'),
        ('finished = "finished"', 'finished = "done"'),
        ('male = "male"', 'male = "m"'),
        ('in_force = ["active"]', 'in_force = "active"'),
        ('R = "R"', "R = 1"),
        ('V = "V"', 'V = "V'),
        ("[consent]", "[consents]"),
        ('actions = ["access", "use", "disclose"]', ""),
        ('patient-privacy = "privacy"', 'patient-privacy = "secrecy"'),
        ('OPTOUT = "deny"', 'OPTOUT = "refuse"'),
        ('HRESCH = "HRESCH"', "HRESCH = 1"),
        ('Claim = ["FINANCIAL"]', 'Claim = "FINANCIAL"'),
    ],
)
def test_a_mapping_with_a_mistake_is_refused_by_name(tmp_path: Path, old: str, new: str) -> None:
    text = SHIPPED.read_text(encoding="utf-8")
    assert old in text
    mistaken = tmp_path / "mistaken.toml"
    mistaken.write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(Fault, match=r"mistaken\.toml"):
        FhirMapping.load(mistaken)


def test_a_mapping_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Fault):
        FhirMapping.load(tmp_path / "none.toml")


def _config(url: str, granting: str = "https://ehr.example/token") -> FhirConfig:
    return FhirConfig(
        source=SourceName("ehr"),
        tenant=Tenant("alder"),
        url=url,
        token_url=granting,
        client_id="portico",
        client_secret="very-secret",
    )


@pytest.mark.parametrize(
    "url", ["https://ehr.example/r4", "http://127.0.0.1:8101/alder/fhir", "http://[::1]/r4", "http://localhost/r4"]
)
def test_https_or_loopback_is_accepted(url: str) -> None:
    assert _config(url, url).url == url


@pytest.mark.parametrize(
    "url",
    ["http://ehr.example/r4", "http://127.0.0.1.example/r4", "ftp://127.0.0.1/r4", "ehr.example/r4", "https:///r4",
     "https://user:pw@ehr.example/r4", "https://ehr.example/r4?x=y", "https://ehr.example/r4#x", ""],
)  # fmt: skip
def test_any_other_url_is_refused_for_data_and_for_tokens(url: str) -> None:
    with pytest.raises(Fault):
        _config(url)
    with pytest.raises(Fault):
        _config("https://ehr.example/r4", url)


def test_the_secret_is_not_printed() -> None:
    assert "very-secret" not in repr(_config("https://ehr.example/r4"))

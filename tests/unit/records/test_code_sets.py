"""Which codes make a record sensitive: the shipped table, and how a table is read."""

from __future__ import annotations

from pathlib import Path

import pytest

from portico.records.codesets import SHIPPED, CodeSets
from portico.records.errors import Fault
from portico.records.sensitivity import labels_of

ICD_10 = "http://hl7.org/fhir/sid/icd-10-cm"
ICD_9 = "http://hl7.org/fhir/sid/icd-9-cm"
SNOMED = "http://snomed.info/sct"
CPT = "http://www.ama-assn.org/go/cpt"
HCPCS = "https://www.cms.gov/Medicare/Coding/HCPCSReleaseCodeSets"
SERVICE = "http://terminology.hl7.org/CodeSystem/service-type"
CVX = "http://hl7.org/fhir/sid/cvx"


def judged(*codes: tuple[str | None, str | None]) -> frozenset[str]:
    return labels_of(codes)


@pytest.mark.parametrize(
    ("system", "codes", "labels"),
    [
        (ICD_10, "F10.20 F11 F12.10 F16.99 F19.20 Z71.41 T40.1X1A K70.30", "SUD"),
        (ICD_10, "F17.210 I10 E11.9 J45.909 Z00.00 Z23 F R45.0", "N"),
        (ICD_10, "F01.50 F20.0 F32.A F41.1 F50.00 F84.0 F90.9 F99 R45.851 T14.91XA", "PSY"),
        (ICD_10, "B20 Z21 R75 Z11.4 Z20.6", "HIV"),
        (ICD_10, "O80 O09.90 Z30.09 Z34.01 Z39.2 N97.9 N46.9 A54.9 Z3A.12", "RPRO"),
        (ICD_10, "T74.11XA Z69.010 Z15.01", "R"),
        (ICD_10, "O99.310 O99.320", "RPRO SUD"),
        (ICD_10, "O98.711", "HIV RPRO"),
        (ICD_9, "303.90 304.00 305.00 305.90", "SUD"),
        (ICD_9, "305.1 401.9 250.00", "N"),
        (ICD_9, "296.20 311 V62.84", "PSY"),
        (ICD_9, "042 V08 079.53", "HIV"),
        (ICD_9, "650 V22.1 V25.09 628.9", "RPRO"),
        (SNOMED, "35489007 192127007 75516001", "PSY"),
        (SNOMED, "75544000 6525002 266707007", "SUD"),
        (SNOMED, "86406008 62479008", "HIV"),
        (SNOMED, "72892002 424619006 287664005", "RPRO"),
        (SNOMED, "38341003 185349003 444814009", "N"),
        (SNOMED, "999000111 3834100 383410030 35489007-1", "R"),
        (CPT, "90791 90834 90899 90785 96130", "PSY"),
        (CPT, "99213 80053 85025 90471 90686 99495", "N"),
        (CPT, "59400 59425 58300 58150 11981 81025", "RPRO"),
        (CPT, "86701 86703 87534 87536 87539", "HIV"),
        (CPT, "99408 H0001 H0020 G2067", "SUD"),
        (HCPCS, "H0001 H0020 J0571 99408", "SUD"),
        (HCPCS, "H0031 H2019 90834", "PSY"),
        (HCPCS, "J1050 S0190", "RPRO"),
        (HCPCS, "G0008 A0428 J1100", "N"),
        (SERVICE, "105 386 455", "SUD"),
        (SERVICE, "141 142 316 490", "PSY"),
        (SERVICE, "54 249 410", "RPRO"),
        (SERVICE, "326", "PSY SUD"),
        (SERVICE, "124 57 165 14 1", "N"),
        (CVX, "140 62 8", "N"),
    ],
)
def test_the_shipped_codes_carry_these_labels(system: str, codes: str, labels: str) -> None:
    assert {code: judged((system, code)) for code in codes.split()} == {
        code: frozenset(labels.split()) for code in codes.split()
    }


@pytest.mark.parametrize("written", ["F32.A", "f32.a", "F32A", " F32.A "])
def test_a_code_is_the_same_with_and_without_its_dot_whatever_its_case(written: str) -> None:
    assert judged((ICD_10, written)) == {"PSY"}


@pytest.mark.parametrize(
    ("name", "code", "labels"),
    [
        ("urn:oid:2.16.840.1.113883.6.90", "F11.20", {"SUD"}),
        ("urn:oid:2.16.840.1.113883.6.96", "35489007", {"PSY"}),
        ("urn:oid:2.16.840.1.113883.6.12", "90834", {"PSY"}),
        ("urn:oid:2.16.840.1.113883.6.285", "H0020", {"SUD"}),
        ("urn:oid:2.16.840.1.113883.6.103", "042", {"HIV"}),
    ],
)
def test_a_system_is_known_by_its_other_names(name: str, code: str, labels: set[str]) -> None:
    assert judged((name, code)) == labels


@pytest.mark.parametrize(
    ("codes", "labels"),
    [
        ([], ""),
        ([("urn:local", "F10")], ""),
        ([(None, "F10"), (ICD_10, None), (None, None)], ""),
        ([("", "F10")], ""),
        ([("urn:local", "F10"), (ICD_10, "I10")], "N"),
        ([(ICD_10, "I10"), (CPT, "99213")], "N"),
        ([(ICD_10, "I10"), (ICD_10, "F11.20")], "SUD"),
        ([(ICD_10, "F11.20"), (SNOMED, "86406008"), (CPT, "90834")], "SUD HIV PSY"),
        ([(SNOMED, "38341003"), (SNOMED, "1")], "R"),
    ],
)
def test_codes_are_judged_together(codes: list[tuple[str | None, str | None]], labels: str) -> None:
    assert judged(*codes) == frozenset(labels.split())


def test_what_the_source_set_is_kept_and_normal_beside_others_is_dropped() -> None:
    normal = [(ICD_10, "I10")]
    assert labels_of(normal, set_by_source=frozenset({"VIP"})) == {"VIP"}
    assert labels_of([], set_by_source=frozenset({"N", "R"})) == {"R"}
    assert labels_of([], set_by_source=frozenset({"N"})) == {"N"}
    assert labels_of([("http://snomed.info/sct", None), (None, "F29"), ("", "")]) == frozenset()


GOOD = """
[systems."urn:a"]
also = ["urn:b"]
whole = false
rest = "N"
[systems."urn:a".codes]
PSY = ["F2", "A10-A19"]
"""


def table(folder: Path, text: str) -> CodeSets:
    path = folder / "codes.toml"
    path.write_text(text)
    return CodeSets.load(path)


def test_a_table_is_read(tmp_path: Path) -> None:
    read = table(tmp_path, GOOD)
    for name in ("urn:a", "urn:b"):
        found = {code: read.labels_of(name, code) for code in ("F2", "F29.9", "F1", "A1", "A10", "A19.9", "A20")}
        assert {code for code, labels in found.items() if labels == frozenset({"PSY"})} == {
            "F2",
            "F29.9",
            "A10",
            "A19.9",
        }
        assert {code for code, labels in found.items() if labels == frozenset({"N"})} == {"F1", "A1", "A20"}
    assert read.labels_of("urn:c", "F2") is None


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("[systems", "[system"),
        ('rest = "N"', ""),
        ('rest = "N"', "rest = 7"),
        ('rest = "N"', 'rest = ""'),
        ("whole = false", 'whole = "no"'),
        ("whole = false", ""),
        ("whole = false", "whole = false\nother = 1"),
        ('also = ["urn:b"]', 'also = ["urn:a"]'),
        ('also = ["urn:b"]', 'also = "urn:b"'),
        ('PSY = ["F2", "A10-A19"]', 'PSY = "F2"'),
        ('PSY = ["F2", "A10-A19"]', "PSY = [2]"),
        ('PSY = ["F2", "A10-A19"]', 'PSY = [""]'),
        ('PSY = ["F2", "A10-A19"]', 'PSY = ["."]'),
        ("A10-A19", "A10-A9"),
        ("A10-A19", "A19-A10"),
        ("A10-A19", "A10-"),
        ("A10-A19", "-A19"),
    ],
)
def test_a_table_with_a_mistake_is_refused_by_name(tmp_path: Path, old: str, new: str) -> None:
    assert old in GOOD
    with pytest.raises(Fault, match=r"codes\.toml"):
        table(tmp_path, GOOD.replace(old, new, 1))


def test_a_table_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Fault):
        CodeSets.load(tmp_path / "none.toml")


def test_no_shipped_code_is_both_normal_and_sensitive() -> None:
    for line in SHIPPED.read_text().splitlines():
        code = line.strip().partition(",")[0].strip('"')
        if line.startswith('  "') and code.isdecimal() and len(code) > 5:
            assert not {"N"} < judged((SNOMED, code))

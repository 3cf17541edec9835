"""The vendor's items in canonical words, value by value."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.scheduling.config import SchedulingConfig
from connectors.scheduling.mapping import SHIPPED, SchedulingMapping
from connectors.scheduling.readings import APPOINTMENT, SLOT, Malformed, Reader
from connectors.scheduling.vendor import Json
from connectors.scheduling.walltimes import examined, instant
from portico.records.errors import Fault
from portico.records.references import By, RecordType, Reference, SourceName, Tenant
from portico.records.types import Appointment, AppointmentStatus, SlotStatus
from portico.records.values import Coding
from tests.contract import oracle

NEW_YORK = ZoneInfo("America/New_York")
MAPPING = SchedulingMapping.load()
READER = Reader(SourceName("scheduling"), MAPPING, datetime(2026, 1, 1, tzinfo=UTC))
ITEM = {
    "apptId": "A-1",
    "clientId": "CL-1",
    "flags": ["BHVL"],
    "state": "CONF",
    "starts": "2026-01-05T12:00:00",
    "startsFold": 0,
    "ends": "2026-01-05T12:30:00",
    "endsFold": 0,
    "tz": "America/New_York",
    "visitType": {"code": "SCT:185349003", "name": "Check-up"},
    "note": "Cough",
    "visitNo": "V-1",
    "provider": {"providerId": "PRV1", "npi": "1000000012"},
    "site": {"code": "ALD-1"},
}
EVERYTHING = oracle.attributes_of(RecordType.APPOINTMENT)


def _appointment(item: Json, attributes: Collection[str]) -> Appointment:
    (read,) = READER.appointments([item], attributes)
    return read


def _coding(system: str | None, code: str | None, display: str | None) -> Coding:
    return Coding(system=system, code=code, display=display)


# -- times


@pytest.mark.parametrize(
    ("text", "fold", "expected"),
    [
        ("2026-01-05T12:00", 0, "2026-01-05T17:00:00+00:00"),
        ("2026-07-05T12:00:30", 0, "2026-07-05T16:00:30+00:00"),
        ("2026-07-05T12:00", 1, "2026-07-05T16:00:00+00:00"),
        ("2026-07-05T12:00", None, "2026-07-05T16:00:00+00:00"),
        ("2026-11-01T01:30", 0, "2026-11-01T05:30:00+00:00"),
        ("2026-11-01T01:30", 1, "2026-11-01T06:30:00+00:00"),
        ("2026-11-01T02:00", None, "2026-11-01T07:00:00+00:00"),
        ("2026-03-08T01:59:59", 0, "2026-03-08T06:59:59+00:00"),
        ("2026-03-08T03:00", 0, "2026-03-08T07:00:00+00:00"),
    ],
)
def test_a_wall_clock_time_is_one_instant(text: str, fold: object, expected: str) -> None:
    read = instant(text, fold, NEW_YORK)
    assert read is not None
    assert read.isoformat() == expected


@pytest.mark.parametrize(
    ("text", "fold"),
    [
        ("2026-03-08T02:30", 0),
        ("2026-03-08T02:30", 1),
        ("2026-11-01T01:30", None),
        ("2026-11-01T01:30", 2),
        ("2026-11-01T01:30", "second"),
        ("2026-01-05", 0),
        ("2026-01-05T25:00", 0),
        ("2026-01-05T24:00", 0),
        ("2026-01-05T12:00Z", 0),
        ("2026-01-05T12:00+05:00", 0),
        ("0001-01-01T00:00", 0),
        ("1899-12-31T12:00", 0),
        ("2201-01-01T12:00", 0),
        ("9999-12-31T23:59", 0),
        ("noon", 0),
        ("", 0),
        (None, 0),
        (1_767_614_400, 0),
    ],
)
def test_a_time_that_never_happened_or_may_be_two_or_none_is_absent(text: object, fold: object) -> None:
    assert instant(text, fold, NEW_YORK) is None


def test_a_time_in_an_unknown_zone_is_absent() -> None:
    for zone in ("Mars/Olympus", "../../../etc/passwd", "", None, 5):
        assert _appointment({**ITEM, "tz": zone}, EVERYTHING).start is None


@given(
    moment=st.datetimes(datetime(1990, 1, 1), datetime(2060, 1, 1)),  # noqa: DTZ001 - read as UTC below
    zone=st.sampled_from(sorted(MAPPING.zones)),
)
def test_every_instant_survives_the_wall_clock(moment: datetime, zone: str) -> None:
    held = moment.replace(tzinfo=UTC)
    local = held.astimezone(MAPPING.zones[zone])
    assert instant(local.replace(tzinfo=None).isoformat(), local.fold, MAPPING.zones[zone]) == held


CHANGES = [
    ("America/Chicago", "2026-03-08"), ("America/Chicago", "2026-11-01"), ("America/Caracas", "2016-05-01"),
    ("Australia/Lord_Howe", "2026-04-05"), ("Australia/Lord_Howe", "2026-10-04"), ("Pacific/Apia", "2011-12-30"),
    ("Pacific/Kwajalein", "1993-08-21"), ("Antarctica/Troll", "2026-03-29"), ("Antarctica/Troll", "2026-10-25"),
    ("Africa/Monrovia", "1972-01-07"), ("Africa/Freetown", "1939-09-01"), ("Africa/Freetown", "1939-09-05"),
    ("Europe/Dublin", "1916-05-21"), ("Europe/Dublin", "1916-10-01"), ("UTC", "2026-01-01"),
    ("America/New_York", "1900-01-01"), ("America/New_York", "2200-12-31"),
]  # fmt: skip
"""Days on which clocks were changed: by an hour, two, a half, seconds, a day; and the ends of what is read."""


@st.composite
def _walls(draw: st.DrawFn) -> tuple[ZoneInfo, datetime]:
    """A time on the wall, most often near to a change of the clocks."""
    zone, day = draw(st.sampled_from(CHANGES))
    ever = st.datetimes(datetime(1890, 1, 1), datetime(2210, 1, 1))  # noqa: DTZ001 - on the wall
    near = st.integers(-288, 288).map(lambda steps: datetime.fromisoformat(day) + timedelta(minutes=10 * steps))
    return ZoneInfo(zone), draw(st.one_of(near, near, ever)) + draw(st.timedeltas(timedelta(), timedelta(minutes=10)))


@given(wall=_walls(), fold=st.sampled_from([0, 1, None, 2, True, 1.0, "1"]), length=st.sampled_from([13, 16, 19, 26]))
@settings(max_examples=1_000)
def test_a_day_with_one_offset_is_read_as_any_day_is(
    wall: tuple[ZoneInfo, datetime], fold: object, length: int
) -> None:
    zone, moment = wall
    text = moment.isoformat()[:length]
    assert instant(text, fold, zone) == examined(datetime.fromisoformat(text), fold, zone)


# -- values


def test_a_whole_appointment_is_read() -> None:
    read = _appointment(ITEM, EVERYTHING)
    assert (read.id.value, read.subject) == ("A-1", "CL-1")
    assert read.labels == {"PSY"}
    assert (read.status, read.reason, read.visit) == (AppointmentStatus.BOOKED, "Cough", "V-1")
    assert read.start == datetime(2026, 1, 5, 17, tzinfo=UTC)
    assert read.end == datetime(2026, 1, 5, 17, 30, tzinfo=UTC)
    assert read.service_type == Coding(system="http://snomed.info/sct", code="185349003", display="Check-up")
    assert read.practitioner == Reference(RecordType.PRACTITIONER, By.NPI, "1000000012")
    assert read.location == Reference(RecordType.LOCATION, By.SITE, "ALD-1")
    assert (read.provenance.source_id, read.provenance.mapping_version) == ("A-1", MAPPING.version)


@pytest.mark.parametrize("junk", [None, "", 7, [], {}, {"code": 7, "npi": []}, [{}], True])
def test_a_value_that_cannot_be_read_costs_itself_alone(junk: object) -> None:
    kept = {"apptId", "clientId", "flags"}
    spoilt = _appointment({**dict.fromkeys(ITEM, junk), **{name: ITEM[name] for name in kept}}, EVERYTHING)
    assert not oracle.unasked(spoilt, ())
    for field in ITEM.keys() - kept:
        read = _appointment({**ITEM, field: junk}, EVERYTHING)
        touched = {name for name in EVERYTHING if field in APPOINTMENT[name].fields}
        for name in EVERYTHING - touched:
            assert getattr(read, name) is not None


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ({"code": "CPT:99213", "name": "Visit"}, _coding("http://www.ama-assn.org/go/cpt", "99213", "Visit")),
        ({"code": "OWN:7", "name": "Visit"}, _coding(None, "7", "Visit")),
        ({"code": "7", "name": "Visit"}, _coding(None, "7", "Visit")),
        ({"code": "SCT:a:b"}, _coding("http://snomed.info/sct", "a:b", None)),
        ({"name": "Visit"}, _coding(None, None, "Visit")),
        ({}, None),
    ],
)
def test_a_visit_type_is_a_coding_of_the_system_that_its_prefix_names(
    kind: dict[str, str], expected: Coding | None
) -> None:
    assert next(READER.slots([{"openingId": "S-1", "visitType": kind}], ["service_type"])).service_type == expected


def test_a_flag_that_is_not_known_is_a_label_that_no_one_is_cleared_for() -> None:
    assert _appointment({**ITEM, "flags": ["TEEN", "NEWF"]}, ()).labels == {
        "minor-confidential",
        "scheduling|NEWF",
    }


@pytest.mark.parametrize(
    ("flags", "code", "labels"),
    [
        ([], "SCT:185349003", {"N"}),
        (["BHVL"], "SCT:185349003", {"PSY"}),
        ([], "SCT:75516001", {"PSY"}),
        (["IMMU"], "SCT:266707007", {"HIV", "SUD"}),
        ([], "CPT:59425", {"RPRO"}),
        ([], "SVC:386", {"SUD"}),
        ([], "SVC:124", {"N"}),
        ([], "SCT:1", {"R"}),
        ([], "OWN:7", set()),
        ([], "7", set()),
        ([], None, set()),
    ],
)
def test_an_appointments_labels_are_its_flags_and_what_its_visit_type_says(
    flags: list[str], code: str | None, labels: set[str]
) -> None:
    item = {**ITEM, "flags": flags, "visitType": {"code": code, "name": "Alcohol counselling"}}
    assert _appointment(item, ()).labels == labels, "the name and the note are free text"


@pytest.mark.parametrize("field", ["apptId", "clientId", "flags"])
@pytest.mark.parametrize("junk", [None, "", 7])
def test_an_appointment_without_a_name_a_client_or_its_flags_is_malformed(field: str, junk: object) -> None:
    with pytest.raises(Malformed) as caught:
        _appointment({**ITEM, field: junk}, ())
    assert "CL-1" not in str(caught.value)


@pytest.mark.parametrize("born", ["1980-02-30", "02/28/1980", "19800228", "1980", 1980, None, ""])
def test_a_birth_date_that_is_none_is_absent(born: object) -> None:
    assert READER.person({"clientId": "CL-1", "born": born}).birth_date is None


def test_attributes_are_those_of_the_canonical_types() -> None:
    assert APPOINTMENT.keys() == EVERYTHING
    assert SLOT.keys() == oracle.attributes_of(RecordType.SLOT)


# -- who is scheduled with whom


@pytest.mark.parametrize("state", ["SCHD", "CONF", "ARRV", "CKIN", "SEEN"])
def test_a_standing_appointment_vouches_from_before_its_start_to_after_its_end(state: str) -> None:
    relation = READER.relation({**ITEM, "state": state})
    assert relation is not None
    assert (relation.source_id, relation.party) == ("CL-1", "1000000012")
    assert relation.start == datetime(2026, 1, 5, 17, tzinfo=UTC) - timedelta(days=30)
    assert relation.end == datetime(2026, 1, 5, 17, 30, tzinfo=UTC) + timedelta(days=30)


@pytest.mark.parametrize(
    "change",
    [
        {"state": "CXLP"}, {"state": "CXLC"}, {"state": "NOSH"}, {"state": "VOID"}, {"state": "HOLD"},
        {"state": "WAIT"}, {"state": "NEW!"}, {"state": None}, {"provider": {}}, {"provider": {"npi": 5}},
        {"starts": "2026-03-08T02:30:00"}, {"ends": None}, {"tz": "Mars/Olympus"},
    ],
)  # fmt: skip
def test_an_appointment_that_fell_through_or_cannot_be_read_vouches_for_nothing(change: dict[str, object]) -> None:
    assert READER.relation({**ITEM, **change}) is None


# -- the mapping and the configuration


def test_the_shipped_mapping_knows_a_word_for_every_status() -> None:
    assert set(MAPPING.appointment_states.values()) == set(AppointmentStatus)
    assert set(MAPPING.opening_states.values()) == set(SlotStatus)


@pytest.mark.parametrize(
    ("part", "instead"),
    [
        ('version = "scheduling-v2.1"', ""),
        ('version = "scheduling-v2.1"', 'version = ""'),
        ('version = "scheduling-v2.1"', "version = 2"),
        ('HOLD = "proposed"', 'HOLD = "suggested"'),
        ('OPEN = "free"', 'OPEN = "open"'),
        ('states = ["SCHD", ', 'states = ["SCHEDULED", '),
        ("days_before = 30", 'days_before = "a month"'),
        ("days_after = 30", ""),
        ('"UTC" = "UTC"', '"UTC" = "Mars/Olympus"'),
        ('RSTR = "R"', 'RSTR = ""'),
        ("[zones]", "[places]"),
        ("[zones]", "[zones"),
    ],
)
def test_a_mapping_with_a_mistake_is_a_fault_at_start(tmp_path: Path, part: str, instead: str) -> None:
    text = SHIPPED.read_text(encoding="utf-8")
    assert part in text
    spoilt = tmp_path / "mapping.toml"
    spoilt.write_text(text.replace(part, instead, 1), encoding="utf-8")
    with pytest.raises(Fault):
        SchedulingMapping.load(spoilt)


def test_a_mapping_that_is_missing_is_a_fault_at_start(tmp_path: Path) -> None:
    with pytest.raises(Fault):
        SchedulingMapping.load(tmp_path / "mapping.toml")


def _config(url: str, batch_limit: int = 50) -> SchedulingConfig:
    return SchedulingConfig(
        source=SourceName("s"), tenant=Tenant("t"), url=url, api_key="sesame", batch_limit=batch_limit
    )


@pytest.mark.parametrize(
    "url", ["https://api.vendor.example/alder/v2", "http://127.0.0.1:1/x", "http://localhost/x", "http://[::1]:1/x"]
)
def test_a_confidential_url_is_taken_and_the_key_never_printed(url: str) -> None:
    assert "sesame" not in repr(_config(url))


@pytest.mark.parametrize(
    "url",
    [
        "http://api.vendor.example/v2", "ftp://127.0.0.1/", "https://", "127.0.0.1", "https://u@h/", "https://h/?a=b",
        "https://h/#f", "http://127.0.0.1.vendor.example/", "",
    ],
)  # fmt: skip
def test_a_url_that_would_betray_the_key_is_a_fault(url: str) -> None:
    with pytest.raises(Fault):
        _config(url)


@pytest.mark.parametrize("batch_limit", [0, 51])
def test_a_batch_that_the_vendor_would_refuse_is_a_fault(batch_limit: int) -> None:
    with pytest.raises(Fault):
        _config("https://h/", batch_limit)

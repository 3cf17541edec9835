"""Emergency accesses: one suite over both implementations. An access, its audit row and its alert are one."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest

from portico.audit.entry import AuditEntry, Outcome
from portico.audit.memory import MemoryTrail
from portico.audit.postgres import PostgresTrail, TrailConfig
from portico.audit.trail import AuditTrail
from portico.records.errors import AuditUnavailable
from portico.records.references import PatientId, Tenant
from portico.records.types import EmergencyVerdict
from portico.store.alerts import Alerts, PostgresAlerts
from portico.store.database import Database
from portico.store.emergency import AccessId, Declaration, EmergencyAccess, EmergencyAccesses, Place, Refused
from portico.store.memory_emergency import MemoryAlerts, MemoryEmergencyAccesses
from portico.store.postgres_emergency import PostgresEmergencyAccesses
from tests.changed import replace

RIVERBEND, HARBOR = Tenant("riverbend"), Tenant("harbor")
ADA, BEN = (PatientId(str(uuid.UUID(int=number))) for number in (1, 2))
NOBODY = PatientId(str(uuid.UUID(int=99)))
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
DOCTOR, OFFICER = "usr-physician", "usr-privacy-officer"


@dataclass
class World:
    """The store under test, with what it writes into."""

    accesses: EmergencyAccesses[AuditEntry]
    alerts: Alerts
    trail: AuditTrail

    async def verify(self) -> None:
        assert {report.flaw for report in await self.trail.verify()} == {None}

    async def declare(self, patient: PatientId | None = ADA, **changes: object) -> EmergencyAccess | Refused:
        declared = declaration(patient, **changes)
        return await self.accesses.declare(declared, entry=entry(declared.tenant, declared.id), alert="{}")

    async def declared(self, patient: PatientId = ADA, **changes: object) -> EmergencyAccess:
        access = await self.declare(patient, **changes)
        assert isinstance(access, EmergencyAccess)
        return access


def declaration(patient: PatientId | None = ADA, **changes: object) -> Declaration:
    plain = Declaration(
        tenant=RIVERBEND,
        id=AccessId(str(uuid.uuid4())),
        subject=DOCTOR,
        roles=frozenset({"physician"}),
        patient=patient,
        reason="unconscious in the emergency room",
        at=NOW,
        minutes=30,
        per_day=3,
    )
    return replace(plain, **changes)  # type: ignore[arg-type]  # whichever field a test names


def entry(tenant: Tenant = RIVERBEND, target: str = "x", command: str = "breakTheGlass") -> AuditEntry:
    return AuditEntry(
        tenant=tenant,
        request_id=str(uuid.uuid4()),
        subject=DOCTOR,
        kind="person",
        roles=frozenset({"physician"}),
        purpose="ETREAT",
        client="workstation",
        operation="0f" * 32,
        patients=frozenset({ADA}),
        policy_revision="rev-1",
        outcome=Outcome.DONE,
        at=NOW,
        command=command,
        target=target,
    )


async def people(store: Database) -> None:
    for tenant, patient in ((RIVERBEND, ADA), (RIVERBEND, BEN), (HARBOR, NOBODY)):
        await store.fetch("insert into portico.patient (tenant, id) values ($1, $2::uuid)", tenant, patient)
        await store.fetch(
            "insert into portico.link (tenant, source, source_id, patient, assurance, rule)"
            " values ($1, 'ehr', $2::uuid::text, $2::uuid, 3, 'identity')",
            tenant,
            patient,
        )


@pytest.fixture
def memory_world() -> World:
    alerts, trail = MemoryAlerts(lambda: NOW), MemoryTrail()
    known = {(RIVERBEND, ADA), (RIVERBEND, BEN), (HARBOR, NOBODY)}
    accesses = MemoryEmergencyAccesses(
        commit=trail.commit, knows=lambda tenant, patient: (tenant, patient) in known, alerts=alerts
    )
    return World(accesses, alerts, trail)


@pytest.fixture
async def postgres_world(store: Database) -> AsyncIterator[World]:
    await people(store)
    trail = PostgresTrail(store, TrailConfig())
    yield World(PostgresEmergencyAccesses(store), PostgresAlerts(store), trail)
    await trail.aclose()


@pytest.fixture(params=["memory", "postgres"])
def world(request: pytest.FixtureRequest) -> World:
    found: World = request.getfixturevalue(f"{request.param}_world")
    return found


async def test_a_declared_emergency_is_kept_as_it_was_declared(world: World) -> None:
    access = await world.declared(minutes=45)

    assert (access.subject, access.roles, access.patient) == (DOCTOR, frozenset({"physician"}), ADA)
    assert (access.started_at, access.ends_at) == (NOW, NOW + timedelta(minutes=45))
    assert (access.ended_at, access.reviewed_at, access.verdict) == (None, None, None)
    assert await world.accesses.accesses(RIVERBEND, [access.id]) == {access.id: access}
    assert await world.accesses.accesses(HARBOR, [access.id]) == {}


async def test_a_declaration_writes_its_audit_row_and_its_alert(world: World) -> None:
    access = await world.declared()

    (row,) = await world.trail.seen(RIVERBEND, ADA)
    assert (row.entry.command, row.entry.target, row.entry.outcome) == ("breakTheGlass", access.id, Outcome.DONE)
    (alert,) = await world.alerts.take([RIVERBEND], limit=5, lease_seconds=10)
    assert (alert.tenant, alert.id, alert.body, alert.attempts) == (RIVERBEND, access.id, "{}", 1)
    await world.verify()


async def test_the_same_declaration_again_changes_nothing(world: World) -> None:
    once = declaration()
    told = entry(target=once.id)
    first = await world.accesses.declare(once, entry=told, alert="{}")

    assert await world.accesses.declare(once, entry=told, alert="{}") == first
    assert len(await world.trail.seen(RIVERBEND, ADA)) == 1
    assert await world.alerts.waiting([RIVERBEND]) == 1


@pytest.mark.parametrize("patient", [None, PatientId(str(uuid.UUID(int=77))), NOBODY])
async def test_nobody_whom_the_tenant_knows_is_nobody_to_break_the_glass_for(
    world: World, patient: PatientId | None
) -> None:
    assert await world.declare(patient) is Refused.UNKNOWN_PATIENT
    assert await world.alerts.waiting([RIVERBEND, HARBOR]) == 0
    assert await world.accesses.queue(RIVERBEND, limit=10) == []


async def test_the_limit_counts_renewals_and_everyone_of_the_same_principal_for_a_day(world: World) -> None:
    for number, patient in enumerate((ADA, ADA, BEN)):
        await world.declared(patient, at=NOW + timedelta(hours=number))

    assert await world.declare(at=NOW + timedelta(hours=23, minutes=59)) is Refused.DAILY_LIMIT
    assert await world.alerts.waiting([RIVERBEND]) == 3
    await world.declared(subject="usr-other")
    await world.declared(NOBODY, tenant=HARBOR)
    await world.declared(at=NOW + timedelta(hours=24))
    await world.verify()


async def test_ended_accesses_count_for_the_limit(world: World) -> None:
    access = await world.declared(per_day=1)
    await world.accesses.end(RIVERBEND, access.id, by=DOCTOR, at=NOW, entry=entry(target=access.id))

    assert await world.declare(per_day=1) is Refused.DAILY_LIMIT


async def test_guesses_at_patients_are_borne_as_often_as_emergencies(world: World) -> None:
    for _ in range(3):
        assert await world.declare(None) is Refused.UNKNOWN_PATIENT

    assert await world.declare(None) is Refused.DAILY_LIMIT
    assert await world.declare(ADA) is Refused.DAILY_LIMIT
    await world.declared(at=NOW + timedelta(hours=24, minutes=1))


@pytest.mark.parametrize("patient", [ADA, None])
async def test_a_limit_is_known_before_the_declaration_that_meets_it(world: World, patient: PatientId | None) -> None:
    async def exhausted(tenant: Tenant = RIVERBEND, subject: str = DOCTOR, at: datetime = NOW) -> bool:
        return await world.accesses.exhausted(tenant, subject, at=at, per_day=2)

    for _ in range(2):
        assert not await exhausted()
        await world.declare(patient)

    assert await exhausted()
    assert await exhausted(at=NOW + timedelta(hours=23, minutes=59))
    assert not await exhausted(at=NOW + timedelta(hours=24))
    assert (await exhausted(HARBOR), await exhausted(subject="usr-other")) == (False, False)


async def test_without_a_limit_any_number_may_be_declared(world: World) -> None:
    for _ in range(5):
        await world.declared(per_day=None)


async def test_an_end_counts_from_its_instant_and_only_once(world: World) -> None:
    access = await world.declared()
    at = NOW + timedelta(minutes=5)
    ended = await world.accesses.end(RIVERBEND, access.id, by=OFFICER, at=at, entry=entry(command="endBreakTheGlass"))

    assert isinstance(ended, EmergencyAccess)
    assert (ended.ended_at, ended.ended_by, ended.ends_at) == (at, OFFICER, access.ends_at)
    again = await world.accesses.end(RIVERBEND, access.id, by=DOCTOR, at=at, entry=entry())
    assert again is Refused.NOT_IN_FORCE
    assert [row.entry.command for row in await world.trail.seen(RIVERBEND, ADA)] == [
        "endBreakTheGlass",
        "breakTheGlass",
    ]


async def test_what_is_over_can_not_be_ended(world: World) -> None:
    access = await world.declared(minutes=30)

    over = await world.accesses.end(
        RIVERBEND, access.id, by=DOCTOR, at=NOW + timedelta(minutes=30), entry=entry(target=access.id)
    )
    assert over is Refused.NOT_IN_FORCE
    assert len(await world.trail.seen(RIVERBEND, ADA)) == 1


@pytest.mark.parametrize("unknown", [str(uuid.UUID(int=5)), "nonsense", ""])
async def test_an_access_that_was_never_declared_can_be_neither_ended_nor_reviewed(world: World, unknown: str) -> None:
    end = await world.accesses.end(RIVERBEND, AccessId(unknown), by=DOCTOR, at=NOW, entry=entry())
    review = await reviewed(world, AccessId(unknown))

    assert (end, review) == (Refused.UNKNOWN_ACCESS, Refused.UNKNOWN_ACCESS)


async def test_another_tenants_access_can_be_neither_ended_nor_reviewed(world: World) -> None:
    access = await world.declared()

    end = await world.accesses.end(HARBOR, access.id, by=DOCTOR, at=NOW, entry=entry(HARBOR))
    assert (end, await reviewed(world, access.id, tenant=HARBOR)) == (Refused.UNKNOWN_ACCESS, Refused.UNKNOWN_ACCESS)
    assert (await world.accesses.accesses(RIVERBEND, [access.id]))[access.id] == access


async def reviewed(
    world: World, access: AccessId, *, reviewer: str = OFFICER, tenant: Tenant = RIVERBEND, at: datetime = NOW
) -> EmergencyAccess | Refused:
    return await world.accesses.review(
        tenant, access, reviewer=reviewer, verdict=EmergencyVerdict.JUSTIFIED, note="seen", at=at,
        entry=entry(tenant, target=access, command="reviewEmergencyAccess"),
    )  # fmt: skip


async def test_a_review_is_given_once(world: World) -> None:
    access = await world.declared()
    review = await reviewed(world, access.id)

    assert isinstance(review, EmergencyAccess)
    assert (review.reviewer, review.verdict, review.note) == (OFFICER, EmergencyVerdict.JUSTIFIED, "seen")
    assert review.reviewed_at == NOW
    assert await reviewed(world, access.id, at=NOW + timedelta(seconds=1)) is Refused.ALREADY_REVIEWED


async def test_nobody_reviews_their_own_access(world: World) -> None:
    access = await world.declared()

    assert await reviewed(world, access.id, reviewer=DOCTOR) is Refused.OWN_ACCESS


async def test_the_queue_goes_from_the_latest_on_page_by_page(world: World) -> None:
    made = [await world.declared(at=NOW + timedelta(minutes=number), per_day=None) for number in (0, 1, 1, 2)]
    newest_first = sorted(made, key=lambda access: (access.started_at, access.id), reverse=True)

    first = await world.accesses.queue(RIVERBEND, limit=2)
    rest = await world.accesses.queue(RIVERBEND, after=Place(first[-1].id, first[-1].started_at), limit=9)
    assert [*first, *rest] == newest_first
    assert await world.accesses.queue(HARBOR, limit=9) == []


@pytest.mark.parametrize("by_time", [True, False])
@pytest.mark.parametrize("descending", [True, False])
async def test_the_queue_goes_either_way_by_time_or_by_id(world: World, by_time: bool, descending: bool) -> None:
    made = [await world.declared(at=NOW + timedelta(minutes=number), per_day=None) for number in (0, 1, 1, 2)]
    expected = sorted(made, key=lambda access: (access.started_at if by_time else NOW, access.id), reverse=descending)

    walked: list[EmergencyAccess] = []
    after: Place | None = None
    while page := await world.accesses.queue(RIVERBEND, by_time=by_time, descending=descending, after=after, limit=1):
        walked += page
        after = Place(page[-1].id, page[-1].started_at if by_time else None)
    assert walked == expected


async def test_the_queue_can_be_of_reviewed_ones_and_of_some_patients(world: World) -> None:
    ada, ben = await world.declared(ADA), await world.declared(BEN)
    await reviewed(world, ada.id)

    assert [access.id for access in await world.accesses.queue(RIVERBEND, reviewed=False, limit=9)] == [ben.id]
    assert [access.id for access in await world.accesses.queue(RIVERBEND, reviewed=True, limit=9)] == [ada.id]
    assert [access.id for access in await world.accesses.queue(RIVERBEND, patients=[BEN], limit=9)] == [ben.id]
    assert await world.accesses.queue(RIVERBEND, patients=[], limit=9) == []


async def test_every_access_to_a_patient_is_found_the_latest_first(world: World) -> None:
    early, late = await world.declared(), await world.declared(at=NOW + timedelta(minutes=1), subject="usr-other")

    found = await world.accesses.accesses_of(RIVERBEND, [ADA, BEN])
    assert {patient: [access.id for access in accesses] for patient, accesses in found.items()} == {
        ADA: [late.id, early.id]
    }


async def test_an_emergency_that_can_not_be_recorded_is_none(store: Database, database: str) -> None:
    await people(store)
    owner = await asyncpg.connect(database)
    try:
        await owner.execute("alter function portico.audit_append set synchronous_commit = off")
        with pytest.raises(AuditUnavailable):
            await PostgresEmergencyAccesses(store).declare(declaration(), entry=entry(), alert="{}")
    finally:
        await owner.close()

    assert await PostgresEmergencyAccesses(store).queue(RIVERBEND, limit=9) == []
    assert await PostgresAlerts(store).waiting([RIVERBEND]) == 0


async def test_two_declarations_at_once_can_not_both_be_the_last_of_a_day(store: Database) -> None:
    await people(store)
    accesses = PostgresEmergencyAccesses(store)
    made = [declaration(per_day=3) for _ in range(12)]
    outcomes = await asyncio.gather(*(accesses.declare(each, entry=entry(target=each.id), alert="{}") for each in made))

    assert sum(isinstance(outcome, EmergencyAccess) for outcome in outcomes) == 3
    assert [outcome for outcome in outcomes if isinstance(outcome, Refused)] == [Refused.DAILY_LIMIT] * 9


async def test_a_record_that_was_merged_into_another_is_nobody_to_break_the_glass_for(store: Database) -> None:
    await people(store)
    await store.fetch(
        "update portico.link set replaced_by = 'e-2' where tenant = $1 and patient = $2::uuid", RIVERBEND, ADA
    )
    declared = declaration()

    refused = await PostgresEmergencyAccesses(store).declare(declared, entry=entry(), alert="{}")
    assert refused is Refused.UNKNOWN_PATIENT


@pytest.mark.parametrize(
    "change",
    ["reason = 'another'", "patient = patient", "ends_at = ends_at + interval '1 hour'", "subject = 'usr-other'"],
)
async def test_the_application_can_not_change_what_was_declared(store: Database, change: str) -> None:
    await people(store)
    await PostgresEmergencyAccesses(store).declare(declaration(), entry=entry(), alert="{}")

    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await store.fetch(f"update portico.emergency_access set {change}")  # noqa: S608  the cases stand above
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await store.fetch("delete from portico.emergency_access")


async def test_the_database_refuses_more_than_an_hour_whatever_it_is_asked(store: Database) -> None:
    await people(store)

    with pytest.raises(asyncpg.CheckViolationError):
        await PostgresEmergencyAccesses(store).declare(declaration(minutes=61), entry=entry(), alert="{}")

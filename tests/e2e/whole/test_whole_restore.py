"""A database that was restored from a backup has lost rows: nothing is released on it until that is accepted."""

from __future__ import annotations

from tests.e2e.whole.lone import LoneServer
from tests.e2e.whole.stage import until

GUARDED = "{ patients(first: 2) { edges { node { birthDate } } } }"


async def _restore(lone: LoneServer, rows: int) -> None:
    """Take riverbend's last rows away, and the head with them."""
    connection = await lone.connect()
    try:
        for table in await connection.fetch(
            "select tgrelid::regclass::text as name from pg_trigger where tgname = 'append_only'"
        ):
            await connection.execute(f"alter table {table['name']} disable trigger append_only")
        number = await connection.fetchval("select number from portico.audit_head where tenant = 'riverbend'")
        await connection.execute("delete from portico.audit where tenant = 'riverbend' and number > $1", number - rows)
        await connection.execute(
            "update portico.audit_head set (number, hash, recorded_at) ="
            " (select number, hash, recorded_at from portico.audit where tenant = 'riverbend' and number = $1)"
            " where tenant = 'riverbend'",
            number - rows,
        )
        for table in await connection.fetch(
            "select tgrelid::regclass::text as name from pg_trigger where tgname = 'append_only'"
        ):
            await connection.execute(f"alter table {table['name']} enable always trigger append_only")
    finally:
        await connection.close()


async def test_a_restored_backup_releases_nothing_until_its_gap_is_accepted(lone: LoneServer) -> None:
    for _ in range(4):
        assert lone.ask("biller", GUARDED)["data"]["patients"]["edges"]
    lone.stop_server()
    verified = lone.portico("audit", "verify")
    assert (verified.returncode, "sound" in verified.stdout.splitlines()[-1]) == (0, True)
    lone.start_server()
    await _restore(lone, rows=3)
    answer = lone.ask("biller", GUARDED)
    assert answer["data"] is None
    assert [error["extensions"]["code"] for error in answer["errors"]] == ["AUDIT_UNAVAILABLE"]
    assert "not the one that was witnessed" in answer["errors"][0]["message"]
    until("the server says that it isn't ready", lambda: lone.health() == 503, seconds=10)
    found = lone.portico("audit", "verify")
    assert found.returncode == 1
    accepted = lone.portico("audit", "accept-gap", "--reason", "restored from last night's backup")
    assert accepted.returncode == 0
    until("answers come again", lambda: "errors" not in lone.ask("biller", GUARDED), seconds=10)
    assert lone.health() == 200
    assert lone.portico("audit", "verify").returncode == 0


async def test_the_server_leaves_a_checkpoint_when_it_stops(lone: LoneServer) -> None:
    assert lone.ask("biller", GUARDED)["data"]["patients"]["edges"]
    lone.stop_server()
    try:
        assert lone.portico("audit", "checkpoint").stdout == "", "there is nothing left to witness"
    finally:
        lone.start_server()

"""A bundle that isn't signed as it must be is never activated, and what served before serves on, for so long."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from portico.access.bundle import read_bundle
from portico.access.engine import Rule
from portico.access.server import ServerConfig, ServerEngine
from portico.records.errors import PolicyUnavailable
from tests.policy.bundle_shelf import SIGNATURES, Files, PollingOpa, Shelf, Workshop, altered, key, signed_as
from tests.policy.engines import POLICIES
from tests.policy.questions import classes, facts, principal

pytestmark = pytest.mark.opa

WHO = principal("physician", purposes=["TREAT"])
CLASSES = classes(WHO, "TREAT", a=facts("Patient", "care_team"))
SIGNED = {"keyid": "security-team"}


@dataclass
class Delivery:
    """From the security team's workshop to an engine that asks the OPA server."""

    workshop: Workshop
    shelf: Shelf
    team: RSAPrivateKey
    url: str

    def archive(self, revision: str, by: RSAPrivateKey | None = None) -> bytes:
        """A bundle, signed by the team or by somebody else."""
        return self.workshop.bundle(revision, by or self.team)

    async def engine(self, refused: list[str], **changes: Any) -> ServerEngine:
        """An engine, with what it complains of."""
        options = {"deadline_seconds": 5.0, "poll_seconds": 0.05, "stale_seconds": 1.0, **changes}
        config = ServerConfig(url=self.url, schemas=read_bundle(POLICIES).schemas, **options)
        return await ServerEngine.start(config, on_refused=refused.append)


@pytest.fixture(scope="module")
async def delivery(opa: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Delivery]:
    folder, team = tmp_path_factory.mktemp("bundles"), key()
    workshop = Workshop(opa, POLICIES, folder)
    async with Shelf() as shelf:
        shelf.lay(workshop.bundle("first", team))
        async with PollingOpa(opa, shelf, folder, trusted=team, signing=SIGNED) as server:
            yield Delivery(workshop, shelf, team, server.url)


async def until(true: Callable[[], bool], within_seconds: float = 20) -> None:
    deadline = time.monotonic() + within_seconds
    while not true():
        assert time.monotonic() < deadline, "never came true"
        await asyncio.sleep(0.01)


async def serves(engine: ServerEngine, revision: str) -> None:
    """Answers come from this revision and no other."""
    verdict = await engine.ask(Rule.CLASSES, CLASSES)
    assert verdict.result["a"]["visible"] is True
    assert verdict.revision == engine.revision == revision


def _another_word(files: Files) -> None:
    data = json.loads(files["/data.json"])
    data["forged"] = True
    files["/data.json"] = json.dumps(data).encode()


def _another_rule(files: Files) -> None:
    name = next(one for one in files if one.endswith("classes.rego"))
    files[name] += b"\n# never signed\n"


def _another_revision(files: Files) -> None:
    manifest = json.loads(files["/.manifest"])
    files["/.manifest"] = json.dumps({**manifest, "revision": "forged"}).encode()


FORGERIES: dict[str, Callable[[Delivery, bytes], bytes]] = {
    "never signed": lambda delivery, _: delivery.workshop.bundle("forged", None),
    "its signatures taken away": lambda _, good: altered(good, lambda files: files.pop(SIGNATURES)),
    "no signature in its list": lambda _, good: altered(
        good, lambda files: files.update({SIGNATURES: b'{"signatures": []}'})
    ),
    "signed with another key": lambda delivery, _: delivery.archive("forged", by=key()),
    "another file": lambda _, good: altered(good, lambda files: files.update({"/more/data.json": b"{}"})),
    "a file too few": lambda _, good: altered(good, lambda files: files.pop("/data.json")),
    "other data": lambda _, good: altered(good, _another_word),
    "another rule": lambda _, good: altered(good, _another_rule),
    "another revision": lambda _, good: altered(good, _another_revision),
    "cut off": lambda _, good: good[: len(good) // 2],
    "empty": lambda _, __: b"",
    "no archive": lambda _, __: b"<html>404</html>",
}


async def test_a_bundle_that_is_not_what_the_team_signed_is_never_activated(delivery: Delivery) -> None:
    engine = await delivery.engine(complaints := [])
    await delivery.shelf.put(delivery.archive("genuine"))
    await until(lambda: engine.status.revision == "genuine")
    complaints.clear()
    for name, forge in FORGERIES.items():
        await delivery.shelf.put(forge(delivery, delivery.archive("next")))
        assert engine.status.revision == "genuine", name
        await serves(engine, "genuine")
    assert complaints == []
    await delivery.shelf.put(delivery.archive("next"))
    await until(lambda: engine.status.revision == "next")
    await serves(engine, "next")
    await engine.aclose()


async def test_a_bundle_whose_signature_names_no_trusted_key_is_never_activated(opa: str, tmp_path: Path) -> None:
    """This server takes the key's name from the signature: one without is nobody's."""
    team, workshop = key(), Workshop(opa, POLICIES, tmp_path)
    built = workshop.bundle("named", team)
    async with Shelf() as shelf:
        shelf.lay(signed_as(built, team))
        async with PollingOpa(opa, shelf, tmp_path, trusted=team, signing={"scope": ""}) as server:
            engine = await Delivery(workshop, shelf, team, server.url).engine(complaints := [])
            for forged in (signed_as(built, team), signed_as(built, team, kid="nobody"), workshop.bundle("x", None)):
                await shelf.put(forged)
                with pytest.raises(PolicyUnavailable):
                    await engine.ask(Rule.CLASSES, CLASSES)
                assert engine.status.revision is None
            assert complaints
            await shelf.put(signed_as(built, team, kid="security-team"))
            await until(lambda: engine.status.revision == "named")
            await engine.aclose()


async def test_an_older_bundle_does_not_come_back_however_well_it_is_signed(delivery: Delivery) -> None:
    older = delivery.archive("monday")
    await delivery.shelf.put(older)
    engine = await delivery.engine(complaints := [])
    await until(lambda: engine.status.revision == "monday")
    await delivery.shelf.put(delivery.archive("tuesday"))
    await until(lambda: engine.status.revision == "tuesday")
    complaints.clear()
    await delivery.shelf.put(older)
    await until(lambda: bool(complaints))
    assert complaints == ["revision monday was replaced by another and does not count again"]
    with pytest.raises(PolicyUnavailable):
        await engine.ask(Rule.CLASSES, CLASSES)
    await until(lambda: not _has_revision(engine))
    await delivery.shelf.put(delivery.archive("monday again"))
    await until(lambda: engine.status.revision == "monday again")
    await serves(engine, "monday again")
    await engine.aclose()


async def test_the_last_good_bundle_serves_no_longer_than_is_allowed(delivery: Delivery) -> None:
    await delivery.shelf.put(delivery.archive("watched"))
    engine = await delivery.engine(complaints := [], bundle_seconds=7.0)
    await until(lambda: engine.status.revision == "watched")
    await until(lambda: engine.status.refused is None)
    await serves(engine, "watched")
    complaints.clear()
    for break_it, mend in (
        (delivery.shelf.put(b"<html>404</html>"), delivery.shelf.put(delivery.archive("watched"))),
        (_close(delivery.shelf), _open(delivery.shelf)),
    ):
        await break_it
        await serves(engine, "watched")
        await until(lambda: not _has_revision(engine))
        assert complaints == ["the policy server has not had a sound look at its bundle for too long"]
        with pytest.raises(PolicyUnavailable):
            await engine.ask(Rule.CLASSES, CLASSES)
        await mend
        await until(lambda: engine.status.refused is None)
        await serves(engine, "watched")
        complaints.clear()
    await engine.aclose()


async def _close(shelf: Shelf) -> None:
    shelf.is_open = False


async def _open(shelf: Shelf) -> None:
    shelf.is_open = True


def _has_revision(engine: ServerEngine) -> bool:
    try:
        return bool(engine.revision)
    except PolicyUnavailable:
        return False

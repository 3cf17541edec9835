"""The page on registering a vendor is followed, on a copy of the policies."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from portico.access.embedded import EmbeddedConfig, EmbeddedEngine
from portico.access.engine import Rule
from tests.docs.console import Edit, steps

ROOT = Path(__file__).parents[2]


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[EmbeddedEngine]:
    shutil.copytree(ROOT / "policies", tmp_path / "policies")
    page = (ROOT / "docs/how-to/register-a-vendor.md").read_text()
    (edit,) = [step for step in steps(page) if isinstance(step, Edit)]
    edit.apply(tmp_path)
    config = EmbeddedConfig(
        folder=tmp_path / "policies", deadline_seconds=10, load_deadline_seconds=60, stale_seconds=60
    )
    engine = await EmbeddedEngine.start(config)
    yield engine
    await engine.aclose()


async def test_a_registered_vendor_is_told_what_its_entry_says_while_its_agreement_is_in_force(
    engine: EmbeddedEngine,
) -> None:
    async def told(day: str, purpose: str = "TREAT") -> tuple[list[str], str | None]:
        question = {"destination": "lab", "purpose": purpose, "tags": ["SCHEDULING", "IDENTIFIER"], "date": day}
        answer = (await engine.ask(Rule.EGRESS, question)).result
        return answer["tags"], answer["reason"]

    assert await told("2026-03-01") == (["SCHEDULING"], "tag_not_registered")
    assert await told("2027-02-28") == (["SCHEDULING"], "tag_not_registered")
    assert await told("2026-02-28") == ([], "no_agreement")
    assert await told("2027-03-01") == ([], "no_agreement")
    assert await told("2026-03-01", "HPAYMT") == ([], "purpose_not_registered")

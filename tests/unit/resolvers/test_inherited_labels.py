"""What a visit is at the EHR hides what hangs off it elsewhere, whatever is selected; what nobody judged is hidden."""

from __future__ import annotations

import pytest

from portico.records.references import SourceName
from portico.records.sensitivity import LABELLED
from sandbox.population.planted import Planted
from tests.changed import replace
from tests.contract.truth import Truth
from tests.house import EHR, Distortion, memory_house

SELECTIONS = ("id", "start", "start status practitioner { npi }", "encounter { status }")


def _labelled(*labels: str) -> Distortion:
    """Scheduling and billing know of nothing sensitive; all that they hold carries these labels."""

    def distort(source: SourceName, truth: Truth) -> Truth:
        if source == EHR:
            return truth
        records = (replace(one, labels=frozenset(labels)) if one.type in LABELLED else one for one in truth.records)
        return replace(truth, records=tuple(records))

    return distort


def _unwarned(source: SourceName, truth: Truth) -> Truth:
    return replace(_labelled("N")(source, truth), sensitive_visits=())


async def _shown(distort: Distortion, persona: str, field: str, selection: str) -> int:
    query = f"query ($id: ID!) {{ patient(id: $id) {{ {field}(first: 50) {{ edges {{ node {{ {selection} }} }} }} }} }}"
    async with memory_house(distort=distort) as house:
        answer = await house.ask(persona, query, id=await house.patient_name(Planted.EXPECTING))
        return len(answer["data"]["patient"][field]["edges"])


@pytest.mark.parametrize("selection", SELECTIONS)
async def test_an_appointment_is_hidden_by_its_visits_label_whatever_is_selected(selection: str) -> None:
    every = await _shown(_unwarned, "front-desk", "appointments", selection)
    assert await _shown(_labelled("N"), "front-desk", "appointments", selection) == every - 1


@pytest.mark.parametrize("selection", ["id", "status", "diagnoses { code }"])
async def test_a_claim_is_hidden_by_its_visits_label_whatever_is_selected(selection: str) -> None:
    every = await _shown(_unwarned, "biller", "claims", selection)
    assert await _shown(_labelled("N"), "biller", "claims", selection) == every - 1


async def test_what_carries_no_label_at_all_is_restricted() -> None:
    assert await _shown(_labelled("N"), "front-desk", "appointments", "start") > 0
    assert await _shown(_labelled(), "front-desk", "appointments", "start") == 0
    assert await _shown(_labelled(), "biller", "claims", "status") > 0, "billers are cleared for what is restricted"

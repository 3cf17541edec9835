from __future__ import annotations

import json
from collections.abc import Collection, Mapping

import pytest

from connectors.memory.connector import MemoryConnector
from portico import inspection
from portico.records.people import Person
from portico.records.references import SourceName, Tenant
from portico.records.systems import MRN
from portico.records.values import Identifier
from portico.store.crosswalk import CrosswalkConfig
from portico.store.database import Database
from portico.store.postgres import PostgresCrosswalk
from portico.store.postgres_switches import PostgresSwitches
from portico.store.switchboard import Switchboard
from resolvers.linking import Linker, LinkingConfig

RIVERBEND = Tenant("riverbend")


def _person(source: str, id_: str, family: str, mrn: str) -> Person:
    identifier = Identifier(system=MRN, value=mrn, type="MR")
    return Person(
        source=SourceName(source),
        source_id=id_,
        identifiers=(identifier,),
        family=family,
        given="Ann",
        birth_date="1980-02-03",
    )


@pytest.fixture
async def channels(store: Database) -> Mapping[Tenant, Collection[MemoryConnector]]:
    ehr = MemoryConnector(SourceName("ehr"), people=[_person("ehr", "pt-1", "Webb", "MRN-1")])
    billing = MemoryConnector(
        SourceName("billing"),
        people=[_person("billing", "SUB1", "Webb", "MRN-1"), _person("billing", "SUB2", "Quite-Different", "MRN-1")],
    )
    channels = {RIVERBEND: [ehr, billing]}
    switches = Switchboard(PostgresSwitches(store))
    await Linker(channels, PostgresCrosswalk(store, CrosswalkConfig()), switches, LinkingConfig()).run(RIVERBEND)
    return channels


async def test_whoever_is_tied_to_no_patient_is_listed_with_the_reason_and_without_a_name(
    channels: Mapping[Tenant, Collection[MemoryConnector]], store_url: str
) -> None:
    assert channels
    listed = await inspection.unlinked(store_url)
    told = [json.loads(inspection.doubt(tenant, one)) for tenant, one in listed]
    assert [(each["tenant"], each["source"], each["source_id"], each["reason"]) for each in told] == [
        ("riverbend", "billing", "SUB2", "name_mismatch")
    ]
    assert "Different" not in json.dumps(told)

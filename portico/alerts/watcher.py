"""Follows the audit chains and has alerts sent: ids and codes, nothing clinical, no name.

The same finding (who, and at whom, or how many) is told once an hour, however often it is made.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final
from uuid import UUID, uuid5

import orjson

from portico.records.errors import StoreUnavailable
from portico.records.references import PatientId, Tenant
from portico.store.alerts import AlertId
from portico.store.watching import ROWS_LIMIT, Attempt, Excess, Finding, Volume, Watching

_FINDINGS: Final = UUID("6f1d3c1e-8a53-4a0b-9d5c-2f8f0a7b6c11")
"""Under which the ids of findings are made."""

PATIENCE_ROUNDS: Final = 30
"""Rounds in a row that come to nothing before that is told: a database may be away for a while."""

Name = Callable[[Tenant, PatientId], str]
"""A patient's opaque id, as the graph shows it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WatcherConfig:
    """How often it looks."""

    poll_seconds: float = 1.0


class Watcher:
    """One for a process; of any number of processes one looks at a tenant's chain at a time."""

    def __init__(
        self,
        watching: Watching,
        volumes: Mapping[Tenant, Volume],
        name: Name,
        *,
        config: WatcherConfig | None = None,
        on_fault: Callable[[Exception], None] = lambda _: None,
    ) -> None:
        self._watching = watching
        self._volumes = volumes
        self._name = name
        self._config = config or WatcherConfig()
        self._on_fault = on_fault
        self._missed: Counter[Tenant] = Counter()
        """Rounds in a row in which a tenant's chain could not be looked at."""

    async def run(self) -> None:
        """Look until cancelled. A database that is away is waited for: its rows are still there afterwards."""
        while True:
            if not await self.round():
                await asyncio.sleep(self._config.poll_seconds)

    async def round(self) -> bool:
        """Look at every tenant's chain once; whether one of them has more to look at."""
        more = False
        for tenant, volume in self._volumes.items():
            try:
                more |= await self._watching.look(tenant, volume, tell=self.tell) >= ROWS_LIMIT
            except StoreUnavailable as error:
                self._missed[tenant] += 1
                if self._missed[tenant] % PATIENCE_ROUNDS == 0:
                    self._on_fault(error)
                continue
            except Exception as error:  # noqa: BLE001  a bug in one round must not end those to come
                self._on_fault(error)
            self._missed[tenant] = 0
        return more

    def tell(self, finding: Finding) -> tuple[AlertId, str]:
        """The alert of a finding."""
        told: dict[str, object]
        match finding:
            case Attempt():
                told = {
                    "event": "watched_patient.attempted",
                    "patient": self._name(finding.tenant, finding.patient),
                    "roles": sorted(finding.roles),
                    "client": finding.client,
                    "purpose": finding.purpose,
                    "request": finding.request_id,
                }
                about: str = finding.patient
            case Excess():
                told = {
                    "event": "volume.exceeded",
                    "patients": finding.patients,
                    "until": None if finding.until is None else finding.until.isoformat(timespec="milliseconds"),
                }
                about = ""
        hour = finding.at.strftime("%Y-%m-%dT%H")
        id_ = AlertId(str(uuid5(_FINDINGS, orjson.dumps([finding.tenant, finding.subject, about, hour]).decode())))
        common = {
            "id": id_,
            "tenant": finding.tenant,
            "at": finding.at.isoformat(timespec="milliseconds"),
            "subject": finding.subject,
        }
        return id_, orjson.dumps({**told, **common}).decode()

"""Sees to it that every alert arrives: takes what is due, delivers it, and comes back for what was not acknowledged.

The alerts lie in the database, where they were written with what they tell of. So whoever dies with one in hand loses
nothing: when the lease is over, another takes it. A receiver may get an alert twice, by the same id; never not at all.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from portico.alerts.receiver import Receiver
from portico.alerts.webhook import Delivery, NotDelivered
from portico.records.errors import StoreUnavailable
from portico.records.references import Tenant
from portico.store.alerts import Alert, Alerts


@dataclass(frozen=True, slots=True, kw_only=True)
class DispatcherConfig:
    """How often it looks, and how patient it is."""

    poll_seconds: float = 0.5
    batch_limit: int = 20
    lease_seconds: float = 10.0
    """For how long an alert in hand is nobody else's; more than a delivery takes."""
    first_pause_seconds: float = 1.0
    """Until the second attempt; twice as long until each further one."""
    longest_pause_seconds: float = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """How one attempt ended; `reason` None: it was acknowledged."""

    tenant: Tenant
    alert: str
    attempts: int
    reason: str | None


class Dispatcher:
    """One for a process; any number of processes share the work."""

    def __init__(
        self,
        alerts: Alerts,
        receivers: Mapping[Tenant, Receiver],
        delivery: Delivery,
        *,
        config: DispatcherConfig | None = None,
        on_attempt: Callable[[Attempt], None] = lambda _: None,
        on_fault: Callable[[Exception], None] = lambda _: None,
    ) -> None:
        self._alerts = alerts
        self._receivers = receivers
        self._delivery = delivery
        self._config = config or DispatcherConfig()
        self._on_attempt = on_attempt
        self._on_fault = on_fault

    async def run(self) -> None:
        """Deliver until cancelled. A database that is away is waited for; an alert that it holds is not lost."""
        while True:
            try:
                taken = await self.round()
            except StoreUnavailable:
                taken = 0
            except Exception as error:  # noqa: BLE001  a bug in one round must not end those to come
                taken = 0
                self._on_fault(error)
            if taken < self._config.batch_limit:
                await asyncio.sleep(self._config.poll_seconds)

    async def round(self) -> int:
        """Take what is due, and deliver it all at once; how many that were."""
        config = self._config
        taken = await self._alerts.take(
            [*self._receivers], limit=config.batch_limit, lease_seconds=config.lease_seconds
        )
        await asyncio.gather(*(self._deliver(alert) for alert in taken))
        return len(taken)

    async def _deliver(self, alert: Alert) -> None:
        reason: str | None = None
        try:
            await self._delivery.deliver(alert, self._receivers[alert.tenant])
        except NotDelivered as failure:
            reason = failure.reason
        if reason is None:
            await self._alerts.acknowledge(alert)
        else:
            await self._alerts.postpone(alert, seconds=self._pause_seconds(alert.attempts))
        self._on_attempt(Attempt(tenant=alert.tenant, alert=alert.id, attempts=alert.attempts, reason=reason))

    def _pause_seconds(self, attempts: int) -> float:
        config = self._config
        doubled = config.first_pause_seconds * float(2 ** min(attempts - 1, 30))
        return min(doubled, config.longest_pause_seconds)

"""The composition root: which parts there are, how they are made, and in which order they end.

The only module that names a concrete connector, the policy engine's implementations and Postgres.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import uvloop
from starlette.applications import Starlette

from connectors.base import Connector
from connectors.billing.config import BillingConfig
from connectors.billing.connector import BillingConnector
from connectors.channel import CallReport, Channel, ChannelConfig
from connectors.fhir.config import FhirConfig
from connectors.fhir.connector import FhirConnector
from connectors.fhir.mapping import FhirMapping
from connectors.scheduling.config import SchedulingConfig
from connectors.scheduling.connector import SchedulingConnector
from graph.execution import Executor, Parts
from graph.schema import GraphSchema, build
from portico import logs
from portico.access.bundle import read_bundle
from portico.access.decisions import Decisions
from portico.access.embedded import EmbeddedConfig, EmbeddedEngine
from portico.access.engine import PolicyEngine
from portico.access.guard import Guard
from portico.access.server import ServerConfig, ServerEngine
from portico.alerts.dispatcher import Attempt, Dispatcher
from portico.alerts.watcher import Watcher
from portico.alerts.webhook import Webhook
from portico.audit.postgres import PostgresTrail, TrailConfig
from portico.audit.witness import WitnessConfig, WitnessedTrail
from portico.checkpoint_settings import checkpoint_file
from portico.edge.application import application
from portico.edge.claims import TokenRules
from portico.edge.endpoint import Limits
from portico.edge.jwks import JwksCache, JwksConfig
from portico.edge.metrics import Metrics, metrics_application
from portico.edge.serving import metrics_server, server
from portico.edge.tokens import Issuer, TokenVerifier
from portico.records.errors import PolicyUnavailable, PorticoError, StoreUnavailable
from portico.records.references import PORTICO, PatientId, RecordType, SourceName, Tenant
from portico.secret_files import read_key
from portico.settings import Settings, SettingsRefused
from portico.store.alerts import PostgresAlerts
from portico.store.crosswalk import CrosswalkConfig
from portico.store.database import Database, DatabaseConfig
from portico.store.migration import migrate
from portico.store.postgres import PostgresCrosswalk
from portico.store.postgres_emergency import PostgresEmergencyAccesses
from portico.store.postgres_switches import PostgresSwitches
from portico.store.switchboard import Switchboard
from portico.store.watching import PostgresWatching
from portico.tenants import SourceConfig, TenantConfig, load_tenants
from resolvers.commands import CommandStores
from resolvers.ledger import note_call
from resolvers.linking import Linker, LinkingConfig
from resolvers.own_records import OwnRecords
from resolvers.seal import Seal

_log = logs.logger()


POLICY_SECONDS = 1.0
"""How long the policies may take to decide a level's classes; later is a denial. Some milliseconds are usual."""


def _fhir(source: SourceName, tenant: Tenant, config: SourceConfig) -> Connector:
    return FhirConnector(config.bind(FhirConfig, source=source, tenant=tenant), FhirMapping.load())


def _scheduling(source: SourceName, tenant: Tenant, config: SourceConfig) -> Connector:
    return SchedulingConnector(config.bind(SchedulingConfig, source=source, tenant=tenant))


def _billing(source: SourceName, tenant: Tenant, config: SourceConfig) -> Connector:
    return BillingConnector(config.bind(BillingConfig, source=source, tenant=tenant))


CONNECTORS: Mapping[str, Callable[[SourceName, Tenant, SourceConfig], Connector]] = {
    "fhir": _fhir,
    "scheduling": _scheduling,
    "billing": _billing,
}
"""The kinds of source systems that the tenants file may name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    """Everything that runs, put together."""

    app: Starlette
    executor: Executor
    metrics: Metrics
    linker: Linker
    tenants: Mapping[Tenant, TenantConfig]


@asynccontextmanager
async def house(settings: Settings) -> AsyncIterator[House]:
    """The whole of Portico, made from settings, and taken down in the reverse order."""
    essentials = settings.essentials()
    tenants = load_tenants(essentials.tenants, demo=settings.demo)
    secret = read_key(essentials.secret_file, demo=settings.demo)
    schema = build()
    metrics = Metrics()
    if settings.migration_url is not None:
        await migrate(settings.migration_url.get_secret_value())
    async with AsyncExitStack() as stack:
        engine = await _engine(settings)
        stack.push_async_callback(engine.aclose)
        database = await Database.open(DatabaseConfig(url=essentials.database_url.get_secret_value()))
        stack.push_async_callback(database.aclose)
        trail = _trail(database, settings)
        stack.push_async_callback(trail.aclose)
        crosswalk = PostgresCrosswalk(database, CrosswalkConfig())
        switches = Switchboard(PostgresSwitches(database))
        channels = {name: channels_of(tenant, settings, metrics) for name, tenant in tenants.items()}
        for of_tenant in channels.values():
            for channel in of_tenant:
                stack.push_async_callback(channel.aclose)
        keys = JwksCache(JwksConfig(url=essentials.jwks_url))
        stack.push_async_callback(keys.aclose)
        decisions = Decisions(engine)
        executor = Executor(
            schema,
            Parts(
                channels={name: _served(of_tenant) for name, of_tenant in channels.items()},
                crosswalk=crosswalk,
                switches=switches,
                decisions=decisions,
                guard=Guard(decisions, schema.tags, mask_secret=secret),
                seal=Seal(secret),
                trail=trail,
                commands=CommandStores(
                    emergency=PostgresEmergencyAccesses(database),
                    consents=crosswalk,
                    records=OwnRecords(PostgresEmergencyAccesses(database), crosswalk, Seal(secret)),
                ),
                on_fault=_note_fault,
                on_executed=metrics.operation_executed,
                planned=settings.executor == "planned",
                explain=settings.demo,
            ),
        )
        alerting = asyncio.create_task(_dispatcher(database, tenants).run())
        stack.callback(alerting.cancel)
        watching = asyncio.create_task(_watcher(database, tenants, Seal(secret)).run())
        stack.callback(watching.cancel)
        ages = {name: tenant.ages for name, tenant in tenants.items()}
        linker = Linker(channels, crosswalk, switches, LinkingConfig(ages=ages))
        linked = asyncio.Event()
        linking = asyncio.create_task(_keep_linking(linker, tenants, settings.link_interval_seconds, linked))
        stack.callback(linking.cancel)
        consenting = asyncio.create_task(
            _keep_consents_fresh(linker, tenants, settings.consent_interval_seconds, linked)
        )
        stack.callback(consenting.cancel)

        async def missing() -> Sequence[str]:
            absent = [] if linked.is_set() else ["links"]
            absent += [] if _decides(engine) else ["policy"]
            absent += [] if await _answers(database) else ["store"]
            absent += ["checkpoints"] if isinstance(trail, WitnessedTrail) and not trail.sound else []
            return absent + ([] if await keys.ready() else ["keys"])

        issuer = Issuer(name=essentials.issuer, audience=essentials.audience, tenants=frozenset(tenants), keys=keys)
        app = application(
            executor=executor,
            verifier=TokenVerifier([issuer], TokenRules(lifetime_limit_seconds=settings.token_lifetime_limit_seconds)),
            readiness=missing,
            metrics=metrics,
            limits=Limits(
                body_limit_bytes=settings.body_limit_bytes,
                request_timeout_seconds=settings.request_timeout_seconds,
                in_flight_limit=settings.in_flight_limit,
            ),
            origins=settings.allowed_origins,
            get_queries=settings.get_queries,
        )
        yield House(app=app, executor=executor, metrics=metrics, linker=linker, tenants=tenants)


def serve(settings: Settings) -> None:
    """Run the server until it is told to stop."""
    logs.configure(settings.log_level)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(settings))


def schema_text() -> str:
    """The schema as it is committed in `schema.graphql`: sorted, with descriptions and tags."""
    return build().sdl


def graph_schema() -> GraphSchema:
    """The schema with its guarded coordinates, for references that are generated from it."""
    return build()


def _settle_memory() -> None:
    """Take what lives as long as the process out of the garbage collector's sight, and let it come less often.

    An answer makes tens of thousands of objects and few cycles: at the defaults, looking for them costs up to half of
    the time that answering takes.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 50, 100)


async def _serve(settings: Settings) -> None:
    async with house(settings) as running:
        _settle_memory()
        timeout = settings.request_timeout_seconds
        main = server(running.app, host=settings.host, port=settings.port, request_timeout_seconds=timeout)
        if not settings.metrics_port:
            await main.serve()
            return
        operators = metrics_server(metrics_application(running.metrics), port=settings.metrics_port)
        async with asyncio.TaskGroup() as group:
            group.create_task(operators.serve())
            await main.serve()
            operators.should_exit = True


def _trail(database: Database, settings: Settings) -> PostgresTrail | WitnessedTrail:
    """The audit trail, held against its checkpoints where the settings name a file for them."""
    trail, file = PostgresTrail(database, TrailConfig()), checkpoint_file(settings)
    if file is None:
        return trail
    witnessed = WitnessedTrail(trail, file, WitnessConfig(interval_seconds=settings.checkpoint_interval_seconds))
    witnessed.watch()
    return witnessed


async def _engine(settings: Settings) -> PolicyEngine:
    def note_refused(reason: str) -> None:
        _log.error("policies_refused", reason=reason)

    if settings.opa_url is None:
        return await EmbeddedEngine.start(
            EmbeddedConfig(folder=settings.policies, deadline_seconds=POLICY_SECONDS), on_refused=note_refused
        )
    bundle = await asyncio.to_thread(read_bundle, settings.policies)
    return await ServerEngine.start(
        ServerConfig(
            url=settings.opa_url,
            schemas=bundle.schemas,
            deadline_seconds=POLICY_SECONDS,
            bundle_seconds=settings.opa_bundle_seconds,
        ),
        on_refused=note_refused,
    )


def channels_of(tenant: TenantConfig, settings: Settings, metrics: Metrics | None = None) -> tuple[Channel, ...]:
    """One channel for each source of a tenant. Raises `SettingsRefused` for a kind that no connector speaks."""

    def heard(report: CallReport) -> None:
        note_call(report)
        if metrics is not None:
            metrics.source_called(report.source, report.status.value, report.milliseconds / 1_000)

    channels: list[Channel] = []
    for name, source in tenant.sources.items():
        make = CONNECTORS.get(source.kind)
        if make is None:
            raise SettingsRefused(f"{source.place}.kind: unknown {source.kind}; known are {', '.join(CONNECTORS)}")
        config = ChannelConfig(
            destination=source.kind,
            timeout_seconds=settings.source_timeout_seconds,
            requests_per_second=source.requests_per_second,
            keep_seconds=source.keep_seconds,
        )
        channels.append(Channel(make(name, tenant.name, source), config, on_call=heard))
    return tuple(channels)


def _served(channels: Sequence[Channel]) -> dict[RecordType, Channel]:
    """Which channel serves which type. Two sources of a type are a mistake: nobody could say whose word counts."""
    served: dict[RecordType, Channel] = {}
    for channel in channels:
        for type_ in channel.keys:
            other = served.setdefault(type_, channel)
            if other is not channel:
                raise SettingsRefused(f"{type_.value} is served by both {other.source} and {channel.source}")
    return served


def _dispatcher(database: Database, tenants: Mapping[Tenant, TenantConfig]) -> Dispatcher:
    """What brings alerts to the tenants' receivers. Alerts of a tenant without one wait until it has one."""
    receivers = {name: tenant.alerts for name, tenant in tenants.items() if tenant.alerts is not None}
    for name in tenants.keys() - receivers.keys():
        _log.warning("alerts_have_no_receiver", tenant=name)
    return Dispatcher(
        PostgresAlerts(database),
        receivers,
        Webhook(),
        on_attempt=_note_attempt,
        on_fault=lambda error: _log.error("alerts_failed", exc_info=error),
    )


def _watcher(database: Database, tenants: Mapping[Tenant, TenantConfig], seal: Seal) -> Watcher:
    """What has alerts written of what the audit chains show."""

    def name(tenant: Tenant, patient: PatientId) -> str:
        return seal.seal(("id", tenant), (RecordType.PATIENT, PORTICO, patient))

    return Watcher(
        PostgresWatching(database),
        {name: tenant.volume for name, tenant in tenants.items()},
        name,
        on_fault=lambda error: _log.error("watching_failed", exc_info=error),
    )


def _note_attempt(attempt: Attempt) -> None:
    if attempt.reason is None:
        _log.info("alert_delivered", tenant=attempt.tenant, count=attempt.attempts)
    else:
        _log.warning("alert_not_delivered", tenant=attempt.tenant, reason=attempt.reason, count=attempt.attempts)


async def _keep_linking(
    linker: Linker, tenants: Mapping[Tenant, TenantConfig], interval_seconds: float, linked: asyncio.Event
) -> None:
    """Link at once and then every so often; `linked` is set after the first round, whatever came of it."""
    while True:
        for tenant in tenants:
            try:
                await linker.run(tenant)
            except PorticoError as error:
                _log.warning("linking_failed", tenant=tenant, exception=type(error).__name__)
        linked.set()
        await asyncio.sleep(interval_seconds)


async def _keep_consents_fresh(
    linker: Linker, tenants: Mapping[Tenant, TenantConfig], interval_seconds: float, linked: asyncio.Event
) -> None:
    """Take over the EHR's consents every so often, from the first round of linking on."""
    await linked.wait()
    while True:
        await asyncio.sleep(interval_seconds)
        for tenant in tenants:
            try:
                await linker.refresh_consents(tenant)
            except PorticoError as error:
                _log.warning("consents_failed", tenant=tenant, exception=type(error).__name__)


def _decides(engine: PolicyEngine) -> bool:
    try:
        return bool(engine.revision)
    except PolicyUnavailable:
        return False


async def _answers(database: Database) -> bool:
    try:
        await database.fetch("select 1", seconds=1.0)
    except StoreUnavailable:
        return False
    return True


def _note_fault(error: BaseException, request_id: str) -> None:
    _log.error("fault", request_id=request_id, exc_info=error)

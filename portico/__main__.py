"""The command line: `portico`, or `python -m portico`. Each command loads what it needs and no more."""
# ruff: noqa: PLC0415 - so that `portico token` does not wait for the server's imports

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, Literal

import typer

from portico.demo.children import DemoFailed
from portico.demo.client import Refused
from portico.demo.state import State
from portico.records.switches import SwitchKind

if TYPE_CHECKING:
    from portico.audit.checkpoint_file import CheckpointFile
    from portico.switching import Known

_DAY: Final = "%Y-%m-%d"


app = typer.Typer(
    help="One guarded GraphQL graph over the systems that a clinic already runs.",
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
audit = typer.Typer(help="The audit trail.", no_args_is_help=True)
sandbox = typer.Typer(help="The simulated sources of the running demo.", no_args_is_help=True)
switch = typer.Typer(help="What is switched off.", no_args_is_help=True)
app.add_typer(audit, name="audit")
app.add_typer(switch, name="switch")
app.add_typer(sandbox, name="sandbox")


@app.command()
def serve() -> None:
    """Run the server, as the PORTICO_ settings say."""
    from portico import main as house
    from portico.settings import Settings

    with _plainly():
        house.serve(Settings.load())


@app.command()
def demo(
    data: Annotated[
        Path | None,
        typer.Option(exists=True, help="FHIR R4 bundles as Synthea writes them: a folder, .tar.xz or file."),
    ] = None,
) -> None:
    """Run everything on this machine: PostgreSQL, three simulated sources, an identity provider and the server."""
    from portico.demo.stage import run

    def say(text: str) -> None:
        typer.echo(text)
        sys.stdout.flush()

    with _plainly():
        asyncio.run(run(_state(), data=data.resolve() if data else None, say=say))


@app.command()
def token(
    persona: Annotated[str, typer.Option("--as", help="Whom to be: patient, guardian, physician, biller ...")],
    purpose: Annotated[
        str | None, typer.Option(help="The only purpose of use that the token is to be good for.")
    ] = None,
    acr: Annotated[
        str | None, typer.Option(help="How they have signed in, if not as usual: aal1, aal2 or aal3.")
    ] = None,
    auth_age: Annotated[int | None, typer.Option(help="How many seconds ago; else just now.")] = None,
) -> None:
    """Print an access token of the running demo's identity provider, and nothing else."""
    from portico.demo.client import token as ask

    with _plainly():
        typer.echo(ask(_state().running(), persona, purpose, acr=acr, auth_age_seconds=auth_age))


@app.command()
def schema() -> None:
    """Print the GraphQL schema, sorted, with descriptions and tags."""
    from portico import main as house

    typer.echo(house.schema_text(), nl=False)


@app.command()
def plan(
    document: Annotated[str, typer.Argument(help="A file with a GraphQL document; - reads standard input.")],
    operation: Annotated[str | None, typer.Option(help="Which of its operations, where there are several.")] = None,
    who: Annotated[
        str | None, typer.Option("--as", help="ROLE/PURPOSE, such as biller/HPAYMT: tell what its ceiling prunes.")
    ] = None,
) -> None:
    """Print how an operation is executed: level by level, what is asked of which system, or why it has no plan."""
    from portico.access.principal import Purpose
    from portico.planning import tell
    from portico.settings import Settings

    with _plainly():
        role, _, purpose = (who or "").partition("/")
        if who is not None and (not role or purpose not in {one.value for one in Purpose}):
            raise Refused("--as takes a role and a purpose of use, such as biller/HPAYMT")
        try:
            query = sys.stdin.read() if document == "-" else Path(document).read_text()
        except (OSError, UnicodeDecodeError):
            raise Refused(f"{document} can't be read") from None
        policies = Settings.load().policies
        for line in asyncio.run(tell(query, operation, (role, purpose) if who else None, policies)):
            typer.echo(line)


@app.command()
def check() -> None:
    """Print the effective settings and where each comes from, and whether the server could start with them."""
    from portico import checkup
    from portico.settings import Settings

    with _plainly():
        settings = Settings.load()
        typer.echo(checkup.settings_table(settings))
        findings = asyncio.run(checkup.examine(settings))
        for finding in findings:
            typer.echo(f"{finding.subject}: {finding.trouble or 'well'}")
        raise typer.Exit(any(finding.trouble for finding in findings))


@audit.command()
def verify() -> None:
    """Recompute every chain of the audit trail and hold it against its checkpoints; name what is wrong."""
    from portico import checkpointing

    with _plainly():
        verification = asyncio.run(checkpointing.verify(_database_url(), _checkpoints()))
        for told in verification.sentences:
            typer.echo(told)
        raise typer.Exit(not verification.sound)


@audit.command()
def checkpoint() -> None:
    """Append a signed checkpoint of every chain that grew; fail for a chain that is not what was witnessed before."""
    from portico import checkpointing

    with _plainly():
        left = asyncio.run(checkpointing.leave_checkpoint(_database_url(), _needed_checkpoints()))
        for head in left.heads:
            typer.echo(f"{head.tenant}: witnessed up to row {head.number}, hash {head.hash.hex()}")
        for tenant, why in left.distrusted:
            typer.echo(f"{tenant}: {why.value}", err=True)
        raise typer.Exit(bool(left.distrusted))


@audit.command("accept-gap")
def accept_gap(
    reason: Annotated[str, typer.Option(help="Why rows are gone, in one line, without anybody's name or data.")],
) -> None:
    """Sign that chains which lost rows, as by a restored backup, go on as they are; then the server releases again."""
    from portico import checkpointing

    with _plainly():
        try:
            gaps = asyncio.run(checkpointing.accept(_database_url(), _needed_checkpoints(), reason=reason))
        except ValueError as error:
            raise Refused(str(error)) from None
        for gap in gaps:
            typer.echo(checkpointing.gap_sentence(gap))
        if not gaps:
            typer.echo("every chain is what was witnessed")


@audit.command()
def disclosures(
    patient: Annotated[str, typer.Option(help="A patient's id, as the graph shows it.")],
    since: Annotated[
        datetime | None, typer.Option("--from", formats=[_DAY], help="The first day, in UTC; else six years ago.")
    ] = None,
    until: Annotated[datetime | None, typer.Option(formats=[_DAY], help="The last day, in UTC.")] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Every access, not only what 45 CFR 164.528 has accounted for.")
    ] = False,
    how: Annotated[
        Literal["text", "json", "fhir"], typer.Option("--format", help="Lines of text, JSON or FHIR AuditEvents.")
    ] = "text",
) -> None:
    """To whom a patient's data were disclosed, newest first, a line each. The reading itself is recorded, too."""
    from portico import accounts

    async def tell() -> None:
        first, last = (day and day.replace(tzinfo=UTC) for day in (since, until))
        period = accounts.period_of(
            first, last and last + timedelta(days=1), everything=everything, now=datetime.now(UTC)
        )
        rows = accounts.disclosures(_database_url(), patient, secret=_secret(), period=period, everything=everything)
        async for one in rows:
            typer.echo(accounts.written(one, how))

    with _plainly():
        asyncio.run(tell())


@audit.command()
def show(patient: Annotated[str, typer.Option(help="A patient's id, as the graph shows it.")]) -> None:
    """Who saw a patient: a line of JSON for each answer about them, newest first. Names of fields, never values."""
    from portico import inspection

    with _plainly():
        for row in asyncio.run(inspection.sightings(_database_url(), patient, secret=_secret())):
            typer.echo(inspection.line(row))


_Kind = Annotated[SwitchKind, typer.Argument(help="tenant, source, field, subject or client.")]
_Name = Annotated[
    str, typer.Argument(help="The tenant's or source's name, a field such as Patient.ssn, a subject, a client's id.")
]
_Tenant = Annotated[str | None, typer.Option(help="Of which tenant. May be left out where a tenant is named.")]
_By = Annotated[str, typer.Option(help="Who says so; it stands in the audit trail.")]


@switch.command("off")
def switch_off(
    kind: _Kind,
    name: _Name,
    by: _By,
    reason: Annotated[str, typer.Option(help="Why, in one line, without anybody's name or data.")],
    tenant: _Tenant = None,
) -> None:
    """Switch something off for a tenant. It counts for every request that begins after this, in every process."""
    from portico import switching

    with _plainly(), _as_refusals():
        thing = switching.thing(kind, name, tenant)
        switching.require_known(thing, _known_sources())
        done = asyncio.run(switching.turn_off(_database_url(), thing, by=by, reason=reason))
        typer.echo(f"{thing.tenant}: {thing} is off{'' if done else ' already'}")


@switch.command("on")
def switch_on(kind: _Kind, name: _Name, by: _By, tenant: _Tenant = None) -> None:
    """Switch it on again."""
    from portico import switching

    with _plainly(), _as_refusals():
        thing = switching.thing(kind, name, tenant)
        if not asyncio.run(switching.turn_on(_database_url(), thing, by=by)):
            raise Refused(f"{thing.tenant}: {thing} is not off")
        typer.echo(f"{thing.tenant}: {thing} is on")


@switch.command("list")
def switch_list(
    everything: Annotated[bool, typer.Option("--all", help="What was off and is on again, too.")] = False,
) -> None:
    """What is off, of all tenants: since when, by whom and why, a line each, the latest first."""
    from portico import switching

    with _plainly():
        for one in asyncio.run(switching.history(_database_url())):
            if everything or one.on_at is None:
                typer.echo(switching.sentence(one))


@app.command()
def unlinked() -> None:
    """List the sources' records that are tied to no patient, and why: a line of JSON each. Ids only, no names."""
    from portico import inspection

    with _plainly():
        for tenant, one in asyncio.run(inspection.unlinked(_database_url())):
            typer.echo(inspection.doubt(tenant, one))


@sandbox.command()
def calls(clear: Annotated[bool, typer.Option(help="Forget them instead.")] = False) -> None:
    """What each simulated source was asked, as JSON lines."""
    from portico.demo.client import calls as ask

    with _plainly():
        sys.stdout.buffer.write(ask(_state().running(), clear=clear))


@sandbox.command()
def misbehave(
    source: Annotated[str, typer.Argument(help="ehr, scheduling or billing.")],
    mode: Annotated[str, typer.Argument(help="well, slow, 500, 429, reset, wrong-patient, huge or foreign-next.")],
    seconds: Annotated[float | None, typer.Option(min=0, help="How long slow answers wait.")] = None,
) -> None:
    """Make a simulated source misbehave until told otherwise."""
    from portico.demo.client import misbehave as tell

    with _plainly():
        tell(_state().running(), source, mode, seconds)


def main() -> None:
    """The entry point of the installed command."""
    app(prog_name="portico")


def _state() -> State:
    return State(Path(os.environ.get("PORTICO_STATE", ".portico")).absolute())


def _database_url() -> str:
    """The database that the settings name, else the running demo's."""
    from portico.settings import Settings

    configured = Settings.load().database_url
    return configured.get_secret_value() if configured else _state().running().database_url


def _secret() -> bytes:
    """The secret that seals ids: the one that the settings name, else the demo's."""
    from portico.secret_files import read_key
    from portico.settings import Settings

    settings = Settings.load()
    return read_key(settings.secret_file or _state().key, demo=settings.demo or not settings.secret_file)


def _checkpoints() -> CheckpointFile | None:
    """The checkpoint file that the settings name, else the demo's, if it is its database that is looked at."""
    from portico.checkpoint_settings import checkpoint_file, open_checkpoints
    from portico.settings import Settings

    settings, state = Settings.load(), _state()
    if settings.database_url is None and settings.checkpoint_file is None:
        return open_checkpoints(state.checkpoints, state.checkpoint_key, demo=True)
    return checkpoint_file(settings)


def _needed_checkpoints() -> CheckpointFile:
    file = _checkpoints()
    if file is None:
        raise Refused("no checkpoint file is configured; set PORTICO_CHECKPOINT_FILE and PORTICO_CHECKPOINT_KEY_FILE")
    return file


def _known_sources() -> Known | None:
    """The sources of each tenant that the settings name, else of the running demo's; None: nobody can say."""
    from portico.settings import Settings
    from portico.tenants import load_tenants

    settings = Settings.load()
    path = settings.tenants or (_state().tenants if settings.database_url is None else None)
    if path is None:
        return None
    tenants = load_tenants(path, demo=settings.demo or settings.tenants is None)
    return {name: tenant.sources.keys() for name, tenant in tenants.items()}


@contextmanager
def _as_refusals() -> Iterator[None]:
    """What is wrong with an argument is refused as such."""
    try:
        yield
    except ValueError as error:
        raise Refused(str(error)) from None


@contextmanager
def _plainly() -> Iterator[None]:
    """Say in plain lines what is wrong: exit 2 where something unknown was asked for, else 1."""
    from portico.records.errors import PorticoError

    try:
        yield
    except Refused as refused:
        typer.echo(f"portico: {refused}", err=True)
        raise typer.Exit(2) from None
    except (DemoFailed, PorticoError) as failed:
        typer.echo(f"portico: {failed}", err=True)
        raise typer.Exit(1) from None


if __name__ == "__main__":
    main()

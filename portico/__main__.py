"""The command line: `portico`, or `python -m portico`. Each command loads what it needs and no more."""
# ruff: noqa: PLC0415 - so that `portico token` does not wait for the server's imports

from __future__ import annotations

import asyncio
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Final, Literal

import typer

from portico.demo.client import Refused
from portico.records.switches import SwitchKind
from portico.shell import (
    as_refusals,
    checkpoints,
    database_url,
    known_sources,
    needed_checkpoints,
    plainly,
    secret,
    state,
)

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


def _say_version(wanted: bool) -> None:
    from portico import VERSION

    if wanted:
        typer.echo(f"portico {VERSION}")
        raise typer.Exit


@app.callback()
def portico(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_say_version, is_eager=True)
    ] = False,
) -> None:
    """One guarded GraphQL graph over the systems that a clinic already runs."""


@app.command()
def serve() -> None:
    """Run the server, as the PORTICO_ settings say."""
    from portico import main as house
    from portico.settings import Settings

    with plainly():
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

    with plainly():
        asyncio.run(run(state(), data=data.resolve() if data else None, say=say))


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

    with plainly():
        typer.echo(ask(state().running(), persona, purpose, acr=acr, auth_age_seconds=auth_age))


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
    from portico.planning import UnknownRole, tell
    from portico.settings import Settings

    with plainly():
        role, _, purpose = (who or "").partition("/")
        if who is not None and not (role and purpose):
            raise Refused("--as takes a role and a purpose of use, such as biller/HPAYMT")
        try:
            query = sys.stdin.read() if document == "-" else Path(document).read_text()
        except (OSError, UnicodeDecodeError):
            raise Refused(f"{document} can't be read") from None
        policies = Settings.load().policies
        with as_refusals(UnknownRole):
            for line in asyncio.run(tell(query, operation, (role, purpose) if who else None, policies)):
                typer.echo(line)


@app.command()
def check() -> None:
    """Print the effective settings and where each comes from, and whether the server could start with them."""
    from portico import checkup
    from portico.settings import Settings

    with plainly():
        settings = Settings.load()
        typer.echo(checkup.settings_table(settings))
        findings = asyncio.run(checkup.examine(settings))
        for finding in findings:
            typer.echo(f"{finding.subject}: {finding.trouble or finding.state}")
        raise typer.Exit(any(finding.trouble for finding in findings))


@audit.command()
def verify() -> None:
    """Recompute every chain of the audit trail and hold it against its checkpoints; name what is wrong."""
    from portico import checkpointing

    with plainly():
        verification = asyncio.run(checkpointing.verify(database_url(), checkpoints()))
        for told in verification.sentences:
            typer.echo(told)
        raise typer.Exit(not verification.sound)


@audit.command()
def checkpoint() -> None:
    """Append a signed checkpoint of every chain that grew; fail for a chain that is not what was witnessed before."""
    from portico import checkpointing

    with plainly():
        left = asyncio.run(checkpointing.leave_checkpoint(database_url(), needed_checkpoints()))
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

    with plainly():
        try:
            gaps = asyncio.run(checkpointing.accept(database_url(), needed_checkpoints(), reason=reason))
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

    async def tell() -> str:
        first, last = (day and day.replace(tzinfo=UTC) for day in (since, until))
        period = accounts.period_of(
            first, last and last + timedelta(days=1), everything=everything, now=datetime.now(UTC)
        )
        rows = accounts.disclosures(database_url(), patient, secret=secret(), period=period, everything=everything)
        none = True
        async for one in rows:
            typer.echo(accounts.written(one, how))
            none = False
        return accounts.nothing(period, everything=everything) if none else ""

    with plainly(), as_refusals(accounts.NoSuchPatient):
        if silence := asyncio.run(tell()):
            typer.echo(silence, err=True)


@audit.command()
def show(patient: Annotated[str, typer.Option(help="A patient's id, as the graph shows it.")]) -> None:
    """Who saw a patient: a line of JSON for each answer about them, newest first. Names of fields, never values."""
    from portico import inspection

    with plainly(), as_refusals(inspection.NoSuchPatient):
        rows = asyncio.run(inspection.sightings(database_url(), patient, secret=secret()))
        for row in rows:
            typer.echo(inspection.line(row))
        if not rows:
            typer.echo(inspection.NOBODY, err=True)


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

    with plainly(), as_refusals():
        known = known_sources()
        thing = switching.thing(kind, name, tenant, known)
        switching.require_known(thing, known)
        done = asyncio.run(switching.turn_off(database_url(), thing, by=by, reason=reason))
        typer.echo(f"{thing.tenant}: {thing} is off{'' if done else ' already'}")


@switch.command("on")
def switch_on(kind: _Kind, name: _Name, by: _By, tenant: _Tenant = None) -> None:
    """Switch it on again."""
    from portico import switching

    with plainly(), as_refusals():
        thing = switching.thing(kind, name, tenant, None if tenant else known_sources())
        if not asyncio.run(switching.turn_on(database_url(), thing, by=by)):
            raise Refused(f"{thing.tenant}: {thing} is not off")
        typer.echo(f"{thing.tenant}: {thing} is on")


@switch.command("list")
def switch_list(
    everything: Annotated[bool, typer.Option("--all", help="What was off and is on again, too.")] = False,
) -> None:
    """What is off, of all tenants: since when, by whom and why, a line each, the latest first."""
    from portico import switching

    with plainly():
        for one in asyncio.run(switching.history(database_url())):
            if everything or one.on_at is None:
                typer.echo(switching.sentence(one))


@app.command()
def unlinked() -> None:
    """List the sources' records that are tied to no patient, and why: a line of JSON each. Ids only, no names."""
    from portico import inspection

    with plainly():
        for tenant, one in asyncio.run(inspection.unlinked(database_url())):
            typer.echo(inspection.doubt(tenant, one))


@sandbox.command()
def calls(clear: Annotated[bool, typer.Option(help="Forget them instead.")] = False) -> None:
    """What each simulated source was asked, as JSON lines."""
    from portico.demo.client import calls as ask

    with plainly():
        sys.stdout.buffer.write(ask(state().running(), clear=clear))


@sandbox.command()
def misbehave(
    source: Annotated[str, typer.Argument(help="ehr, scheduling, billing or alerts.")],
    mode: Annotated[str, typer.Argument(help="well, slow, 500, 429, reset, wrong-patient, huge or foreign-next.")],
    seconds: Annotated[float | None, typer.Option(min=0, help="How long slow answers wait.")] = None,
) -> None:
    """Make a simulated source misbehave until told otherwise."""
    from portico.demo.client import misbehave as tell

    with plainly():
        tell(state().running(), source, mode, seconds)


def main() -> None:
    """The entry point of the installed command."""
    app(prog_name="portico")


if __name__ == "__main__":
    main()

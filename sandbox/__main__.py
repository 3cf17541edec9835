"""Each part of the sandbox as a process: `python -m sandbox fhir --population riverbend.json --secrets secrets`.

Secrets are files of a folder, one for each tenant and source: `riverbend-ehr`, `riverbend-scheduling`,
`riverbend-billing`. A process that listens prints one line of JSON with its URL.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from starlette.types import ASGIApp

from sandbox.control import Control
from sandbox.population import storage
from sandbox.population.model import Population
from sandbox.serving import announce, serve


def population(arguments: argparse.Namespace) -> None:
    """Make a clinic group's population, with what Synthea's bundles add to it, and write it to a file."""
    from sandbox.population.generator import generate  # noqa: PLC0415 - only this command needs names to be made up

    made = generate(arguments.tenant, seed=arguments.seed, size=arguments.size, canary=arguments.canary)
    if arguments.data:
        made = _with_bundles(made, arguments.data)
    storage.save(made, arguments.out)


def fhir(arguments: argparse.Namespace) -> None:
    """The EHR."""
    from sandbox.fhir.oauth import Client  # noqa: PLC0415 - each process loads its own source only
    from sandbox.fhir.server import MODES, build  # noqa: PLC0415 - as above

    populations = _populations(arguments)
    clients = {tenant: Client(secret=_secret(arguments, tenant, "ehr")) for tenant in populations}

    def application(url: str) -> ASGIApp:
        return build(populations, Control("ehr", MODES), base_url=url, clients=clients)

    serve(application, port=arguments.port)


def scheduling(arguments: argparse.Namespace) -> None:
    """The scheduling vendor."""
    from sandbox.scheduling.server import MODES, build  # noqa: PLC0415 - each process loads its own source only

    populations = _populations(arguments)
    keys = {tenant: _secret(arguments, tenant, "scheduling") for tenant in populations}
    serve(lambda _: build(populations, Control("scheduling", MODES), keys=keys), port=arguments.port)


def billing(arguments: argparse.Namespace) -> None:
    """The billing databases behind their fronts. `--upstream` is the superuser's URL of their PostgreSQL."""
    from sandbox.billing.accounts import Account  # noqa: PLC0415 - each process loads its own source only
    from sandbox.billing.server import MODES, Listening, serve  # noqa: PLC0415 - as above

    populations = _populations(arguments)
    accounts = [
        Account(
            tenant=tenant,
            database=f"billing_{tenant}",
            user=f"billing_{tenant}_reader",
            password=_secret(arguments, tenant, "billing"),
        )
        for tenant in populations
    ]

    def ready(listening: Listening) -> None:
        announce(listening.control_url, listening.ports)

    control = Control("billing", MODES)
    asyncio.run(
        serve(
            populations,
            control,
            upstream=arguments.upstream,
            accounts=accounts,
            ready=ready,
            control_port=arguments.port,
        )
    )


def identity(arguments: argparse.Namespace) -> None:
    """The identity provider, for the personas of two populations: the main one and the other one."""
    from sandbox.identity.keys import kept_key  # noqa: PLC0415 - each process loads its own source only
    from sandbox.identity.personas import personas  # noqa: PLC0415 - as above
    from sandbox.identity.server import IdentityProvider, build  # noqa: PLC0415 - as above

    main, other = _populations(arguments).values()
    cast, key = personas(main, other), kept_key(arguments.key)

    def application(url: str) -> ASGIApp:
        return build(IdentityProvider(personas=cast, key=key, issuer=url, audience=arguments.audience))

    serve(application, port=arguments.port)


def alerts(arguments: argparse.Namespace) -> None:
    """A receiver of alerts at each tenant."""
    from sandbox.alerts.receiver import MODES, build  # noqa: PLC0415 - each process loads its own source only

    keys = {tenant: (arguments.secrets / f"{tenant}-alerts").read_bytes() for tenant in _populations(arguments)}
    serve(lambda _: build(Control("alerts", MODES), keys), port=arguments.port)


def _with_bundles(made: Population, data: Path) -> Population:
    from sandbox.population.synthea.bundles import UnusableData  # noqa: PLC0415 - only where bundles are given
    from sandbox.population.synthea.intake import take_in  # noqa: PLC0415 - as above

    try:
        intake = take_in(made, data)
    except UnusableData as error:
        sys.exit(f"--data: {error}")
    for kind, number in sorted(intake.taken.items()):
        print(f"taken in: {number} {kind}", file=sys.stderr)  # noqa: T201 - the report is this command's answer
    for (kind, reason), number in sorted(intake.left.items()):
        print(f"left out: {number} {kind}, {reason}", file=sys.stderr)  # noqa: T201 - as above
    return intake.population


def _populations(arguments: argparse.Namespace) -> Mapping[str, Population]:
    loaded = [storage.load(path) for path in arguments.population]
    return {each.tenant: each for each in loaded}


def _secret(arguments: argparse.Namespace, tenant: str, source: str) -> str:
    path: Path = arguments.secrets / f"{tenant}-{source}"
    return path.read_text().strip()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m sandbox", description="The simulated source systems.")
    commands = parser.add_subparsers(required=True)

    making = commands.add_parser("population", help=population.__doc__)
    making.add_argument("--tenant", required=True)
    making.add_argument("--seed", type=int, default=7)
    making.add_argument("--size", type=int, default=60)
    making.add_argument("--canary", action="store_true")
    making.add_argument("--data", type=Path)
    making.add_argument("--out", type=Path, required=True)
    making.set_defaults(run=population)

    for run in (fhir, scheduling, billing, identity, alerts):
        serving = commands.add_parser(run.__name__, help=run.__doc__)
        serving.add_argument("--population", type=Path, action="append", required=True, help="one for each tenant")
        serving.add_argument("--port", type=int, default=0, help="0: any free one")
        if run is identity:
            serving.add_argument("--key", type=Path, required=True)
            serving.add_argument("--audience", required=True)
        else:
            serving.add_argument("--secrets", type=Path, required=True)
        if run is billing:
            serving.add_argument("--upstream", required=True)
        serving.set_defaults(run=run)
    return parser


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command."""
    parsed = _parser().parse_args(arguments)
    parsed.run(parsed)


if __name__ == "__main__":
    main()

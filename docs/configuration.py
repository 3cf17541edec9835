"""The reference pages of what an operator sets: the environment, and the file of tenants."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Iterator, Mapping
from typing import Any, Final

from connectors.billing.config import BillingConfig
from connectors.fhir.config import FhirConfig
from connectors.scheduling.config import SchedulingConfig
from docs.attributes import Undescribed, attribute_docstrings
from docs.markdown import code, page, table
from portico.demo.tenants_file import tenants_file
from portico.main import CONNECTORS
from portico.settings import PREFIX, Essentials, Settings
from portico.tenants import KEEP_LIMIT_SECONDS

CONFIGS: Final[Mapping[str, type]] = {"fhir": FhirConfig, "scheduling": SchedulingConfig, "billing": BillingConfig}
"""The configuration of each kind of source that the tenants file may name."""

_GIVEN: Final = frozenset({"source", "tenant"})
"""What a configuration is told by Portico, not by the operator."""


def settings_page() -> str:
    """Every setting."""
    return page(
        "Settings",
        """Generated from `portico.settings`. Settings are read from the environment. An unknown name that begins with
`PORTICO_` stops the start, so a misspelt limit can't go unnoticed. `portico check` prints every setting with its value
and where that comes from; secrets print as stars.""",
        table(("Name", "Default", "Accepts", "Meaning"), _settings()),
        "\\* `portico serve` does not start without it.",
    )


def _settings() -> Iterator[tuple[str, str, str, str]]:
    shapes = Settings.model_json_schema()["properties"]
    for field, info in Settings.model_fields.items():
        name = PREFIX + field.upper()
        if not info.description:
            raise Undescribed(f"setting {name} has no docstring")
        needed = "\\*" if field in Essentials.__slots__ else ""
        yield code(name) + needed, code(_default(info.default)), _accepted(shapes[field]), info.description


def _default(value: object) -> str:
    match value:
        case bool():
            return str(value).lower()
        case None | ():
            return ""
        case _:
            return str(value)


def _accepted(shape: Mapping[str, Any]) -> str:
    """What values a setting takes, from its JSON Schema; of several shapes, the one that isn't null."""
    shapes = [one for one in shape.get("anyOf", [shape]) if one.get("type") != "null"]
    kind = shapes[0]
    if "enum" in kind:
        return ", ".join(map(code, kind["enum"]))
    if kind["type"] == "boolean":
        return "`true`, `false`"
    if kind["type"] in {"integer", "number"}:
        least = f"{kind['minimum']}" if "minimum" in kind else f"above {kind['exclusiveMinimum']}"
        return f"{least} to {kind['maximum']}"
    if kind.get("writeOnly"):
        return "text, secret"
    return {"path": "path", "array": "list"}.get(kind.get("format", kind["type"]), "text")


def tenants_page() -> str:
    """The tenants file: what every source has, and what each kind of source has besides."""
    if CONFIGS.keys() != CONNECTORS.keys():
        raise Undescribed(f"docs.configuration.CONFIGS must be about {', '.join(CONNECTORS)}")
    example = tenants_file(
        ehr="http://127.0.0.1:8101",
        scheduling="http://127.0.0.1:8102",
        billing={"riverbend": 8103, "harbor": 8104},
        alerts="http://127.0.0.1:8105",
    )
    return page(
        "The tenants file",
        """Generated from `portico.tenants` and the connectors' configurations. `PORTICO_TENANTS` names a TOML file that
lists the clinic groups and their source systems. Two sources of one tenant may not serve the same type.""",
        "## Every tenant",
        table(
            ("Key", "Meaning"),
            [
                ("`tenants.<tenant>`", "A clinic group. The tokens' `tenant` claim is this name."),
                ("`name`", "What people call it."),
                ("`time_zone`", "Where birthdays begin, such as `America/New_York`. Without it: UTC."),
                ("`majority_age`", "The birthday on which guardianships end. Without it: 18."),
                ("`adolescence_age`", "From it on, minors consent to some care by themselves. Without it: 12."),
                (
                    "`alerts.url`",
                    "The webhook that hears of emergency accesses: https, or http within allowed networks.",
                ),
                ("`alerts.key_file`", "File of the key, at least 32 bytes, with which alerts are signed."),
                ("`alerts.allowed_networks`", "Private networks in which the webhook may be. Without it: none."),
                (
                    "`watch.patients`, `watch.minutes`",
                    "More patients than these, told to one subject in so many minutes, alert. Without them: 300 in 10.",
                ),
                (
                    "`watch.brake_minutes`",
                    "For how long that subject is slowed then. Without it: 10; 0: not at all.",
                ),
                ("`watch.pace_seconds`", "One request in so many seconds is admitted then. Without it: 60."),
                ("`sources.<source>`", "A source system, by the name that answers, errors and audit rows give it."),
            ],
        ),
        "## Every source",
        table(
            ("Option", "Meaning"),
            [
                ("`kind`\\*", f"Which connector speaks to it: {', '.join(map(code, CONNECTORS))}."),
                ("`requests_per_second`", "The source's rate limit, this process's share of it. Without it: no limit."),
                (
                    "`keep_seconds`",
                    (
                        "For how long records are kept in the process after they were fetched, by type, at most "
                        f"{KEEP_LIMIT_SECONDS}: `{{ Practitioner = 60 }}`. What changes at the source meanwhile counts "
                        "only afterwards; what a caller may see is decided each time. Without it: nothing is kept."
                    ),
                ),
            ],
        ),
        """\\* required. An option that ends in `_file` names a file, relative to the tenants file, that holds a secret
and nothing else. Outside demo mode the file must not be readable by every user of the machine. A secret can't be
written into the tenants file itself.""",
        *(_kind(kind, config) for kind, config in CONFIGS.items()),
        f"## As the demo writes it\n\n```toml\n{example.strip()}\n```",
    )


def _kind(kind: str, config: type) -> str:
    rows = table(("Option", "Default", "Meaning"), _options(config))
    return f"## Sources of kind `{kind}`\n\n{inspect.getdoc(config)}\n\n{rows}"


def _options(config: type) -> Iterator[tuple[str, str, str]]:
    described = attribute_docstrings(config)
    for field in dataclasses.fields(config):
        if not field.init or field.name in _GIVEN:
            continue
        required = field.default is dataclasses.MISSING
        name = field.name if field.repr else f"{field.name}_file"
        meaning = described.get(field.name)
        if meaning is None:
            raise Undescribed(f"{config.__name__}.{field.name} has no docstring")
        yield code(name) + ("\\*" if required else ""), "" if required else code(_default(field.default)), meaning

"""The reference pages of what Portico leaves behind: audit rows, log lines and metrics."""

from __future__ import annotations

import ast
import dataclasses
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final

from docs.attributes import Undescribed, attribute_docstrings
from docs.markdown import code, codes, page, table
from portico import logs
from portico.audit.checkpoints import LineFlaw
from portico.audit.disclosures import accounting
from portico.audit.entry import AuditEntry, Outcome
from portico.audit.trail import AuditRow, Flaw
from portico.edge.claims import Reason
from portico.edge.metrics import Metrics

KEYS: Final[Mapping[str, str]] = {
    "at": "When, in UTC.",
    "level": "`debug`, `info`, `warning`, `error` or `critical`.",
    "event": "What happened: a word of the table above.",
    "request_id": "The request, as in the answer's `X-Request-Id` and in its audit row.",
    "tenant": "The clinic group.",
    "status": "The answer's HTTP status.",
    "milliseconds": "How long it took.",
    "outcome": "What became of the request: an error's code, `ANSWERED`, `REFUSED` (the document), `CLIENT_GONE`, "
    "`CANCELLED`, `PREFLIGHT` or `HEALTH`.",
    "reason": "Why a token was refused or an alert not delivered, or what is wrong with the policies, a chain or the "
    "checkpoints.",
    "source": "The source system.",
    "exception": "The type of an exception, never its message.",
    "place": "Where it was raised: file and line.",
    "logger": "The library that logged something.",
    "revision": "The revision of the policies.",
    "count": "How many.",
    "port": "The port that is listened on.",
    "missing": "What the server waits for.",
}
"""What each key of a log line means."""

EVENTS: Final[Mapping[str, str]] = {
    "request_answered": "A request ended, whatever became of it. Health checks are told at level `debug`.",
    "request_failed": "A bug at the edge. The caller reads `INTERNAL`.",
    "fault": "A bug behind the edge. The caller reads `INTERNAL`; nothing of it is released.",
    "keys_unavailable": "The identity provider's keys could not be fetched. Known keys go on counting for a while.",
    "policies_refused": "The policies were changed to something that can't be used, or an OPA server has none.",
    "linking_failed": "A round of linking failed. What was linked before stays; the next round tries again.",
    "consents_failed": "The EHR's consents couldn't be read anew. Those known before hold; the next round tries again.",
    "checkpoint_written": "Checkpoints of chains that grew are on the disk. Told at level `debug`.",
    "checkpoint_failed": "Chains couldn't be looked at, or checkpoints not be written. It is tried again every second.",
    "checkpoints_damaged": "A line of the checkpoint file can't be believed. Nothing is released.",
    "chain_distrusted": "A chain is not what was witnessed. Nothing of its tenant is released.",
    "alert_delivered": "A tenant's receiver has acknowledged an alert; `count` is how often it was sent.",
    "alert_not_delivered": "It has not, yet; `reason` says why. It is sent again.",
    "alerts_failed": "A bug while alerts were brought out. They stay where they are; the next round tries again.",
    "alerts_have_no_receiver": "Nobody would hear of broken glass: the tenants file names no receiver. Alerts wait.",
    "watching_failed": "A bug while the chains were watched. It goes on from the same row in the next round.",
    "library_logged": "A library logged something. Where, but not what: its message may carry values.",
}
"""What each event means."""

_ROOMS: Final = ("portico", "graph", "resolvers", "connectors")


def audit_page() -> str:
    """The audit row's fields, and what verifying a chain can find."""
    return page(
        "Audit rows",
        """Generated from `portico.audit`. Every answer with guarded data commits one row first. A row holds ids and
names of fields, never a value. Rows of a tenant are numbered 1, 2, 3 without a gap; each is hashed together with the
row before. `portico audit show` prints rows as lines of JSON, `portico audit verify` recomputes every chain.""",
        table(("Field", "Meaning"), _fields()),
        "## Outcomes",
        table(("Outcome", "Meaning"), _described(Outcome)),
        "## What verifying can find",
        "The first row of each chain that is",
        table(("Flaw", "Meaning"), _described(Flaw)),
        "## What can be wrong with a checkpoint file",
        """Each line is a JSON object, signed, that names the line before it by its SHA-256. The first line that is""",
        table(("Flaw", "Meaning"), _described(LineFlaw)),
        "## What an accounting of disclosures leaves out",
        f"""An accounting reaches back {accounting().years} years. It lists every answer that told something about the
patient, except those for these purposes of use.""",
        table(
            ("Purpose", "What", "Law"),
            [(code(purpose), exemption.what, exemption.citation) for purpose, exemption in accounting().exempt.items()],
        ),
    )


def logs_page(root: Path) -> str:
    """The events and keys of log lines."""
    require(logged_events(root), EVENTS, "event")
    require(logs.KEYS, KEYS, "key of a log line")
    return page(
        "Log lines",
        """Generated from `portico.logs` and every call of a logger. Portico writes lines of JSON to standard output. A
key that isn't in the table below is dropped, so nothing is written because it happened to be at hand. No line holds a
value from a record, an argument, a document or a token.""",
        "## Events",
        table(("Event", "Meaning"), [(code(event), meaning) for event, meaning in EVENTS.items()]),
        "## Keys",
        table(("Key", "Meaning"), [(code(key), meaning) for key, meaning in KEYS.items()]),
    )


def metrics_page() -> str:
    """Every metric with its labels."""
    return page(
        "Metrics",
        """Generated from `portico.edge.metrics`. With `PORTICO_METRICS_PORT` set, Prometheus reads `/metrics` on that
port of the loopback interface. Labels are small fixed sets of words: no id, no name, no address.""",
        table(("Metric", "Type", "Labels", "Meaning"), _metrics()),
        f"A token's `reason` is one of {codes(reason.value for reason in Reason)}.",
    )


def logged_events(root: Path) -> frozenset[str]:
    """Every event that the code logs; its name is the literal that a logger's method is called with."""
    modules = (path for room in _ROOMS for path in (root / room).rglob("*.py"))
    return frozenset(event for path in modules for event in _events(ast.parse(path.read_text())))


def _events(tree: ast.Module) -> Iterator[str]:
    """A logger is `_log` or `logger()`; what a method of it is assigned to counts as one."""
    methods = {
        target.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and any(_is_method(part) for part in ast.walk(node.value))
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and (
            _is_method(node.func) or (isinstance(node.func, ast.Name) and node.func.id in methods)
        ):
            literals = [one.value for one in node.args if isinstance(one, ast.Constant)]
            yield from (text for text in literals[:1] if isinstance(text, str))


def _is_method(node: ast.AST) -> bool:
    match node:
        case ast.Attribute(value=ast.Name(id="_log")) | ast.Attribute(value=ast.Call(func=ast.Name(id="logger"))):
            return True
        case _:
            return False


def _fields() -> Iterator[tuple[str, str]]:
    described = {
        "number": "The row's number in the tenant's chain.",
        **attribute_docstrings(AuditRow),
        **attribute_docstrings(AuditEntry),
    }
    names = ["number", "recorded_at", *(field.name for field in dataclasses.fields(AuditEntry))]
    described.pop("entry", None)
    require(names, described, "field of an audit row")
    return ((code(name), described[name]) for name in names)


def _described(cls: type[Outcome | Flaw | LineFlaw]) -> Iterator[tuple[str, str]]:
    said = attribute_docstrings(cls)
    require([member.name for member in cls], said, f"member of {cls.__name__}")
    return ((code(member.value), said[member.name]) for member in cls)


def _metrics() -> Iterator[tuple[str, str, str, str]]:
    metrics = Metrics()
    metrics.request_answered("ANSWERED", 0.0)
    metrics.token_refused("claim")
    metrics.source_called("ehr", "ok", 0.0)
    metrics.operation_executed("PLANNED")
    metrics.in_flight(0)
    for family in metrics.registry.collect():
        if not family.samples:
            raise Undescribed(f"docs.traces must count {family.name} once to learn its labels")
        labels = [label for label in family.samples[0].labels if label != "le"]
        name = f"{family.name}_total" if family.type == "counter" else family.name
        yield code(name), family.type, codes(labels), family.documentation


def require(names: Iterable[str], told: Collection[str], what: str) -> None:
    """Refuse to write a page on which something is missing, or something is told that isn't there."""
    if differing := set(names) ^ set(told):
        raise Undescribed(f"{what}, in the code or in docs.traces alone: {', '.join(sorted(differing))}")

"""The reference page of errors: every code that a caller may read, and what it means for the rest of the answer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from docs.attributes import Undescribed, first_line
from docs.markdown import code, codes, page, table
from graph import errors as of_documents
from graph.context import FAIL_CLOSED
from portico.access.bundle import PoliciesRefused
from portico.edge.claims import Reason
from portico.records.errors import CallerError, Fault, SourceError, Unauthenticated, UnsupportedPredicate
from portico.settings import SettingsRefused
from portico.store.migration import MigrationRefused

OF_DOCUMENTS: Final[Mapping[str, str]] = {
    "GRAPHQL_PARSE_FAILED": "The document is not GraphQL, or has too many tokens.",
    "GRAPHQL_VALIDATION_FAILED": "The document doesn't fit the schema, or a variable doesn't fit its type.",
    "OPERATION_RESOLUTION_FAILURE": "It isn't clear which operation is meant, or it is none that can be executed.",
    "COST_EXCEEDED": "The document is over a budget; `budget` and `limit` say which.",
}
"""Codes of documents that are refused before they are executed."""

IN_ANSWERS: Final[Mapping[str, str]] = {
    "UNAUTHORIZED_FIELD_OR_TYPE": "Policy withholds the value; `coordinate`, `reason`, `decisionId` say which and why.",
    "INTERNAL": "A bug. The log has its type and place under the `requestId`; its message is never shown.",
}
"""Codes of the graph's own that stand beside data."""

OWN_REASONS: Final[Mapping[str, str]] = {
    "not_visible": "The record may not be seen at all.",
    "not_permitted": "The policy says nothing about the tag.",
    "unknown_mask": "The policy names a mask that Portico doesn't have.",
    "unknown_effect": "The policy names an effect that Portico doesn't have.",
    "mask_not_applicable": "The mask can't be applied to this value.",
    "switched_off": "An operator has switched the coordinate off, whatever the policies say.",
}
"""Reasons of withholding that are Portico's own: what it doesn't understand, it denies."""

COMMAND_REASONS: Final[Mapping[str, str]] = {
    "unknown_patient": "Nobody such is known here.",
    "daily_limit": "The caller has done this, or tried it in vain, as often in 24 hours as the policies bear.",
    "unknown_access": "There is no such emergency access.",
    "not_in_force": "The emergency access is over.",
    "already_reviewed": "Somebody has looked into it before.",
    "own_access": "Nobody reviews what they did themselves.",
    "unknown_consent": "There is no such consent.",
    "kept_by_its_source": "The consent is a source's to change.",
    "switched_off": "An operator has switched the command off, or what it would look somebody up by.",
}
"""Reasons of refused commands that are Portico's own."""

_FAULTS: Final = (Fault, UnsupportedPredicate, PoliciesRefused, SettingsRefused, MigrationRefused)
_OK: Final = 200


def errors_page() -> str:
    """Every error."""
    return page(
        "Errors",
        """Generated from `portico.records.errors`, `graph.errors` and `portico.edge.claims`. Every error has a stable
`extensions.code`, and a message that never carries a value from a record, an argument or a token. Where the request got
an id, it is in the answer's `X-Request-Id`.""",
        "## Instead of an answer",
        "The request as a whole is refused. At `/graphql`, who sends no accepted token reads `UNAUTHENTICATED` alone.",
        table(("Code", "Status", "Raised as", "Meaning"), _requests()),
        "## Documents that are not executed",
        """A known caller reads these, with status 400 where they accept `application/graphql-response+json` and 200
where they accept only `application/json`. Nothing was asked of policies or sources.""",
        table(("Code", "Meaning"), _told(OF_DOCUMENTS)),
        "## The whole answer is withheld",
        """`data` is null. What decides or records is not there, and half an answer would say which half could be
decided; or an operator has switched off the tenant, the subject or the client. Status 200, as GraphQL over HTTP wants
it.""",
        table(("Code", "Raised as", "Meaning"), _closed()),
        "## Beside data",
        """The value at `path` is null and everything else is answered: one error for each `affectedPath`, however many
rows it has. An error of a source carries its name as `source`; `EGRESS_REFUSED` has the policies' `reason` too, and so
has `COMMAND_REFUSED`. `STEP_UP_REQUIRED` has a `challenge`: pass its `acrValues` and `maxAge` on to the identity
provider as `acr_values` and `max_age`.""",
        table(("Code", "Raised as", "Meaning"), _beside()),
        "## Reasons that policies don't give",
        "The reasons of the policies stand in [who sees what](who-sees-what.md#reasons). Portico adds its own.",
        table(("Reason", "Meaning"), [(code(name), said) for name, said in OWN_REASONS.items()]),
        "Commands that it refuses itself, with `COMMAND_REFUSED`:",
        table(("Reason", "Meaning"), [(code(name), said) for name, said in COMMAND_REASONS.items()]),
        "## Why a token was refused",
        f"""Every caller reads the same `{Unauthenticated.code}`. The reason is a word in the log line's `reason` and in
the metric `portico_tokens_refused_total`: {codes(reason.value for reason in Reason)}.""",
        "## What callers never see",
        table(("Raised as", "Meaning"), [(code(cls.__name__), _sentence(cls)) for cls in _FAULTS]),
    )


def caller_errors(cls: type[CallerError] = CallerError) -> Iterator[type[CallerError]]:
    """Every error with a code of its own, as `portico.records.errors` draws them."""
    for child in cls.__subclasses__():
        if child.__module__ == CallerError.__module__:
            yield child
            yield from caller_errors(child)


def _requests() -> Iterator[tuple[str, str, str, str]]:
    for cls in caller_errors():
        if cls.status != _OK:
            yield code(cls.code), str(cls.status), code(cls.__name__), _sentence(cls)
    yield "`INTERNAL`", "500", "", IN_ANSWERS["INTERNAL"]


def _told(meanings: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    known = {value for name, value in vars(of_documents).items() if name.isupper() and isinstance(value, str)}
    told = OF_DOCUMENTS.keys() | IN_ANSWERS.keys()
    if known != told:
        raise Undescribed(f"docs.failures must be about {', '.join(sorted(known ^ told))}")
    return ((code(name), meaning) for name, meaning in meanings.items())


def _closed() -> Iterator[tuple[str, str, str]]:
    return ((code(cls.code), code(cls.__name__), _sentence(cls)) for cls in FAIL_CLOSED)


def _beside() -> Iterator[tuple[str, str, str]]:
    yield from ((name, "", meaning) for name, meaning in _told(IN_ANSWERS))
    for cls in caller_errors():
        if cls.status == _OK and cls not in FAIL_CLOSED and cls is not SourceError:
            yield code(cls.code), code(cls.__name__), _sentence(cls)


def _sentence(cls: type) -> str:
    return first_line(cls.__doc__, cls.__name__)

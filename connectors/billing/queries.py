"""SQL by name, put together for exactly the attributes that are wanted."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import Final

from connectors.billing.mapping import BillingMapping
from portico.records.errors import UnsupportedPredicate
from portico.records.references import By
from portico.records.search import Condition, Op, Search

_PARTS: Final = re.split(r"^-- (\w+) --$", (Path(__file__).parent / "queries.sql").read_text(), flags=re.MULTILINE)
SQL: Final[Mapping[str, str]] = {name: body.strip() for name, body in zip(_PARTS[1::2], _PARTS[2::2], strict=True)}

_REMEMBERED: Final = 256
"""Statements whose text is kept: it takes one for each set of attributes."""

Argument = str | int | date | list[str]


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement and the values bound to it."""

    sql: str
    arguments: tuple[Argument, ...] = ()


@dataclass(frozen=True, slots=True)
class Columns:
    """What an attribute is built from: expressions to select and the join that they need, if any."""

    expressions: tuple[str, ...]
    join: str | None = None


KEYS: Final = {By.ID: "h.clm_no", By.PATIENT: "h.sbscr_no", By.VISIT: "h.visit_no"}

ALWAYS: Final = Columns(
    ("h.clm_no::text", "h.sbscr_no::text", "h.sens_cd::text", "h.dx_list::text", "services.coded as services"),
    "join_services",
)
"""What names a claim, and the codes that say how sensitive it is."""

ORDERS: Final = {"id": ('h.clm_no collate "C"',), "created": ("h.ent_dt", 'h.clm_no collate "C"')}
"""What claims are ordered by; the number makes every order total."""

_ENTERED: Final = "to_char(h.ent_dt, 'YYYY-MM-DD')"

ATTRIBUTES: Final[Mapping[str, Columns]] = {
    "status": Columns(("h.stat_cd::text",)),
    "claim_type": Columns(("h.clm_typ::text",)),
    "created": Columns((f"{_ENTERED} as ent_dt",)),
    "service_period": Columns(("h.svc_fr_dt::text", "h.svc_to_dt::text")),
    "diagnoses": Columns(("h.dx_list::text", "h.dx_txt::text")),
    "lines": Columns(("lines.listed as lines",), "join_lines"),
    "billed": Columns(("charges.billed",), "join_charges"),
    "allowed": Columns(("remittances.allowed",), "join_remittances"),
    "paid": Columns(("remittances.paid",), "join_remittances"),
    "patient_responsibility": Columns(("remittances.patient",), "join_remittances"),
    "visit": Columns(("h.visit_no::text",)),
    "provider": Columns(("h.rndr_npi::text",)),
    "coverage": Columns(("h.mbr_id::text",)),
}
"""Attributes of a claim, by what they cost at the source."""


def find_claims(by: By, keys: Sequence[str], attributes: frozenset[str], *, row_limit: int) -> Statement:
    """The claims of some keys, with one row more than the limit to tell when it is broken."""
    return Statement(_find_claims(by, attributes), (storable(keys), row_limit + 1))


@lru_cache(_REMEMBERED)
def _find_claims(by: By, attributes: frozenset[str]) -> str:
    columns, joins = _selection(attributes)
    return SQL["find_claims"].format(columns=columns, joins=joins, key=KEYS[by])


def search_claims(search: Search, attributes: frozenset[str], mapping: BillingMapping) -> Statement:
    """One page of claims, with one row more to tell whether there are more."""
    columns, joins = _selection(attributes, f"{_ENTERED if search.order == 'created' else 'null'} as entered")
    arguments: list[Argument] = [search.limit + 1]
    conditions = ["h.del_flg = 'N'", *(_condition(each, mapping, arguments) for each in search.where)]
    if search.after is not None:
        conditions.append(_after(search, search.after, arguments))
    direction = " desc" if search.descending else ""
    sql = SQL["search_claims"].format(
        columns=columns,
        joins=joins,
        conditions=" and ".join(conditions),
        order=", ".join(part + direction for part in ORDERS[search.order]),
    )
    return Statement(sql, tuple(arguments))


def list_subscribers(after: str, *, row_limit: int) -> Statement:
    """One page of a scan of the subscribers, in order of their numbers."""
    return Statement(SQL["list_subscribers"], (after, row_limit))


def position(claim_number: str, entered: str | None) -> str:
    """Where a claim stands in the order of a search; `entered` is its date where the order is by date."""
    return f"{entered} {claim_number}" if entered else claim_number


def _selection(attributes: frozenset[str], *more: str) -> tuple[str, str]:
    wanted = [ALWAYS, *(columns for name, columns in ATTRIBUTES.items() if name in attributes)]
    joins = _distinct(columns.join for columns in wanted if columns.join)
    expressions = [*(each for columns in wanted for each in columns.expressions), *more]
    return ", ".join(_distinct(expressions)), "\n".join(SQL[join] for join in joins)


def _distinct(names: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(names))


def _condition(condition: Condition, mapping: BillingMapping, arguments: list[Argument]) -> str:
    match condition:
        case Condition("patient", Op.IN, values):
            return f"h.sbscr_no = any({_bound(arguments, storable(values))}::text[])"
        case Condition("provider", Op.IN, values):
            return f"h.rndr_npi::text = any({_bound(arguments, storable(values))}::text[])"
        case Condition("status", Op.IN, values):
            return f"h.stat_cd::text = any({_bound(arguments, mapping.status_codes(values))}::text[])"
        case Condition("created", Op.FROM, (value,)):
            return f"h.ent_dt >= {_bound(arguments, _date(value))}"
        case Condition("created", Op.BEFORE, (value,)):
            return f"h.ent_dt < {_bound(arguments, _date(value))}"
    raise UnsupportedPredicate("claims can't be searched by that")


def _after(search: Search, position_: str, arguments: list[Argument]) -> str:
    bounds = []
    if search.order == "created":
        entered, _, position_ = position_.partition(" ")
        bounds.append(_bound(arguments, _date(entered)))
    if not storable([position_]):
        raise UnsupportedPredicate("a position that this connector never gave")
    bounds.append(f"{_bound(arguments, position_)}::text")
    return f"({', '.join(ORDERS[search.order])}) {'<' if search.descending else '>'} ({', '.join(bounds)})"


def _bound(arguments: list[Argument], value: Argument) -> str:
    arguments.append(value)
    return f"${len(arguments)}"


def _date(value: str) -> date:
    try:
        return date.fromisoformat(value)
    except ValueError:
        raise UnsupportedPredicate("created is compared with a date") from None


def storable(values: Iterable[str]) -> list[str]:
    """The values that a text column can hold at all: no NUL, no half of a surrogate pair. The others are nobody's."""
    return [value for value in values if "\0" not in value and (value.isascii() or _is_encodable(value))]


def _is_encodable(value: str) -> bool:
    return value == value.encode(errors="ignore").decode()

"""Fields of resources that may be anything: what is absent, of another type or out of bounds is None."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, Final

from sandbox.population.model import Address, Code
from sandbox.population.synthea.bundles import Resource

_ID: Final = re.compile(r"[A-Za-z0-9\-.]{1,64}")
_TEXT_LIMIT: Final = 200
_CODE_LIMIT: Final = 80
_CENTS_LIMIT: Final = 10**9

CODED_ELSEWHERE: Final = "urn:portico:uncoded"


class Unusable(Exception):
    """This one resource can't be taken in; the message says why, to be counted."""


def at(value: Any, *path: str | int) -> Any:
    """What stands at a path of names and indices; None wherever the path ends early."""
    for step in path:
        if isinstance(step, str):
            value = value.get(step) if isinstance(value, dict) else None
        else:
            value = value[step] if isinstance(value, list) and len(value) > step else None
    return value


def rows(value: Any, *path: str | int) -> Iterator[Resource]:
    """The objects of a list; nothing where there is none."""
    found = at(value, *path)
    return (each for each in found if isinstance(each, dict)) if isinstance(found, list) else iter(())


def text(value: Any, *path: str | int, limit: int = _TEXT_LIMIT) -> str | None:
    """Text of 1 to `limit` characters that every source can store."""
    found = at(value, *path)
    return found if isinstance(found, str) and 0 < len(found) <= limit and "\0" not in found else None


def required(value: Any, *path: str | int) -> str:
    """Text that must be there, or the resource is unusable."""
    found = text(value, *path)
    if found is None:
        raise Unusable(f"no {'.'.join(step for step in path if isinstance(step, str))}")
    return found


def id_of(resource: Resource) -> str:
    """A resource's id, as FHIR allows it."""
    found = required(resource, "id")
    if not _ID.fullmatch(found):
        raise Unusable("no id")
    return found


def day(value: Any, *path: str | int) -> str:
    """A full date that must be there."""
    found = required(value, *path)
    try:
        return date.fromisoformat(found).isoformat()
    except ValueError as error:
        raise Unusable("no date") from error


def instant(value: Any, *path: str | int) -> datetime | None:
    """An instant with its offset, in UTC."""
    found = text(value, *path)
    try:
        parsed = datetime.fromisoformat(found) if found else None
        return parsed.astimezone(UTC) if parsed and parsed.tzinfo else None
    except (ValueError, OverflowError):
        return None


def cents(value: Any, *path: str | int) -> int | None:
    """An amount of US dollars in whole cents, rounded half up; None for another currency or an absurd amount."""
    money = at(value, *path)
    amount, currency = at(money, "value"), at(money, "currency")
    if isinstance(amount, bool) or not isinstance(amount, int | float) or currency not in {"USD", None}:
        return None
    if not 0 <= amount < _CENTS_LIMIT // 100:
        return None
    return int((Decimal(str(amount)) * 100).quantize(Decimal(1), rounding=ROUND_HALF_UP))


def code(concept: Any) -> Code | None:
    """A CodeableConcept's first coding, or its text."""
    coded = text(concept, "coding", 0, "code", limit=_CODE_LIMIT)
    words = text(concept, "coding", 0, "display") or text(concept, "text")
    if coded:
        return Code(system=text(concept, "coding", 0, "system") or CODED_ELSEWHERE, code=coded, display=words or coded)
    return Code(system=CODED_ELSEWHERE, code=words[:_CODE_LIMIT], display=words) if words else None


def target(value: Any, *path: str | int) -> str | None:
    """What a reference names: the id of `urn:uuid:id` and `Type/id`, the value of `Type?identifier=system|value`."""
    found = text(value, *path, "reference")
    return re.split(r"[:/|]", found)[-1] if found else None


def address(resource: Resource) -> Address:
    """The first address; what is missing is empty."""
    first = at(resource, "address", 0)
    return Address(
        line=text(first, "line", 0) or "",
        city=text(first, "city") or "",
        state=text(first, "state") or "",
        postal_code=text(first, "postalCode") or "",
    )

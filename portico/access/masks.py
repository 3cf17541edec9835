"""Masks: what may be told of a value that may not be told in full.

Each mask is a pure function of the value and the key. A mask that doesn't know a value's type refuses it, and the
value is withheld; it never passes a value through. None stays None.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from enum import Enum, StrEnum

from msgspec.structs import replace

from portico.records.values import ClaimLine, HumanName, Identifier, Period


class Mask(StrEnum):
    """The masks that a policy may name."""

    LAST4 = "last4"
    """The last four letters or digits of at least eight, the others starred: `***-**-6789`."""
    YEAR = "year"
    """The year of a date; a year that tells an age over 89 becomes the latest that does."""
    INITIAL = "initial"
    """The initials of a name."""
    DOMAIN = "domain"
    """The domain of a mail address."""
    HASH = "hash"
    """16 hex digits, the same for the same value within a tenant, and useless outside it."""
    SHIFT = "shift"
    """A date or instant moved by up to 182 days, by the same number for everything about one patient."""


PERSONAL = frozenset({Mask.SHIFT})
"""The masks that are another for each patient."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MaskKey:
    """What masks depend on besides the value. `secret` is 32 random bytes or more, `patient` the canonical id.

    Only a personal mask needs a patient; without one it is applied to nothing.
    """

    secret: bytes = field(repr=False)
    tenant: str
    patient: str | None
    today: date = field(default_factory=lambda: datetime.now(UTC).date())

    def __post_init__(self) -> None:
        if len(self.secret) < _SECRET_BYTES:
            raise ValueError(f"a mask's secret has at least {_SECRET_BYTES} bytes")


class Unmaskable(ValueError):
    """The mask can't be applied to this value, so the value is withheld."""


_SECRET_BYTES = 32
_LAST = 4
_LAST_OF_AT_LEAST = 8
_TELLING = re.compile(r"[^-. /]")
"""Anything but a separator."""
_HASH_DIGITS = 16
_SHIFT_DAYS_LIMIT = 182
_AGE_LIMIT_YEARS = 89
_FHIR_DATE = re.compile(r"([0-9]{4})(?:-([0-9]{2})(?:-([0-9]{2}))?)?", re.ASCII)
_MAIL_ADDRESS = re.compile(r"[^@\s]+@([^@\s]+)")


def apply(mask: Mask, value: object, *, key: MaskKey) -> object:
    """The masked value, of the same type as the value. Raises `Unmaskable`, whose message holds no part of it."""
    if value is None:
        return None
    if isinstance(value, tuple):
        return tuple(apply(mask, item, key=key) for item in value)
    if isinstance(value, Enum):
        raise _refusal(mask, value)
    return _MASKS[mask](value, key)


def _last4(value: object, _: MaskKey) -> object:
    match value:
        case str():
            return _starred(value)
        case Identifier():
            return replace(value, value=_starred(value.value))
    raise _refusal(Mask.LAST4, value)


def _starred(text: str) -> str:
    telling = len(_TELLING.findall(text))
    return _TELLING.sub("*", text, count=telling - _LAST if telling >= _LAST_OF_AT_LEAST else telling)


def _year(value: object, key: MaskKey) -> object:
    """45 CFR 164.514(b)(2)(i)(C): no more of a date than its year, nor that where it tells an age over 89."""
    match value:
        case str():
            year, _ = _parsed_date(value)
            return f"{max(year.year, key.today.year - _AGE_LIMIT_YEARS - 1):04d}"
    raise _refusal(Mask.YEAR, value)


def _initial(value: object, _: MaskKey) -> object:
    match value:
        case HumanName():
            return HumanName(
                family=None if value.family is None else _initials(value.family),
                given=tuple(_initials(name) for name in value.given),
            )
        case str():
            return _initials(value)
    raise _refusal(Mask.INITIAL, value)


def _initials(text: str) -> str:
    firsts = (next(filter(str.isalpha, word), None) for word in text.split())
    return " ".join(f"{first}." for first in firsts if first is not None)


def _domain(value: object, _: MaskKey) -> object:
    match value:
        case str() if (address := _MAIL_ADDRESS.fullmatch(value)) is not None:
            return address[1]
    raise _refusal(Mask.DOMAIN, value)


def _hash(value: object, key: MaskKey) -> object:
    match value:
        case Identifier():
            return replace(value, value=_digest(key, "hash", value.system, value.value)[:_HASH_DIGITS])
        case str():
            return _digest(key, "hash", value)[:_HASH_DIGITS]
    raise _refusal(Mask.HASH, value)


def _shift(value: object, key: MaskKey) -> object:
    days = _shift_of(key)
    match value:
        case datetime():
            return _moved(value, days)
        case str():
            return _moved_date(value, days)
        case Period():
            return Period(
                start=None if value.start is None else _moved(value.start, days),
                end=None if value.end is None else _moved(value.end, days),
            )
        case ClaimLine():
            moved = None if value.service_date is None else _moved_date(value.service_date, days)
            return replace(value, service_date=moved)
    raise _refusal(Mask.SHIFT, value)


def _shift_of(key: MaskKey) -> timedelta:
    """-182 to 182 days, never 0; nothing is shifted that belongs to no patient."""
    if key.patient is None:
        raise Unmaskable("shift needs a patient")
    number = int(_digest(key, "shift", key.patient), 16) % (2 * _SHIFT_DAYS_LIMIT)
    return timedelta(days=number - _SHIFT_DAYS_LIMIT if number < _SHIFT_DAYS_LIMIT else number - _SHIFT_DAYS_LIMIT + 1)


def _moved(instant: datetime, days: timedelta) -> datetime:
    if instant.tzinfo is None:
        raise Unmaskable("shift needs an aware instant")
    try:
        return instant + days
    except OverflowError:
        raise Unmaskable("shift leaves the calendar") from None


def _moved_date(text: str, days: timedelta) -> str:
    """Moves a date, and a partial one from its middle, so that it is partial still."""
    middle, length = _parsed_date(text)
    try:
        return (middle + days).isoformat()[:length]
    except OverflowError:
        raise Unmaskable("shift leaves the calendar") from None


def _parsed_date(text: str) -> tuple[date, int]:
    """A FHIR date (YYYY, YYYY-MM or YYYY-MM-DD) as the day in its middle, and how many characters of one it tells."""
    parts = _FHIR_DATE.fullmatch(text)
    if parts is None:
        raise Unmaskable("not a FHIR date")
    year, month, day = parts.groups()
    try:
        return date(int(year), int(month or 7), int(day or (15 if month else 1))), len(text)
    except ValueError:
        raise Unmaskable("not a day of the calendar") from None


def _digest(key: MaskKey, use: str, *parts: str) -> str:
    """Keyed by secret, tenant and use; each part carries its length, so that no two lists of parts read alike."""
    texts = [part.encode("utf-8", "surrogatepass") for part in (use, key.tenant, *parts)]
    return hmac.digest(key.secret, b"".join(b"%d:%b" % (len(text), text) for text in texts), "sha256").hex()


def _refusal(mask: Mask, value: object) -> Unmaskable:
    return Unmaskable(f"{mask} does not know {type(value).__name__}")


_MASKS: dict[Mask, Callable[[object, MaskKey], object]] = {
    Mask.LAST4: _last4,
    Mask.YEAR: _year,
    Mask.INITIAL: _initial,
    Mask.DOMAIN: _domain,
    Mask.HASH: _hash,
    Mask.SHIFT: _shift,
}

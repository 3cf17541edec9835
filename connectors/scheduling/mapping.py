"""The vendor's words as data: states, services, privacy flags, zones, and what makes people `scheduled`.

Read once from TOML and checked whole: an incomplete or misspelt mapping is a `Fault` at start, never a surprise later.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any, Final, TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from portico.records.errors import Fault
from portico.records.types import AppointmentStatus, SlotStatus

SHIPPED: Final = Path(__file__).with_name("mapping.toml")

_SECTIONS: Final = frozenset(
    {"version", "appointment_states", "opening_states", "services", "flags", "scheduled", "zones"}
)
_Word = TypeVar("_Word", bound=StrEnum)


@dataclass(frozen=True, slots=True, kw_only=True)
class SchedulingMapping:
    """What the vendor's words mean. Look-ups are by the vendor's word; what is missing is unknown."""

    version: str
    appointment_states: Mapping[str, AppointmentStatus]
    opening_states: Mapping[str, SlotStatus]
    services: Mapping[str, str]
    """Prefix of a visit type's code to the code system."""
    flags: Mapping[str, str]
    scheduled_states: frozenset[str]
    """The vendor's states in which an appointment vouches for its practitioner."""
    scheduled_before: timedelta
    scheduled_after: timedelta
    zones: Mapping[str, ZoneInfo]

    @classmethod
    def load(cls, path: Path = SHIPPED) -> SchedulingMapping:
        """Read and check a mapping. Raises `Fault`, saying what is wrong with it."""
        try:
            return cls._checked(tomllib.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError, KeyError, AttributeError, ZoneInfoNotFoundError) as error:
            raise Fault(f"{path.name} is no usable scheduling mapping: {error}") from error

    @classmethod
    def _checked(cls, document: Mapping[str, Any]) -> SchedulingMapping:
        if document.keys() != _SECTIONS:
            raise ValueError(f"it needs exactly {', '.join(sorted(_SECTIONS))}")
        if not isinstance(document["version"], str) or not document["version"]:
            raise ValueError("version is a text")
        scheduled = document["scheduled"]
        if not set(scheduled["states"]) <= document["appointment_states"].keys():
            raise ValueError("scheduled.states has a state that is none of an appointment")
        return cls(
            version=document["version"],
            appointment_states=_words(document["appointment_states"], AppointmentStatus),
            opening_states=_words(document["opening_states"], SlotStatus),
            services=_texts(document["services"]),
            flags=_texts(document["flags"]),
            scheduled_states=frozenset(scheduled["states"]),
            scheduled_before=timedelta(days=scheduled["days_before"]),
            scheduled_after=timedelta(days=scheduled["days_after"]),
            zones={name: ZoneInfo(zone) for name, zone in document["zones"].items()},
        )


def _words(table: Mapping[str, str], enum: type[_Word]) -> dict[str, _Word]:
    return {code: enum(word) for code, word in table.items()}


def _texts(table: Mapping[str, object]) -> dict[str, str]:
    if not all(isinstance(value, str) and value for value in table.values()):
        raise ValueError("services and flags are tables of texts")
    return {code: str(value) for code, value in table.items()}

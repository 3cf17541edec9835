"""Changes of single records that the independent table hides by themselves: whole hidden records, hidden values of
visible ones, and what a mask leaves out.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from random import Random
from typing import Any, Final, NamedTuple

from portico.records.references import PatientId, RecordId, RecordType, Tenant
from portico.records.types import RECORD_CLASSES, Record
from tests.changed import replace
from tests.worlds.draft import Draft
from tests.worlds.sight import Fields, Sight, attribute_of

UNHEARD_OF: Final = frozenset({"unheard-of"})
"""A label for which nobody is cleared."""

TWIN: Final = "a hidden twin"
LEADING: Final = "another memberId"
"""By this number a claim leads to its coverage: hidden itself, it may be told by where the edge leads."""

_OWN: Final = {"id", "type", "subject", "labels", "provenance", "visit"}
"""What makes a record this one, and about this patient."""


class Difference(NamedTuple):
    """One change, in a tenant, of which a person may notice nothing."""

    tenant: Tenant
    said: str
    make: Callable[[Draft], None]


@dataclass(frozen=True, slots=True)
class Pool:
    """The values that attributes have anywhere, so that a hidden one can be exchanged for another's."""

    values: Mapping[tuple[RecordType, str], Sequence[Any]]
    chance: Random

    @classmethod
    def of(cls, records: Sequence[Record], chance: Random) -> Pool:
        """All values of these records."""
        found: defaultdict[tuple[RecordType, str], list[Any]] = defaultdict(list)
        for record in records:
            for name in attributes_of(record):
                value = getattr(record, name)
                if value is not None and value not in found[record.type, name]:
                    found[record.type, name].append(value)
        return cls(found, chance)

    def other(self, record: Record, name: str) -> Any:
        """Another value than the record's own; none at all now and then, and where there is no other."""
        own = getattr(record, name)
        others = [value for value in self.values.get((record.type, name), ()) if value != own]
        if not others or (own is not None and self.chance.random() < 0.25):
            return None
        return self.chance.choice(others)

    def others(self, record: Record) -> dict[str, Any]:
        """Other values of everything that is told of a record."""
        return {name: self.other(record, name) for name in attributes_of(record) if name not in _OWN}


def attributes_of(record: Record) -> list[str]:
    """What records of this kind have."""
    return list(RECORD_CLASSES[record.type].__struct_fields__)


def of_records(sight: Sight, pool: Pool) -> Iterator[tuple[Difference, bool]]:
    """Changes of the records of a person's own tenant, each with whether it goes unnoticed for sure."""
    tenant = sight.who.tenant
    for record in sight.clinic.records.values():
        effects = sight.effects(record)
        changes = _of_hidden(record, pool) if effects is None else _of_visible(record, effects, pool)
        for said, make in changes:
            sure = effects is None or said != LEADING
            yield Difference(tenant, f"{record.type.value} {record.id.value}: {said}", make), sure


def of_strangers(tenant: Tenant, records: Mapping[RecordId, Record], pool: Pool) -> Iterator[Difference]:
    """Changes of the records of another tenant, all of which are hidden."""
    for record in records.values():
        for said, make in _of_hidden(record, pool):
            yield Difference(tenant, f"{record.type.value} {record.id.value} of {tenant}: {said}", make)


def of_patients(sight: Sight) -> Iterator[Difference]:
    """Patients of whom nothing may be seen, taken away and doubled."""
    tenant = sight.who.tenant
    for patient in sorted({link.patient for link in sight.clinic.linked.values()}):
        if sight.seen(patient):
            continue
        yield Difference(tenant, f"patient {patient}: gone", partial(_remove_patient, patient))
        yield Difference(tenant, f"patient {patient}: doubled", partial(_double, patient))


_Change = tuple[str, Callable[[Draft], None]]


def _of_hidden(record: Record, pool: Pool) -> Iterator[_Change]:
    others = pool.others(record)
    yield "other values", partial(_alter, record.id, others)
    yield "another label", partial(_alter, record.id, {"labels": record.labels | UNHEARD_OF})
    yield "gone", partial(_remove, record.id)


def _of_visible(record: Record, effects: Fields, pool: Pool) -> Iterator[_Change]:
    known = set(attributes_of(record))
    for name, effect in sorted(effects.items()):
        attribute = attribute_of(record.type.value, name)
        if attribute not in known or attribute in ("id", "subject"):
            continue
        if not effect.released:
            yield f"another {name}", partial(_alter, record.id, {attribute: _replaced(record, attribute, pool)})
        elif effect.mask in _UNDER:
            value = _UNDER[effect.mask](getattr(record, attribute), pool.chance)
            yield f"another {name} under the mask", partial(_alter, record.id, {attribute: value})
    yield TWIN, partial(_twin, record, pool.chance.choice(_ENDINGS), {})
    yield f"{TWIN} with other values", partial(_twin, record, pool.chance.choice(_ENDINGS), pool.others(record))


def _replaced(record: Record, attribute: str, pool: Pool) -> Any:
    if attribute == "provenance":
        other = pool.other(record, attribute) or record.provenance
        return replace(other, mapping_version=f"{other.mapping_version}+")
    return pool.other(record, attribute)


def _same_last_four(text: str | None, chance: Random) -> str | None:
    if text is None:
        return None
    return "".join(str(chance.randrange(10)) if letter.isdigit() else letter for letter in text[:-4]) + text[-4:]


def _same_year(text: str | None, chance: Random) -> str | None:
    return text and f"{text[:4]}-{chance.randint(1, 12):02}-{chance.randint(1, 28):02}"


_UNDER: Final[Mapping[str | None, Callable[[Any, Random], Any]]] = {"last4": _same_last_four, "year": _same_year}
"""Another value that a mask shows as the same. A shifted date has none: it is as telling as the date."""

_ENDINGS: Final = ("!", "0", "~", "\u00e9")
"""What a twin's id is made of: it sorts right after its record, and may be longer in bytes than in letters."""


def _alter(id_: RecordId, values: Mapping[str, Any], draft: Draft) -> None:
    draft.alter(id_, **values)


def _remove(id_: RecordId, draft: Draft) -> None:
    draft.records.pop(id_, None)


def _twin(record: Record, ending: str, values: Mapping[str, Any], draft: Draft) -> None:
    """Add a record of the same patient and visit that nobody may see; a patient's is of nobody who is known."""
    id_ = replace(record.id, value=f"{record.id.value}{ending}")
    subject = id_.value if record.type is RecordType.PATIENT else record.subject
    draft.records[id_] = replace(record, **{**values, "id": id_, "subject": subject, "labels": UNHEARD_OF})


def _remove_patient(patient: PatientId, draft: Draft) -> None:
    draft.gone.add(patient)


def _double(patient: PatientId, draft: Draft) -> None:
    draft.copy_patient(patient, "0d0b1e")

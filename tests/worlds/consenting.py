"""What a patient's own word withholds from somebody, after docs/decisions/0013 and the privacy officer's rules."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from portico.records.consent import ConsentKind, Provision
from tests.worlds.table import ALL_LABELS, CONSENTED_TO, OPT_IN_LABELS, OPT_IN_PURPOSES, PURPOSES, ROLES, TAGS, UNASKED


def unconsented(
    type_: str,
    role: str,
    purpose: str,
    *,
    relationships: frozenset[str],
    labels: frozenset[str],
    consent: frozenset[Provision],
) -> frozenset[str]:
    """The data classes withheld from a record of this type; with PUBLIC among them the record does not show."""
    standing = frozenset({"self"}) if "self" in relationships else relationships
    if type_ not in CONSENTED_TO or not standing.isdisjoint(UNASKED.get(purpose, frozenset())):
        return frozenset()
    heard = [one for one in consent if _is_heard(one, role, purpose)]
    denied = [_affected(one) for one in heard if one.kind is ConsentKind.DENY and _touches(one, labels)]
    wanting = [tags - _permitted(heard, labels, naming) for tags, naming in _needs(heard, purpose, labels)]
    return frozenset().union(*denied, *wanting)


def _needs(heard: Iterable[Provision], purpose: str, labels: frozenset[str]) -> Iterator[tuple[frozenset[str], str]]:
    """What needs a permit, each with the label that it must name, if any."""
    if purpose in OPT_IN_PURPOSES:
        yield TAGS, ""
    for label in labels & OPT_IN_LABELS:
        yield TAGS, label
    for one in heard:
        if one.kind is ConsentKind.OPT_IN and _touches(one, labels):
            yield _affected(one), ""


def _permitted(heard: Iterable[Provision], labels: frozenset[str], naming: str) -> frozenset[str]:
    given = frozenset[str]()
    for one in heard:
        here = not one.labels or (one.labels <= ALL_LABELS and not one.labels.isdisjoint(labels))
        if one.kind is ConsentKind.PERMIT and here and (not naming or naming in one.labels):
            given |= _affected(one) | {"PUBLIC"}
    return given


def _is_heard(one: Provision, role: str, purpose: str) -> bool:
    """A permit must be about this person and understood; anything else counts unless it is plainly about others."""
    about = ((one.purposes, PURPOSES, purpose), (one.roles, ROLES, role))
    if one.kind is ConsentKind.PERMIT:
        known = one.labels <= ALL_LABELS and one.tags <= TAGS
        return known and all(not named or (named <= words and mine in named) for named, words, mine in about)
    return all(not named or not named <= words or mine in named for named, words, mine in about)


def _touches(one: Provision, labels: frozenset[str]) -> bool:
    return not one.labels or not one.labels <= ALL_LABELS or not one.labels.isdisjoint(labels)


def _affected(one: Provision) -> frozenset[str]:
    return one.tags if one.tags and one.tags <= TAGS else TAGS

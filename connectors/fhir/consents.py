"""What patients want of their data, as the EHR's Consent resources say it: provisions, made comparable.

    policyRule OPTOUT   -> denies everything: DENY, or OPT_IN where something below permits
    root permit         -> PERMIT
    root deny           -> DENY, or OPT_IN where nested permits make exceptions
    nested permit, deny -> PERMIT, DENY

A nested provision is an exception within its parent: what it doesn't name is as its parent names it. What can't be
understood fails closed: a permit permits nothing, and anything else makes the whole consent a denial of everything.
After https://hl7.org/fhir/R4/consent.html.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Final

from connectors.fhir import datatypes
from connectors.fhir.attributes import Reading
from connectors.fhir.datatypes import Json, Malformed, element, elements
from connectors.fhir.provisions import (
    EVERYONE,
    NotUnderstood,
    Provisions,
    Terms,
    all_elements,
    codes_of,
    period_of,
    walk,
)
from connectors.fhir.shapes import Reference, fitted
from portico.records.consent import Consent, ConsentKind, Provision
from portico.records.values import Period

CONSENT: Final = "Consent"
CONSENT_ELEMENTS: Final = (
    "id", "implicitRules", "modifierExtension", "patient", "policyRule", "provision", "scope", "status",
)  # fmt: skip

_EVERYTHING: Final = Terms()

_Found = list[tuple[ConsentKind, Terms]]


def practitioners_of(resource: Json, reading: Reading) -> frozenset[str]:
    """The ids of the practitioners whom a Consent names."""
    found = (
        datatypes.reference(fitted(actor.get("reference"), Reference), "Practitioner", reading.base)
        for provision in walk(element(resource.get("provision")))
        for actor in elements(provision.get("actor"))
    )
    return frozenset(each for each in found if each is not None)


def consents(resource: Json, npis: Mapping[str, str], reading: Reading) -> list[Consent]:
    """The provisions of a Consent that stands, whenever they are in force; none of one that isn't about privacy.

    `npis` are those of the practitioners named, by id. Raises `Malformed` where it doesn't say whose it is.
    """
    id_, named = resource.get("id"), fitted(resource.get("patient"), Reference)
    patient = datatypes.reference(named, "Patient", reading.base)
    if resource.get("resourceType") != CONSENT or not isinstance(id_, str) or patient is None:
        raise Malformed("a consent doesn't say whose it is")
    if resource.get("status") not in reading.mapping.consents.in_force:
        return []
    try:
        found = _Document(resource, npis, reading).provisions()
    except (NotUnderstood, Malformed):
        found = [] if _only_permits(resource) else [(ConsentKind.DENY, replace(_EVERYTHING, period=_period(resource)))]
    return [
        Consent(
            source=reading.source,
            source_id=patient,
            consent_id=id_,
            provision=Provision(
                kind=kind, purposes=terms.purposes, roles=actors.roles, tags=terms.tags, labels=terms.labels
            ),
            parties=actors.parties,
            start=terms.period.start,
            end=terms.period.end,
        )
        for kind, terms in found
        for actors in terms.actors
    ]


class _Document:
    """One Consent and how it is read."""

    def __init__(self, resource: Json, npis: Mapping[str, str], reading: Reading) -> None:
        self._resource = resource
        self._words = reading.mapping.consents
        self._read = Provisions(npis, reading)

    def provisions(self) -> _Found:
        """What it comes to. Raises `NotUnderstood` or `Malformed`."""
        if not self._is_about_privacy():
            return []
        root = self._resource.get("provision", {})
        if {"modifierExtension", "implicitRules"} & self._resource.keys() or not isinstance(root, dict):
            raise NotUnderstood
        base = self._base()
        kind = self._read.kind(root) or base
        if kind is None:
            raise NotUnderstood
        nested = self._nested(root)
        if kind is ConsentKind.PERMIT and base is not ConsentKind.DENY:
            permitted = self._permitted(root, _EVERYTHING)
            return [*_permit(permitted), *self._exceptions(nested, permitted)]
        own = self._read.terms(root)
        opens = kind is ConsentKind.PERMIT or any(each is ConsentKind.PERMIT for each, _ in nested)
        closed = replace(_EVERYTHING, period=own.period) if base is ConsentKind.DENY else own
        return [
            (ConsentKind.OPT_IN if opens else ConsentKind.DENY, closed),
            *_permit(own if kind is ConsentKind.PERMIT else None),
            *self._exceptions(nested, own),
        ]

    def _nested(self, root: Json) -> list[tuple[ConsentKind, Json]]:
        nested = []
        for each in all_elements(root.get("provision")):
            kind = self._read.kind(each)
            if kind is None:
                raise NotUnderstood
            nested.append((kind, each))
        return nested

    def _exceptions(self, nested: list[tuple[ConsentKind, Json]], parent: Terms | None) -> _Found:
        """What is permitted and denied within a parent; nothing is permitted within one that permits nothing."""
        found: _Found = []
        for kind, each in nested:
            is_deep = "provision" in each
            if kind is ConsentKind.DENY and is_deep:
                raise NotUnderstood
            if kind is ConsentKind.DENY:
                found.append((ConsentKind.DENY, _inherited(self._read.terms(each), parent or _EVERYTHING)))
            elif parent is not None and not is_deep:
                found += _permit(self._permitted(each, parent))
        return found

    def _permitted(self, provision: Json, parent: Terms) -> Terms | None:
        """What a permit permits within its parent; None where it can't be understood, or where that is nothing."""
        try:
            return _narrowed(self._read.terms(provision), parent)
        except (NotUnderstood, Malformed):
            return None

    def _is_about_privacy(self) -> bool:
        said = [self._words.privacy_scopes.get(code) for code in codes_of(self._resource.get("scope"))]
        if True in said:
            return True
        if not said or None in said:
            raise NotUnderstood
        return False

    def _base(self) -> ConsentKind | None:
        """What the policy rule does by itself; None where it only names a law."""
        said = {self._words.bases.get(code) for code in codes_of(self._resource.get("policyRule"))} - {None}
        if len(said) > 1:
            raise NotUnderstood
        return next(iter(said), None)


def _permit(terms: Terms | None) -> _Found:
    return [] if terms is None else [(ConsentKind.PERMIT, terms)]


def _only_permits(resource: Json) -> bool:
    """Whether a consent does nothing but permit: every provision says so, and no policy rule stands beside it."""
    return "policyRule" not in resource and all(map(_permits, walk(element(resource.get("provision")))))


def _permits(provision: Json) -> bool:
    nested = provision.get("provision", [])
    whole = isinstance(nested, list) and len(elements(nested)) == len(nested)
    return whole and provision.get("type") == "permit"


def _period(resource: Json) -> Period:
    """How long a consent that can't be understood is meant to hold."""
    try:
        return period_of(element(resource.get("provision"))) or Period()
    except Malformed:
        return Period()


def _inherited(own: Terms, parent: Terms) -> Terms:
    """A denial's own terms, and its parent's where it has none."""
    return Terms(
        actors=parent.actors if own.actors == EVERYONE else own.actors,
        purposes=own.purposes or parent.purposes,
        tags=own.tags or parent.tags,
        labels=own.labels or parent.labels,
        period=Period(start=own.period.start or parent.period.start, end=own.period.end or parent.period.end),
    )


def _narrowed(own: Terms, parent: Terms) -> Terms:
    """What a permit's own terms and its parent's have in common. Raises `NotUnderstood` where that is nothing."""
    return Terms(
        actors=parent.actors if own.actors == EVERYONE else own.actors,
        purposes=_common(own.purposes, parent.purposes),
        tags=_common(own.tags, parent.tags),
        labels=_common(own.labels, parent.labels),
        period=Period(
            start=max(_known(own.period.start, parent.period.start), default=None),
            end=min(_known(own.period.end, parent.period.end), default=None),
        ),
    )


def _common(own: frozenset[str], parents: frozenset[str]) -> frozenset[str]:
    if own and parents and not own & parents:
        raise NotUnderstood
    return own & parents if own and parents else own or parents


def _known(*instants: datetime | None) -> list[datetime]:
    return [each for each in instants if each is not None]

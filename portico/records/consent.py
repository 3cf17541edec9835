"""What patients have said about who may see what of theirs: FHIR Consent's provisions, made comparable."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from portico.records.references import SourceName


class ConsentKind(StrEnum):
    """What a provision does. Denials outweigh permits, whatever their order or age."""

    PERMIT = "permit"
    """Allows what it names; it counts where a permit is needed."""
    DENY = "deny"
    """Forbids what it names."""
    OPT_IN = "opt_in"
    """Nothing that it names is implied: only what a permit allows. FHIR: a root that denies, with exceptions."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Provision:
    """One provision as decisions read it: no id, no date, no name of anyone. An empty set stands for everything."""

    kind: ConsentKind
    purposes: frozenset[str] = frozenset()
    """HL7 v3 PurposeOfUse."""
    roles: frozenset[str] = frozenset()
    """Roles of the policies' matrix."""
    tags: frozenset[str] = frozenset()
    """Data classes of the schema."""
    labels: frozenset[str] = frozenset()
    """It concerns records that carry one of these sensitivity labels."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Consent:
    """A provision that a patient made, for a period (aware instants, both ends inclusive; None is open).

    `parties` are those whom it concerns, each `npi 1234567893`, `organization org-1` or `subject usr-1`; empty is
    everyone. A provision that could not be understood is a denial of everything.
    """

    source: SourceName
    source_id: str
    """The source's own id of the patient."""
    consent_id: str
    """The source's own id of the document; several provisions may come from one."""
    provision: Provision
    parties: frozenset[str] = frozenset()
    start: datetime | None = None
    end: datetime | None = None

"""What a right connector makes of the consents of a population."""

from __future__ import annotations

from collections.abc import Iterator

from portico.records.consent import Consent, ConsentKind, Provision
from portico.records.references import SourceName
from sandbox.population import model


def consents(population: model.Population, source: SourceName) -> Iterator[Consent]:
    """The rules and exceptions that stand, of everyone whom the EHR knows."""
    charts = {one.key: one.ehr_id for one in population.people}
    for one in population.consents:
        patient = charts[one.person]
        if one.status == "active" and patient is not None:
            opens = bool(one.exceptions) and one.rule.effect == "deny"
            rules = [(one.rule, ConsentKind.OPT_IN if opens else ConsentKind(one.rule.effect))]
            rules += [(each, ConsentKind(each.effect)) for each in one.exceptions]
            for rule, kind in rules:
                yield Consent(
                    source=source,
                    source_id=patient,
                    consent_id=one.ehr_id,
                    provision=Provision(kind=kind, purposes=frozenset(rule.purposes), labels=frozenset(rule.labels)),
                    parties=frozenset(_parties(population, rule)),
                    start=one.start,
                    end=one.end,
                )


def _parties(population: model.Population, rule: model.ConsentRule) -> Iterator[str]:
    npis = {one.key: one.npi for one in population.practitioners}
    organizations = {one.key: one.ehr_id for one in population.organizations}
    yield from (f"npi {npis[key]}" for key in rule.practitioners)
    yield from (f"organization {organizations[key]}" for key in rule.organizations)

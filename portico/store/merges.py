"""Merges: into whom a record that its source replaced by another went in the end."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from portico.records.references import PatientId, SourceName
from portico.store.crosswalk import Link, PersonFacts, Rule


def survivors(
    people: Mapping[SourceName, Collection[PersonFacts]], links: Iterable[Link]
) -> Mapping[tuple[SourceName, str], PatientId]:
    """The patient at the end of each merged record's chain of merges; absent where that is nobody, or a circle."""
    patients = {(link.source, link.source_id): link.patient for link in links if link.rule is Rule.IDENTITY}
    following = {
        (source, facts.source_id): (source, facts.replaced_by)
        for source, told in people.items()
        for facts in told
        if facts.replaced_by is not None
    }
    found = {}
    for merged, into in following.items():
        seen, last = {merged}, into
        while last in following and last not in seen:
            seen.add(last)
            last = following[last]
        if last in patients and last not in seen:
            found[merged] = patients[last]
    return found

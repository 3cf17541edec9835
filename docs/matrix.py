"""The page for a privacy officer: who sees which class of data, for which purpose, of whom."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from docs.markdown import code, codes, page, table
from portico.access.bundle import read_bundle
from portico.access.tags import Tag
from resolvers.edges import ABOUT_PATIENTS

_ANYONE: Final = "anyone"
_OPEN: Final = "everyone's"


@dataclass(frozen=True, slots=True)
class _Row:
    """One row of the matrix with the place where it stands."""

    role: str
    kind: str
    purpose: str
    grant: Mapping[str, Any]

    @property
    def about_patients(self) -> bool:
        """Whether the row shows records of patients, and not only what is public."""
        return bool(ABOUT_PATIENTS & set(self.grant["see"]))

    @property
    def of(self) -> str:
        """Whose records."""
        return _OPEN if self.grant["of"] == _ANYONE else codes(self.grant["of"])

    def effect(self, tag: str) -> str:
        """What happens to a tag."""
        mask = self.grant.get("mask", {}).get(tag)
        return f"masked: {mask}" if mask else "yes" if tag in self.grant["allow"] else ""


def matrix_page(policies: Path) -> str:
    """The matrix of a policy folder, and the words that it uses."""
    data: Mapping[str, Any] = read_bundle(policies).data
    tables = data["portico"]
    rows = list(_rows(tables["matrix"]))
    vocabulary = tables["vocabulary"]
    return page(
        "Who sees what",
        """Generated from `policies/portico/matrix/data.yaml`, which is what decides. A person sees a value only if one
line for their role and purpose says so; what no line says is withheld. Several roles of one person add up.""",
        "## Records of patients",
        """One line for each role and purpose. *Of whom* says to which patients: those to whom the person stands in one
of these [relationships](#relationships). An empty cell means that the value is withheld.""",
        table(("Role", "Purpose", "Of whom", *Tag), _grid(row for row in rows if row.about_patients)),
        "## Single fields that are treated otherwise",
        "An exception outweighs the tag, and the strictest exception wins.",
        table(("Role", "Purpose", "Field", "What happens", "Why"), _exceptions(rows, vocabulary["reasons"])),
        "## Sensitive records",
        """A record may carry labels. It is shown only to those cleared for every one of them; for everyone else it does
not exist.""",
        table(("Role", "Purpose", "Of whom", *vocabulary["labels"]), _clearances(rows, list(vocabulary["labels"]))),
        f"""Whoever asks by name for a patient with one of these labels, and may not see them, is
[noted and reported](../how-to/watch-who-looks.md): {codes(tables["watch"]["labels"])}.""",
        "## Types that each role sees",
        "For a type that isn't named here, the person reads that there is nothing.",
        table(("Role", "For", "Purpose", "Of whom", "Types"), _types(rows)),
        "## What may leave for the source systems",
        """To find a record, Portico has to tell its source something: the keys and conditions that it asks by. What
doesn't stand here is not sent, and without an agreement in force nothing is. See
[register a vendor](../how-to/register-a-vendor.md).""",
        table(("To", "For", "Region", "Agreement", "Purposes", "Data"), _destinations(tables["destinations"])),
        *_words(vocabulary),
    )


def _rows(matrix: Mapping[str, Any]) -> Iterator[_Row]:
    for role, table_ in matrix.items():
        for purpose, grants in table_["purposes"].items():
            yield from (_Row(role, table_["kind"], purpose, grant) for grant in grants)


def _grid(rows: Iterable[_Row]) -> Iterator[Sequence[str]]:
    return ((code(row.role), row.purpose, row.of, *(row.effect(tag) for tag in Tag)) for row in rows)


def _exceptions(rows: Iterable[_Row], reasons: Mapping[str, str]) -> Iterator[Sequence[str]]:
    for row in rows:
        excepted = row.grant.get("except", {})
        where = code(row.role), row.purpose
        yield from ((*where, code(field), "released", "") for field in excepted.get("allow", ()))
        yield from ((*where, code(field), f"masked: {mask}", "") for field, mask in excepted.get("mask", {}).items())
        yield from (
            (*where, code(field), "withheld", f"`{reason}`: {reasons[reason]}")
            for field, reason in excepted.get("deny", {}).items()
        )


def _clearances(rows: Iterable[_Row], labels: Sequence[str]) -> Iterator[Sequence[str]]:
    for row in rows:
        if row.about_patients:
            cleared = row.grant.get("labels", [])
            yield code(row.role), row.purpose, row.of, *("yes" if label in cleared else "" for label in labels)


def _types(rows: Iterable[_Row]) -> Iterator[Sequence[str]]:
    return ((code(row.role), row.kind, row.purpose, row.of, ", ".join(row.grant["see"])) for row in rows)


def _destinations(destinations: Mapping[str, Any]) -> Iterator[Sequence[str]]:
    for name, entry in destinations.items():
        agreement = _agreement(entry["baa"])
        allowed = ", ".join(entry["purposes"]), ", ".join(entry["tags"])
        yield code(name), entry["for"], entry["region"], agreement, *allowed


def _agreement(agreement: Mapping[str, str | None] | None) -> str:
    if agreement is None:
        return "none"
    until = agreement["until"]
    return f"from {agreement['from']}" + (f" until {until}" if until else "")


def _words(vocabulary: Mapping[str, Mapping[str, str]]) -> Iterator[str]:
    for kind, words in vocabulary.items():
        yield f"## {kind.capitalize()}"
        yield table(("Word", "Meaning"), [(code(word), meaning) for word, meaning in words.items()])

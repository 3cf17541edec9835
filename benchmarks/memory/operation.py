"""The operations that everything in memory is asked: 60 values of each of so many patients."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

PAGE: Final = 100

JOINED: Final = "joined"
SINGLE: Final = "single"
SHAPES: Final = {
    JOINED: """fragment Row on PatientConnection { edges { node {
  name { family given } birthDate gender language deceased mrn ssn address { line city state postalCode }
  encounters { edges { node { status class { code } period { start end } } } }
  appointments { edges { node { start end status serviceType { code } } } }
  claims { edges { node {
    status type created billed { amount currency } allowed { amount currency } paid { amount } } } }
} } }""",
    SINGLE: """fragment Row on PatientConnection { edges { node {
  name { family given prefix } birthDate gender language deceased mrn ssn address { line city state postalCode country }
  identifiers { system value type } provenance { source }
} } }""",
}
"""Sixty values of a patient: of eleven records from three sources, or all of the patient's own."""


def document(patients: int, shape: str = JOINED) -> str:
    """Pages of up to a hundred patients, side by side; the cursor of page `n` is the variable `an`."""
    pages = range(_pages(patients))
    variables = "".join(f", $a{page}: String" for page in pages)
    roots = " ".join(f"p{page}: patients(first: $n, after: $a{page}) {{ ...Row }}" for page in pages)
    return f"query Load($n: Int!{variables}) {{ {roots} }} {SHAPES[shape]}"


def variables(patients: int, cursors: Mapping[int, str]) -> dict[str, Any]:
    """The variables of the document; `cursors` leads to each page but the first, by its number."""
    pages = {f"a{page}": cursors.get(page) for page in range(_pages(patients))}
    return {"n": min(patients, PAGE), **pages}


def offsets(patients: int) -> dict[int, str]:
    """The cursors of a server that counts rows."""
    return {page: str(page * PAGE) for page in range(1, _pages(patients))}


def _pages(patients: int) -> int:
    return max(1, patients // PAGE)

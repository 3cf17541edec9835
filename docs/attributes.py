"""What a class says of its attributes: the string below each, which Python itself forgets."""

from __future__ import annotations

import ast
import inspect
import textwrap
from itertools import pairwise


class Undescribed(Exception):
    """Something has no words to be shown with."""


def attribute_docstrings(cls: type) -> dict[str, str]:
    """The docstring of each attribute of a class that has one, in the order of declaration; inherited ones are not."""
    (definition,) = ast.parse(textwrap.dedent(inspect.getsource(cls))).body
    described: dict[str, str] = {}
    for statement, following in pairwise(getattr(definition, "body", ())):
        if isinstance(following, ast.Expr) and isinstance(following.value, ast.Constant):
            described.update((name, str(following.value.value)) for name in _names(statement))
    return described


def first_line(text: str | None, what: str) -> str:
    """A docstring's first sentence or line. Raises `Undescribed` where there is none."""
    lines = (text or "").strip().splitlines()
    if not lines:
        raise Undescribed(f"{what} has no docstring")
    return lines[0]


def _names(statement: ast.stmt) -> list[str]:
    match statement:
        case ast.AnnAssign(target=ast.Name(id=name)):
            return [name]
        case ast.Assign(targets=[ast.Name(id=name)]):
            return [name]
        case _:
            return []

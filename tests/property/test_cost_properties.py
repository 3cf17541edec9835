"""The cost of a document is the cost of the same document with its fragments written out."""

from __future__ import annotations

from dataclasses import dataclass

from graphql import DocumentNode, FieldNode, FragmentDefinitionNode, OperationDefinitionNode, parse
from hypothesis import given, settings
from hypothesis import strategies as st

from graph.cost import Budgets, Meter
from resolvers.pages import DEFAULT_PAGE


@dataclass(frozen=True)
class Selected:
    """One selection: a field with what is under it, or a fragment, named or not."""

    kind: str
    alias: bool = False
    first: int | None = None
    inner: tuple[Selected, ...] = ()


def _selections(depth: int) -> st.SearchStrategy[tuple[Selected, ...]]:
    if depth == 0:
        return st.just((Selected("leaf"),))
    inner = st.deferred(lambda: _selections(depth - 1))
    one = st.one_of(
        st.builds(Selected, st.just("leaf"), alias=st.booleans()),
        st.builds(Selected, st.just("list"), alias=st.booleans(), first=st.none() | st.integers(0, 100), inner=inner),
        st.builds(Selected, st.just("edges"), inner=inner),
        st.builds(Selected, st.sampled_from(["inline", "named"]), inner=inner),
    )
    return st.lists(one, min_size=1, max_size=3).map(tuple)


def _write(selections: tuple[Selected, ...], fragments: list[str], *, spread: bool) -> str:
    """The selections as text; with `spread` the named fragments are fragments, else they are written out."""
    parts = []
    for one in selections:
        inner = _write(one.inner, fragments, spread=spread) if one.inner else ""
        alias = "other: " if one.alias else ""
        match one.kind:
            case "leaf":
                parts.append(f"{alias}leaf")
            case "list":
                size = "" if one.first is None else f"(first: {one.first})"
                parts.append(f"{alias}list{size} {inner}")
            case "edges":
                parts.append(f"edges {inner}")
            case "named" if spread:
                fragments.append(f"fragment F{len(fragments)} on T {inner}")
                parts.append(f"...F{len(fragments) - 1}")
            case _:
                parts.append(f"... {inner}")
    return "{ " + " ".join(parts) + " }"


def _document(selections: tuple[Selected, ...], *, spread: bool) -> DocumentNode:
    fragments: list[str] = []
    text = _write(selections, fragments, spread=spread)
    return parse(" ".join([text, *fragments]))


def _records(selections: tuple[Selected, ...], size: int) -> int:
    """Counted from the tree itself: every row of every list, and what is under it."""
    total = 0
    for one in selections:
        match one.kind:
            case "list":
                total += _records(one.inner, DEFAULT_PAGE if one.first is None else one.first)
            case "edges":
                total += size * (1 + _records(one.inner, DEFAULT_PAGE))
            case "inline" | "named":
                total += _records(one.inner, size)
    return total


def _depth(selections: tuple[Selected, ...]) -> int:
    below = [_depth(one.inner) + (one.kind not in ("inline", "named")) if one.inner else 1 for one in selections]
    return max(below, default=0)


@settings(derandomize=True, deadline=None, max_examples=150)
@given(selections=_selections(4))
def test_a_fragment_costs_what_it_costs_written_out(selections: tuple[Selected, ...]) -> None:
    costs = []
    for spread in (True, False):
        document = _document(selections, spread=spread)
        operation = document.definitions[0]
        assert isinstance(operation, OperationDefinitionNode)
        costs.append(Meter(document, Budgets(), {})._of(operation.selection_set))
    assert costs[0] == costs[1]


@settings(derandomize=True, deadline=None, max_examples=150)
@given(selections=_selections(4))
def test_records_depth_and_aliases_are_those_of_the_tree(selections: tuple[Selected, ...]) -> None:
    rooted = (Selected("list", first=7, inner=selections),)
    document = _document(rooted, spread=True)
    operation = document.definitions[0]
    assert isinstance(operation, OperationDefinitionNode)
    cost = Meter(document, Budgets(), {})._of(operation.selection_set)
    assert cost.nodes == _records(rooted, DEFAULT_PAGE)
    assert cost.depth == _depth(rooted)
    assert cost.roots == 1


@settings(derandomize=True, deadline=None, max_examples=60)
@given(selections=_selections(3), times=st.integers(2, 6))
def test_each_fragment_is_measured_once_however_often_it_is_spread(
    selections: tuple[Selected, ...], times: int
) -> None:
    """Counted in fields looked at, not in seconds."""
    text = _write(selections, [], spread=False)
    document = parse("{ " + "...F " * times + "} fragment F on T " + text)
    looked = 0

    class Counting(Meter):
        def _field(self, node: FieldNode):  # type: ignore[no-untyped-def]  # noqa: ANN202  as the meter's own
            nonlocal looked
            looked += 1
            return super()._field(node)

    operation = document.definitions[0]
    assert isinstance(operation, OperationDefinitionNode)
    Counting(document, Budgets(selections=10**9, depth=10**9, aliases=10**9, roots=10**9)).check(operation)
    (fragment,) = [one for one in document.definitions if isinstance(one, FragmentDefinitionNode)]
    assert looked == _fields(fragment)


def _fields(node: object) -> int:
    below = getattr(getattr(node, "selection_set", None), "selections", ())
    return isinstance(node, FieldNode) + sum(_fields(one) for one in below)

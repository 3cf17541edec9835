"""The profile, on syntax trees from OPA's own parser."""

from __future__ import annotations

import pytest
from opa_bindings import OpaEngine

from portico.access.bundle import PoliciesRefused
from portico.access.profile import Tree, check_profile

BUILTINS = frozenset(
    {"assign", "count", "eq", "equal", "internal.member_2", "internal.template_string", "lower", "plus"}
)


def tree(source: str, path: str = "clinic/rules/rules.rego") -> Tree:
    with OpaEngine() as opa:
        (answer,) = opa.eval_query("tree = rego.parse_module(input.p, input.s)", {"p": path, "s": source})
    parsed: Tree = answer["tree"]
    return parsed


def check(body: str, **more: str) -> None:
    trees = {"clinic/rules/rules.rego": tree(f"package clinic.rules\n\n{body}\n")}
    trees |= {path.replace("__", "/") + ".rego": tree(source, path) for path, source in more.items()}
    check_profile(trees, BUILTINS)


ALLOWED = [
    "x := count([1, 2])",
    "x if count(input.roles) == 1",
    "x contains y if some y in input.roles",
    "f(a) := lower(a)\n\nx := f(f(input.a))",
    "x := data.clinic.rules.f(1)\n\nf(_) := 1",
    "import data.clinic.other\n\nx := other.f(1)",
    "import data.clinic.other as another\n\nx := another.f(1)",
    'x := {"http.send": "time.now_ns()"}',
    "# http.send({})\nx := 1 + 1",
    "x := input.http.send",
    "default x := 1",
    "x := y if { y := 1 } else := 2 if { true }",
    "x if every y in input.a { lower(y) == y }",
]


@pytest.mark.parametrize("body", ALLOWED)
def test_builtins_of_the_list_and_functions_of_the_bundle_may_be_called(body: str) -> None:
    check(body)


FORBIDDEN = {
    "x := time.now_ns()": "time.now_ns",
    "x if time.now_ns() == 1": "time.now_ns",
    "x if { time.now_ns() }": "time.now_ns",
    "x := [y | y := http.send({})]": "http.send",
    "x := {y: 1 | y := rand.intn(input.a, 2)}": "rand.intn",
    "x contains http.send({})": "http.send",
    "x[opa.runtime()] := 1": "opa.runtime",
    "x := count(count(http.send({})))": "http.send",
    "x := http.send({}).body.deep": "http.send",
    "x := input[http.send({})]": "http.send",
    "x := {http.send({}): 1}": "http.send",
    "x if not http.send({})": "http.send",
    "x if every y in http.send({}) { y }": "http.send",
    "x if every y in [1] { http.send(y) }": "http.send",
    "x if some y in http.send({})": "http.send",
    "f(_) := http.send({})": "http.send",
    "default x := 1\n\nx := 2 if { false } else := http.send({})": "http.send",
    'x := $"{http.send({})}"': "http.send",
    "x := upper(input.a)": "upper",
    "x := 2 * 2": "mul",
    "x if print(input)": "print",
    "x if trace(input.a)": "trace",
}


@pytest.mark.parametrize("body", FORBIDDEN)
def test_any_other_call_is_refused_wherever_it_stands(body: str) -> None:
    with pytest.raises(PoliciesRefused) as refusal:
        check(body)
    assert str(refusal.value) == (
        f"clinic/rules/rules.rego: {FORBIDDEN[body]} may not be called (see capabilities.json)"
    )


@pytest.mark.parametrize(
    "body",
    [
        "g(_) := 1\n\nx := y if { y := g({}) with g as http.send }",
        "x if { input.a with input as {} }",
        "x if { data.clinic.a with data.clinic.a as time.now_ns }",
    ],
)
def test_with_is_refused_for_it_could_put_a_builtin_in_a_functions_place(body: str) -> None:
    with pytest.raises(PoliciesRefused, match="`with` is for tests"):
        check(body)


def test_a_function_of_another_file_of_the_package_may_be_called() -> None:
    check("x := f(1)", clinic__rules__more="package clinic.rules\n\nf(a) := a")


def test_a_function_of_another_package_may_not_be_called_without_its_import() -> None:
    with pytest.raises(PoliciesRefused, match="f may not be called"):
        check("x := f(1)", clinic__other__more="package clinic.other\n\nf(a) := a")


@pytest.mark.parametrize("package", ["clinic", "clinic.rule", "rules.clinic", "clinic.rules.more", "system.authz"])
def test_a_package_is_its_folder(package: str) -> None:
    with pytest.raises(PoliciesRefused, match="is not its folder"):
        check_profile({"clinic/rules/rules.rego": tree(f"package {package}\n")}, BUILTINS)

"""The page of decided cases: the tables by which the policies are tested, as a privacy officer reads them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from docs.markdown import code, codes, page, table
from portico.access.documents import parse_yaml

FOLDER: Final = Path("tests/spec/decisions")
_KINDS: Final = ("permit", "deny", "opt in")

_Table = Mapping[str, Any]


def cases_page(root: Path) -> str:
    """Every case of every table. Raises `Unreadable` where one of them is no YAML."""
    tables: dict[str, _Table] = {path.stem: _read(path) for path in sorted((root / FOLDER).glob("*.yaml"))}
    count = sum(len(one["lists"]) + len(one["records"]) + len(one.get("commands", ())) for one in tables.values())
    return page(
        "Decided cases",
        f"""Generated from `{FOLDER}`: {count} cases, each asked of the policies in both engines, in process and by an
OPA server. What a case says is what they answer, or the build fails. The words are those of
[Who sees what](who-sees-what.md); the rows that decide are there too.""",
        *(part for name, one in tables.items() for part in _parts(name, one)),
    )


def _read(path: Path) -> _Table:
    read: _Table = parse_yaml(path.read_text())  # type: ignore[assignment]  # the tests hold it to its shape
    return read


def _parts(name: str, one: _Table) -> Iterator[str]:
    yield f"## {name}"
    yield f"A {one['kind']} with the role `{one['role']}`, for {one['purpose']}."
    yield table(("List", "Could hold the records of"), _lists(one["lists"]))
    yield table(("Case", "Record", "Stands to the patient", "Labels", "The patient said", "Sees"), _records(one))
    if one.get("commands"):
        yield table(("Case", "Command", "Stands to the patient", "May"), _commands(one["commands"]))


def _lists(lists: Mapping[str, Any]) -> Iterator[Sequence[str]]:
    return ((code(type_), whose if isinstance(whose, str) else codes(whose)) for type_, whose in lists.items())


def _records(one: _Table) -> Iterator[Sequence[str]]:
    for record in one["records"]:
        stands = codes(record.get("relationships", ()), nothing="in no way")
        said = "; ".join(map(_said, record.get("consent", ())))
        yield record["title"], code(record["type"]), stands, codes(record.get("labels", ())), said, _sees(record)


def _said(provision: Mapping[str, Any]) -> str:
    (kind,) = (one for one in _KINDS if one in provision)
    what = provision[kind] if isinstance(provision[kind], str) else codes(provision[kind])
    narrowed = (f"{word} {codes(provision[word])}" for word in ("for", "to", "about") if word in provision)
    return " ".join((kind, what, *narrowed))


def _sees(record: Mapping[str, Any]) -> str:
    if "hidden" in record:
        return f"nothing: {code(record['hidden'])}"
    told = [f"as *{record['same as']}*"] if "same as" in record else [codes(record["allow"], nothing="no class")]
    told += [f"{code(tag)} masked: {code(mask)}" for tag, mask in record.get("mask", {}).items()]
    told += [f"{code(field)} {_effect(effect)}" for field, effect in record.get("fields", {}).items()]
    told += [f"not {codes(record['refused'])}: refused by the patient"] if record.get("refused") else []
    if isinstance(record.get("deny"), Mapping):
        told += [f"not {code(tag)}: {code(reason)}" for tag, reason in record["deny"].items()]
    told += [f"{code(tag)} after {_step_up(asked)}" for tag, asked in record.get("step up", {}).items()]
    told += [f"with the notice {codes(record['notices'])}"] if record.get("notices") else []
    return "; ".join(told)


def _effect(effect: str) -> str:
    word, _, detail = effect.partition(" ")
    return f"{word}: {code(detail)}" if detail else word


def _step_up(asked: Mapping[str, Any]) -> str:
    return f"a sign-in by {codes(asked['acr'])} at most {asked['max_age_seconds']} seconds ago"


def _commands(commands: Sequence[Mapping[str, Any]]) -> Iterator[Sequence[str]]:
    for one in commands:
        stands = codes(one["relationships"], nothing="in no way") if "relationships" in one else "isn't said"
        yield one["title"], code(one["command"]), stands, _may(one)


def _may(one: Mapping[str, Any]) -> str:
    if "refused" in one:
        return f"no: {code(one['refused'])}"
    terms = [f"after {_step_up(one['step up'])}"] if "step up" in one else []
    terms += [f"within {_limit(*limit)}" for limit in one.get("limits", {}).items()]
    return "; ".join(["yes", *terms])


def _limit(name: str, value: Any) -> str:
    said = f"{value['min']} to {value['max']}" if isinstance(value, Mapping) else value
    return f"{code(name)} {said}"

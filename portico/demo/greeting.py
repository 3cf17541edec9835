"""What the demo prints once it runs: where, as whom, and what to ask first."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from portico.demo.client import token
from portico.demo.state import Running

PERSONAS: Final[Mapping[str, str | None]] = {
    "patient": None,
    "guardian": None,
    "physician": "TREAT",
    "front-desk": None,
    "biller": None,
    "researcher": None,
    "auditor": None,
    "privacy-officer": None,
    "operator": None,
    "website": None,
    "other-clinic": None,
}
"""Whom one can be; with a purpose where there are several, so that a pasted token needs no further header."""

_PHYSICIANS: Final = """\
{ patients(first: 3) { edges { node { name { family given } birthDate ssn
    appointments(first: 2) { edges { node { start status reason } } }
    claims(first: 2) { edges { node { status billed { amount currency } } } } } } } }"""

_FRONT_DESKS: Final = """\
{ patients(first: 3) { edges { node { name { family given } phone ssn
    appointments(first: 2) { edges { node { start status reason } } } } } } }"""

_WEBSITES: Final = """\
{ slots(first: 5, filter: {status: FREE}) { edges { node { start status
    practitioner { name { family } } location { name } } } } }"""

QUERIES: Final = (
    ("physician", "A care team's patients, joined from three systems:", _PHYSICIANS),
    ("front-desk", "Much the same question at the front desk, and another answer, by policy:", _FRONT_DESKS),
    ("website", "Openings, for the clinic's website:", _WEBSITES),
)
"""Whom to be, why, and the query."""


def greeting(running: Running, *, command: str = ".venv/bin/portico") -> str:
    """The text. It has a token for every persona, so it is for the terminal alone."""
    tokens = "\n".join(f"{persona:<15} {token(running, persona, purpose)}" for persona, purpose in PERSONAS.items())
    queries = "\n\n".join(_curl(running.url, command, *query) for query in QUERIES)
    return f"""
Portico listens on {running.url}/graphql

Tokens, good for twelve hours ({command} token --as PERSONA prints one):

{tokens}

{queries}

Edit a file under policies/ and ask again; what can't be used is refused, and told here.
Make a source fail: {command} sandbox misbehave billing 500
What was asked of the sources: {command} sandbox calls. Ctrl-C ends it all.
"""


def _curl(url: str, command: str, persona: str, title: str, query: str) -> str:
    line, purpose = " ".join(query.split()), PERSONAS[persona]
    narrowed = f" --purpose {purpose}" if purpose else ""
    return (
        f"# {title}\n"
        f'curl -s {url}/graphql -H "Authorization: Bearer $({command} token --as {persona}{narrowed})" \\\n'
        f"  -H 'Content-Type: application/json' -d '{{\"query\": \"{line}\"}}'; echo"
    )

"""What the command line asks of a running demo: tokens of its identity provider, and its simulated sources."""

from __future__ import annotations

from http.client import HTTPConnection, HTTPException
from typing import Any, Final
from urllib.parse import urlsplit

import orjson

from portico.demo.children import DemoFailed
from portico.demo.state import Running

_TIMEOUT_SECONDS: Final = 10.0
_OK: Final = range(200, 300)


class Refused(ValueError):
    """The demo does not know what was asked for; the message says what it knows."""


def token(
    running: Running,
    persona: str,
    purpose: str | None = None,
    *,
    acr: str | None = None,
    auth_age_seconds: int | None = None,
) -> str:
    """A signed access token for a persona, for one of their purposes of use or for all.

    It says that they have just signed in as they usually do, unless `acr` or `auth_age_seconds` have it say otherwise.
    """
    given = {"persona": persona, "purpose": purpose, "acr": acr, "auth_age_seconds": auth_age_seconds}
    asked = {name: value for name, value in given.items() if value is not None}
    answer: dict[str, str] = orjson.loads(_ask(running.identity_url, "POST", "/token", asked))
    return answer["access_token"]


def calls(running: Running, *, clear: bool = False) -> bytes:
    """What every source was asked since the start or the last clearing, as JSON lines; `clear` forgets it instead."""
    method = "DELETE" if clear else "GET"
    return b"".join(_ask(url, method, "/_sandbox/calls") for url in running.sources.values())


def misbehave(running: Running, source: str, mode: str, seconds: float | None = None) -> None:
    """Make a source behave in a mode from now on (`well`: as it should)."""
    url = running.sources.get(source)
    if url is None:
        raise Refused(f"no such source; there are {', '.join(running.sources)}")
    wanted: dict[str, object] = {"mode": mode} if seconds is None else {"mode": mode, "seconds": seconds}
    _ask(url, "PUT", "/_sandbox/mode", wanted)


def _ask(url: str, method: str, path: str, body: Any = None) -> bytes:
    """One request to a process of the sandbox. Raises `Refused` with its reason, `DemoFailed` where it is gone."""
    connection = HTTPConnection(urlsplit(url).netloc, timeout=_TIMEOUT_SECONDS)
    try:
        payload = None if body is None else orjson.dumps(body)
        connection.request(method, path, payload, {"Content-Type": "application/json"})
        response = connection.getresponse()
        answer = response.read()
    except (OSError, HTTPException) as error:
        raise DemoFailed(f"the demo's process at {url} does not answer") from error
    finally:
        connection.close()
    if response.status not in _OK:
        refusal: dict[str, str] = orjson.loads(answer)
        raise Refused(refusal.get("error_description") or refusal.get("error") or "refused")
    return answer

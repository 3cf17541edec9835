"""OPA as a server beside Portico: it holds the policies, follows them itself, and is only ever asked."""

from __future__ import annotations

import asyncio
import contextlib
import time
import uuid
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import orjson
from opa_client.opa_async import AsyncOpaClient

from portico.access.bundle import PoliciesRefused
from portico.access.bundle_age import BundleAge
from portico.access.contracts import Contracts
from portico.access.documents import Json, Unreadable, parse_json
from portico.access.engine import PolicyStatus, Rule, Verdict
from portico.access.proof import ENTRY_POINT, QUESTIONS, VIOLATIONS, check_proof
from portico.records.errors import Fault, PolicyUnavailable


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerConfig:
    """Where the OPA server is. Its bundle must carry a revision (`opa build --revision`).

    `url` is `https://host:port`, or `http://` for an OPA on this machine's loopback. `schemas` are those of the
    policies (`Bundle.schemas`): what is asked and answered is held to them here too.
    """

    url: str
    schemas: Mapping[str, Json] = field(repr=False)
    token: str | None = field(default=None, repr=False)
    deadline_seconds: float = 0.25
    poll_seconds: float = 0.5
    stale_seconds: float = 2.0
    """How long the server's revision may go unconfirmed before answers stop, those remembered from it included."""
    bundle_seconds: float | None = None
    """How long the server may go without a sound look at its bundle before answers stop; None: it isn't asked."""
    answer_limit_bytes: int = 4 << 20


class _Client(AsyncOpaClient):
    """The OPA client with answers of bounded size, exactly one attempt, and no way to be sent elsewhere."""

    def __init__(self, *, url: str, token: str | None, timeout_seconds: float, limit_bytes: int) -> None:
        super().__init__(  # type: ignore[no-untyped-call]  # the package annotates nothing
            **_address(url), token=token, retries=0, timeout=timeout_seconds
        )
        self._limit_bytes = limit_bytes

    async def open(self) -> None:
        """Make the pool of connections, in the running event loop."""
        await self._init_session()  # type: ignore[no-untyped-call]  # the package annotates nothing

    async def close(self) -> None:
        """Close the connections."""
        await self.close_connection()  # type: ignore[no-untyped-call]  # the package annotates nothing

    async def document(self, path: str, question: bytes) -> bytes:
        """The answer's body. Raises `PolicyUnavailable` unless it is JSON, at most so long, with status 200."""
        url = f"{self.root_url}/data/{path}?provenance=true&strict-builtin-errors=true"
        return await self._body("POST", url, data=question, headers={"Content-Type": "application/json"})

    async def bundle_status(self) -> bytes:
        """What the server says of its bundle. Raises as `document` does."""
        return await self._body("GET", f"{self.root_url}/status")

    async def _body(self, method: str, url: str, **options: Any) -> bytes:
        async with self._request(method, url, **options, allow_redirects=False) as response:
            if response.status != 200 or response.content_type != "application/json":  # noqa: PLR2004  HTTP's OK
                raise PolicyUnavailable
            body = bytearray()
            async for chunk in response.content.iter_any():
                body += chunk
                if len(body) > self._limit_bytes:
                    response.close()
                    raise PolicyUnavailable
            return bytes(body)


class ServerEngine:
    """A `PolicyEngine` with an OPA server. Create it with `start`, in the event loop that asks.

    A revision counts once it has proven itself (see `proof`); until then, and while the server can't be reached,
    nothing is answered. One that another has replaced never counts again: whoever gets hold of an old bundle, which
    is signed as well as any, can't have it back. The server is asked for its revision all the time, so that decisions
    remembered from an earlier one stop counting. Cost of an answer: one request over a kept connection.
    """

    def __init__(
        self, config: ServerConfig, contracts: Contracts, client: _Client, on_refused: Callable[[str], None]
    ) -> None:
        self._config = config
        self._contracts = contracts
        self._client = client
        self._on_refused = on_refused
        self._bundle_age = None if config.bundle_seconds is None else BundleAge(config.bundle_seconds)
        self._proven: str | None = None
        self._latest: str | None = None
        self._replaced: set[str] = set()
        self._refused: str | None = None
        self._confirmed_at = float("-inf")
        self._proving = asyncio.Lock()
        self._watcher = asyncio.create_task(self._watch(), name="policy server watcher")

    @classmethod
    async def start(cls, config: ServerConfig, *, on_refused: Callable[[str], None] = lambda _: None) -> ServerEngine:
        """An engine that asks the server; it need not be up yet. Raises `PoliciesRefused` on broken schemas.

        `on_refused` is called with the reason whenever what the server has can't be used, once for each reason.
        """
        contracts = await asyncio.to_thread(Contracts, config.schemas)
        client = _Client(
            url=config.url,
            token=config.token,
            timeout_seconds=config.deadline_seconds,
            limit_bytes=config.answer_limit_bytes,
        )
        await client.open()
        engine = cls(config, contracts, client, on_refused)
        await engine._look()
        return engine

    @property
    def revision(self) -> str:
        """The server's revision. Raises `PolicyUnavailable` where that is not confirmed."""
        fresh = time.monotonic() - self._confirmed_at <= self._config.stale_seconds
        if self._proven is None or not fresh or self._watcher.done():
            raise PolicyUnavailable
        return self._proven

    @property
    def status(self) -> PolicyStatus:
        """What answers now, and why nothing does."""
        return PolicyStatus(revision=self._proven, refused=self._refused)

    async def ask(self, rule: Rule, input_: Mapping[str, Any]) -> Verdict:
        """The rule's answer; see `PolicyEngine.ask`. A question that breaks its schema is a `Fault`."""
        self._contracts.check_question(rule, input_)
        if self._bundle_age is not None and not self._bundle_age.is_within:
            raise PolicyUnavailable
        answer, revision, decision_id = await self._document(ENTRY_POINT[rule], input_)
        result = self._contracts.checked_answer(rule, input_, answer)
        if revision != self._proven:
            try:
                await self._prove(revision)
            except PoliciesRefused:
                raise PolicyUnavailable from None
        return Verdict(result=result, revision=revision, decision_id=decision_id)

    async def aclose(self) -> None:
        """Close the connections."""
        self._watcher.cancel()
        await asyncio.gather(self._watcher, return_exceptions=True)
        await self._client.close()

    async def _document(self, path: str, input_: Mapping[str, Any]) -> tuple[Json, str, str]:
        """A document's value, the revision that it came from, and the decision's id."""
        question = orjson.dumps({"input": input_})
        return _opened(await self._parsed(self._client.document(path.replace(".", "/"), question)))

    async def _parsed(self, asking: Awaitable[bytes]) -> Json:
        try:
            async with asyncio.timeout(self._config.deadline_seconds):
                return parse_json(await asking)
        except (TimeoutError, aiohttp.ClientError, OSError, Unreadable):
            raise PolicyUnavailable from None

    async def _prove(self, revision: str) -> None:
        """Makes a revision count. Raises `PoliciesRefused` if it doesn't prove itself."""
        async with self._proving:
            if revision == self._proven:
                return
            if revision in self._replaced:
                raise PoliciesRefused(f"revision {revision} was replaced by another and does not count again")
            documents = [await self._document(ENTRY_POINT[rule], question) for rule, question in QUESTIONS.items()]
            violations, *_ = last = await self._document(VIOLATIONS, {})
            if any(seen != revision for _, seen, _ in (*documents, last)):
                raise PolicyUnavailable
            answers = {rule: answer for rule, (answer, _, _) in zip(QUESTIONS, documents, strict=True)}
            # The server has let go of the revision before, so whatever the proof says, that one no longer counts.
            self._proven = None
            check_proof(self._contracts, answers, violations)
            if self._latest not in (None, revision):
                self._replaced.add(self._latest)
            self._proven = self._latest = revision

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(self._config.poll_seconds)
            await self._look()

    async def _look(self) -> None:
        """Asks the server for its revision, and has a new one prove itself."""
        asked_at = time.monotonic()
        try:
            _, revision, _ = await self._document(ENTRY_POINT[Rule.COMMAND], QUESTIONS[Rule.COMMAND])
            if revision != self._proven:
                await self._prove(revision)
            if self._bundle_age is not None:
                await self._look_at_bundle(self._bundle_age)
        except PolicyUnavailable:
            self._refuse("the policy server gives no answer that carries its bundle's revision")
        except PoliciesRefused as refusal:
            self._refuse(str(refusal))
        else:
            self._confirmed_at, self._refused = asked_at, None

    async def _look_at_bundle(self, age: BundleAge) -> None:
        """Has the server say when it last looked at its bundle. Raises `PoliciesRefused` if that is too long ago."""
        if age.is_due:
            with contextlib.suppress(PolicyUnavailable):
                age.note(await self._parsed(self._client.bundle_status()))
        if not age.is_within:
            raise PoliciesRefused("the policy server has not had a sound look at its bundle for too long")

    def _refuse(self, reason: str) -> None:
        if reason != self._refused:
            self._refused = reason
            self._on_refused(reason)


def _opened(envelope: Json) -> tuple[Json, str, str]:
    """What an answer of OPA's data API holds: a value, the revision of the one bundle it came from, the decision's id.

    An undefined value is no answer, and neither is one that doesn't say where it came from.
    """
    match envelope:
        case {"result": result, "provenance": {"bundles": {**bundles}}, **rest} if len(bundles) == 1:
            bundle, decision_id = next(iter(bundles.values())), rest.get("decision_id")
        case _:
            raise PolicyUnavailable
    match bundle:
        case {"revision": str(revision)} if revision:
            return result, revision, decision_id if isinstance(decision_id, str) else str(uuid.uuid4())
    raise PolicyUnavailable


def _address(url: str) -> dict[str, Any]:
    """The client's idea of a URL. Raises `Fault` on one to which no question may be sent."""
    parts = urlsplit(url)
    secure, host = parts.scheme == "https", parts.hostname
    if host is None or parts.username or parts.path not in ("", "/") or parts.query or parts.fragment:
        raise Fault("the policy server's URL is https://host:port")
    if not secure and not (parts.scheme == "http" and _loopback(host)):
        raise Fault("a policy server that is not on this machine's loopback is asked over https alone")
    return {"host": f"[{host}]" if ":" in host else host, "port": parts.port or 8181, "ssl": secure}


def _loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False

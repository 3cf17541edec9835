"""What every request gets, whatever becomes of it: an id, headers, a log line, a place in the metrics, an answer."""

from __future__ import annotations

import time
import uuid
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from portico import logs
from portico.edge.metrics import Metrics
from portico.edge.refusals import fault

_log = logs.logger()

_HEADERS: Final = ((b"cache-control", b"no-store"), (b"x-content-type-options", b"nosniff"))


class Envelope:
    """The outermost middleware. Nothing that goes wrong inside gets past it, least of all an exception's message."""

    def __init__(self, app: ASGIApp, *, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on; whatever comes back or is raised, one marked response goes out."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = str(uuid.uuid4())
        state = scope.setdefault("state", {})
        state["request_id"] = request_id
        started = time.perf_counter()
        status = 0

        async def send_marked(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", ()), *_HEADERS, (b"x-request-id", request_id.encode())]
            await send(message)

        try:
            await self._app(scope, receive, send_marked)
        except Exception:  # noqa: BLE001 - a bug anywhere inside ends here, as a 500 that tells nothing
            state["outcome"] = "INTERNAL"
            _log.exception("request_failed", request_id=request_id)
            if not status:
                await fault(request_id)(scope, receive, send_marked)
        finally:
            self._note(state, status, time.perf_counter() - started)

    def _note(self, state: dict[str, str], status: int, seconds: float) -> None:
        outcome = state.get("outcome") or ("PREFLIGHT" if status else "CANCELLED")
        self._metrics.request_answered(outcome, seconds)
        write = _log.debug if outcome == "HEALTH" else _log.info
        write(
            "request_answered",
            request_id=state["request_id"],
            status=status,
            milliseconds=round(seconds * 1000, 3),
            outcome=outcome,
            **({"reason": state["reason"]} if "reason" in state else {}),
        )

"""What every simulated source can be told and asked from outside: misbehave, and what it was asked.

GET    /_sandbox/calls       the recorded calls, one JSON object a line
DELETE /_sandbox/calls       forget them
PUT    /_sandbox/mode        {"mode": "slow", "seconds": 5}
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum

import orjson
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route


class Mode(StrEnum):
    """How a source behaves until told otherwise. A source that can't misbehave in a way refuses the mode."""

    WELL = "well"
    SLOW = "slow"
    """Every answer waits `seconds`."""
    ERROR = "500"
    THROTTLE = "429"
    RESET = "reset"
    """The connection is torn down without an answer."""
    WRONG_PATIENT = "wrong-patient"
    """Asked about one patient, it answers about another."""
    HUGE = "huge"
    """The answer is far larger than anyone wants."""
    FOREIGN_NEXT = "foreign-next"
    """The link to the next page points to another host."""


@dataclass(slots=True)
class Control:
    """One simulated source's calls and mode."""

    source: str
    modes: frozenset[Mode]
    mode: Mode = Mode.WELL
    seconds: float = 5.0
    calls: list[dict[str, object]] = field(default_factory=list)

    def record(self, tenant: str, operation: str, parameters: Mapping[str, object]) -> None:
        """Note a call: `operation` as `GET /Appointment`, `parameters` whole, so that tests can say what was asked."""
        self.calls.append(
            {
                "at": datetime.now(UTC).isoformat(),
                "source": self.source,
                "tenant": tenant,
                "operation": operation,
                "parameters": dict(parameters),
            }
        )

    def routes(self) -> list[Route]:
        """The routes to mount beside the source's own."""
        return [
            Route("/_sandbox/calls", self._calls, methods=["GET", "DELETE"]),
            Route("/_sandbox/mode", self._mode, methods=["GET", "PUT"]),
        ]

    async def _calls(self, request: Request) -> Response:
        if request.method == "DELETE":
            self.calls.clear()
            return Response(status_code=204)
        lines = b"".join(orjson.dumps(call) + b"\n" for call in self.calls)
        return Response(lines, media_type="application/x-ndjson")

    async def _mode(self, request: Request) -> Response:
        if request.method == "PUT":
            wanted = orjson.loads(await request.body())
            mode = wanted.get("mode")
            if mode not in self.modes:
                known = ", ".join(sorted(self.modes))
                return JSONResponse({"error": f"{self.source} knows the modes {known}"}, status_code=422)
            self.mode = Mode(mode)
            self.seconds = float(wanted.get("seconds", self.seconds))
        return JSONResponse({"source": self.source, "mode": self.mode, "seconds": self.seconds})

"""How this EHR says no: an OperationOutcome with its HTTP status."""

from __future__ import annotations

from collections.abc import Mapping

import orjson
from starlette.responses import Response

FHIR_JSON = "application/fhir+json"


class Refusal(Exception):
    """A request that is answered with an OperationOutcome; `code` is of FHIR's value set issue-type."""

    def __init__(self, status: int, code: str, text: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(text)
        self.status = status
        self.code = code
        self.text = text
        self.headers = headers

    def response(self) -> Response:
        """The refusal as HTTP."""
        outcome = {
            "resourceType": "OperationOutcome",
            "issue": [{"severity": "error", "code": self.code, "diagnostics": self.text}],
        }
        return Response(orjson.dumps(outcome), self.status, headers=self.headers, media_type=FHIR_JSON)

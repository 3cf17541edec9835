"""Every error that Portico raises on purpose.

    PorticoError
    ├── CallerError            the caller may see its code and message
    │   ├── InvalidRequest     400  the request can't be understood
    │   ├── Unauthenticated    401  no token, or one that is not accepted
    │   ├── PurposeRefused     403  the purpose of use is missing or not this token's
    │   ├── NotFound           404  no such page
    │   ├── MethodRefused      405  not this method here
    │   ├── NotAcceptable      406  none of the accepted media types can be given
    │   ├── RequestTooSlow     408  the body did not arrive in time
    │   ├── RequestTooLarge    413  over a byte limit
    │   ├── UnsupportedMedia   415  not application/json
    │   ├── SlowDown           429  the subject was told about very many patients and is slowed for a while
    │   ├── Overloaded         503  too many requests are being answered already
    │   ├── DeadlineExceeded   504  no answer within the request's deadline
    │   ├── BadArgument        200  an argument's value is out of range or malformed
    │   ├── ListTooSparse      200  a list in which too little may be seen to fill a page in time
    │   ├── CommandRefused     200  a command was not carried out: the policies or the facts are against it
    │   ├── StepUpRequired     200  authenticate again, as the challenge says
    │   ├── PolicyUnavailable  200  the policy engine gave no usable answer; nothing is released
    │   ├── AuditUnavailable   200  what would be released can't be recorded; nothing is released
    │   ├── StoreUnavailable   200  Portico's own database can't say who is who; nothing is released
    │   ├── SwitchedOff        200  the tenant, the subject or the client is switched off; nothing is released
    │   └── SourceError        200  a source system failed; it costs its own fields only
    │       ├── SourceUnavailable   down, refusing or throttling beyond the deadline
    │       ├── SourceTimeout       no answer within its deadline
    │       ├── SourceInvalid       an answer that breaks its contract, or is about someone else
    │       ├── EgressRefused       not asked: it may not be told what it would be asked by
    │       └── SourceSwitchedOff   not asked: an operator has switched it off
    └── Fault                  a bug or a broken set-up; callers see INTERNAL and the request id
        └── UnsupportedPredicate   a connector was asked to filter by what it can't

Messages are written for the caller and free of personal data: they never carry a value from a record,
an argument or a token.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import ClassVar


class PorticoError(Exception):
    """Something went wrong, and Portico knows what."""


class CallerError(PorticoError):
    """An error that the caller may see: `code` is stable, `status` is the HTTP status that it causes."""

    code: ClassVar[str] = "BAD_REQUEST"
    status: ClassVar[int] = 400

    def __init__(self, message: str = "") -> None:
        super().__init__(message or (type(self).__doc__ or "").strip())

    @property
    def message(self) -> str:
        """The sentence that the caller reads."""
        return str(self)

    @property
    def details(self) -> Mapping[str, object]:
        """What else the caller reads, by name, beside the code; nothing personal."""
        return {}


class InvalidRequest(CallerError):
    """The request can't be understood."""


class Unauthenticated(CallerError):
    """Authentication required."""

    code = "UNAUTHENTICATED"
    status = 401


class PurposeRefused(CallerError):
    """A purpose of use is required, and must be one that the token permits."""

    code = "PURPOSE_REFUSED"
    status = 403


class NotFound(CallerError):
    """There is nothing at this address."""

    code = "NOT_FOUND"
    status = 404


class MethodRefused(CallerError):
    """This address doesn't take that method."""

    code = "METHOD_NOT_ALLOWED"
    status = 405


class NotAcceptable(CallerError):
    """Accept application/graphql-response+json or application/json."""

    code = "NOT_ACCEPTABLE"
    status = 406


class RequestTooSlow(CallerError):
    """The request did not arrive in time."""

    code = "REQUEST_TIMEOUT"
    status = 408


class RequestTooLarge(CallerError):
    """The request is larger than this server accepts."""

    code = "REQUEST_TOO_LARGE"
    status = 413


class UnsupportedMedia(CallerError):
    """Send application/json in UTF-8."""

    code = "UNSUPPORTED_MEDIA_TYPE"
    status = 415


class SlowDown(CallerError):
    """You were told about very many patients in a short time. For a while, ask once in so many seconds."""

    code = "SLOW_DOWN"
    status = 429

    def __init__(self, retry_after_seconds: float) -> None:
        """How long until the next request is admitted."""
        super().__init__()
        self.retry_after_seconds = max(1, math.ceil(retry_after_seconds))

    @property
    def details(self) -> Mapping[str, object]:
        """The seconds, as in `Retry-After`."""
        return {"retryAfterSeconds": self.retry_after_seconds}


class Overloaded(CallerError):
    """The server is busy; try again shortly."""

    code = "OVERLOADED"
    status = 503


class DeadlineExceeded(CallerError):
    """The request could not be answered in time."""

    code = "DEADLINE_EXCEEDED"
    status = 504


class BadArgument(CallerError):
    """An argument is out of range or malformed."""

    code = "BAD_ARGUMENT"
    status = 200


class CommandRefused(CallerError):
    """The command was not carried out."""

    code = "COMMAND_REFUSED"
    status = 200

    def __init__(self, reason: str) -> None:
        """`reason` is a code: the policies', or what the command found; it is shown."""
        super().__init__(f"The command was not carried out ({reason}).")
        self.reason = reason

    @property
    def details(self) -> Mapping[str, object]:
        """The reason."""
        return {"reason": self.reason}


class StepUpRequired(CallerError):
    """This needs a stronger or a more recent authentication."""

    code = "STEP_UP_REQUIRED"
    status = 200

    def __init__(self, challenge: Mapping[str, object]) -> None:
        """`challenge` holds `acrValues` and `maxAge` (seconds), for the identity provider (RFC 9470)."""
        super().__init__()
        self.challenge = challenge

    @property
    def details(self) -> Mapping[str, object]:
        """The challenge."""
        return {"challenge": dict(self.challenge)}


class ListTooSparse(CallerError):
    """Too little of what this list would have to look through may be seen. Narrow it with a filter."""

    code = "LIST_TOO_SPARSE"
    status = 200


class PolicyUnavailable(CallerError):
    """The policy engine gave no usable answer, so nothing is released."""

    code = "POLICY_UNAVAILABLE"
    status = 200


class AuditUnavailable(CallerError):
    """What would be released can't be recorded durably, so nothing is released."""

    code = "AUDIT_UNAVAILABLE"
    status = 200


class StoreUnavailable(CallerError):
    """Portico's own database gave no usable answer, so nothing is released."""

    code = "STORE_UNAVAILABLE"
    status = 200


class SwitchedOff(CallerError):
    """This was switched off, so nothing is released until an operator switches it on again."""

    code = "SWITCHED_OFF"
    status = 200


class SourceError(CallerError):
    """A source system failed."""

    code = "SOURCE_UNAVAILABLE"
    status = 200

    def __init__(self, source: str, message: str = "") -> None:
        super().__init__(message)
        self.source = source


class SourceUnavailable(SourceError):
    """The source system is not available."""


class SourceTimeout(SourceError):
    """The source system did not answer in time."""

    code = "SOURCE_TIMEOUT"


class SourceInvalid(SourceError):
    """The source system's answer can't be used."""

    code = "SOURCE_INVALID"


class EgressRefused(SourceError):
    """The source system may not be told what it takes to ask it."""

    code = "EGRESS_REFUSED"

    def __init__(self, source: str, reason: str) -> None:
        """`reason` is the policies' code for why; it is shown."""
        super().__init__(source, f"The source system may not be told what it takes to ask it ({reason}).")
        self.reason = reason


class SourceSwitchedOff(SourceError):
    """The source system was switched off; it is not asked until an operator switches it on again."""

    code = "SOURCE_SWITCHED_OFF"


class Fault(PorticoError):
    """A bug or a broken set-up: logged by its type and place, never shown."""


class UnsupportedPredicate(Fault):
    """A connector was asked for a predicate or an ordering that it can't evaluate."""

"""Media types: what may be sent, and which of the two answers a client wants (GraphQL over HTTP, RFC 9110)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import StrEnum
from functools import lru_cache
from typing import Final

from portico.records.errors import NotAcceptable, UnsupportedMedia

_REQUEST: Final = re.compile(r'application/json[ \t]*(;[ \t]*charset=("utf-8"|utf-8)[ \t]*)?', re.IGNORECASE)
_QUALITY: Final = re.compile(r"0(\.[0-9]{0,3})?|1(\.0{0,3})?")

_REMEMBERED: Final = 256
"""Ways of accepting that are remembered; clients have few."""
_USUAL_CHARACTERS: Final = 500


class MediaType(StrEnum):
    """The media types of a GraphQL answer. With `GRAPHQL`, the status tells whether the document was executed."""

    GRAPHQL = "application/graphql-response+json"
    JSON = "application/json"

    @property
    def content_type(self) -> str:
        """The `Content-Type` header."""
        return f"{self.value}; charset=utf-8"


def require_json(content_types: Sequence[str], content_encodings: Sequence[str]) -> None:
    """Raise `UnsupportedMedia` unless the body is one uncompressed JSON text in UTF-8."""
    if len(content_types) != 1 or not _REQUEST.fullmatch(content_types[0]) or content_encodings:
        raise UnsupportedMedia


def negotiate(accepts: Sequence[str]) -> MediaType:
    """The media type that the `Accept` headers prefer; JSON where they leave it open.

    Of two types of the same quality a named one wins over a wildcard's. Raises `NotAcceptable` where neither may be
    given.
    """
    usual = sum(map(len, accepts)) <= _USUAL_CHARACTERS
    return _preferred(tuple(accepts)) if usual else _preferred.__wrapped__(tuple(accepts))


@lru_cache(_REMEMBERED)
def _preferred(accepts: tuple[str, ...]) -> MediaType:
    ranges = _ranges(accepts)
    if not any(accepts):
        return MediaType.JSON
    named = {media_type: ranges[media_type] for media_type in MediaType if media_type in ranges}
    anything = ranges.get("application/*", ranges.get("*/*", 0.0))
    qualities = {**named, **{media_type: anything for media_type in reversed(MediaType) if media_type not in named}}
    best = max(qualities, key=qualities.__getitem__)
    if not qualities[best]:
        raise NotAcceptable
    return best


def _ranges(accepts: Sequence[str]) -> dict[str, float]:
    """The quality of each accepted range; a range with a parameter that isn't ours is none of ours."""
    ranges: dict[str, float] = {}
    for part in ",".join(accepts).split(","):
        name, *parameters = (piece.strip().lower() for piece in part.split(";"))
        quality = 1.0
        for parameter in parameters:
            key, _, value = parameter.partition("=")
            if key == "q" and _QUALITY.fullmatch(value):
                quality = float(value)
            elif parameter not in {"charset=utf-8", 'charset="utf-8"'}:
                break
        else:
            ranges[name] = max(quality, ranges.get(name, 0.0))
    return ranges

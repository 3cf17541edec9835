"""What a client gets: the form in which the oracles judge it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """An HTTP response, byte for byte."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def json(self) -> Json:
        """The body, read."""
        read: Json = json.loads(self.body)
        return read

    def header(self, name: str) -> str:
        """A header's value, empty where it is not there."""
        return next((value for key, value in self.headers if key.lower() == name), "")

    @property
    def header_bytes(self) -> bytes:
        """The headers as a client gets them."""
        return "".join(f"{name}: {value}\r\n" for name, value in self.headers).encode()

    @property
    def codes(self) -> list[str]:
        """The codes of its errors, in their order."""
        return [error["extensions"]["code"] for error in self.json().get("errors", ())]

"""Where a tenant's alerts go, and how its receiver knows that they are Portico's."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
from dataclasses import dataclass, field
from typing import Final, TypeAlias
from urllib.parse import urlsplit

Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network

SIGNATURE_HEADER: Final = "Portico-Signature"
TIMESTAMP_HEADER: Final = "Portico-Timestamp"
ID_HEADER: Final = "Portico-Event-Id"
_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")

KEY_BYTES: Final = 32
"""Fewest bytes of a signing key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Receiver:
    """A tenant's webhook. Raises `ValueError`, without repeating what was given, for one that can't be used."""

    url: str
    key: bytes = field(repr=False)
    """What alerts are signed with; the receiver has it too."""
    allowed_networks: tuple[Network, ...] = ()
    """Private addresses at which the receiver may be. Public ones need no mention."""

    def __post_init__(self) -> None:
        """Refuse what is no address of a web server, and a key that could be guessed."""
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.fragment:
            raise ValueError("must be an https URL without a user or a fragment")
        if parts.scheme == "http" and not self.allowed_networks:
            raise ValueError("must be an https URL; http is for receivers within allowed_networks")
        if len(self.key) < KEY_BYTES:
            raise ValueError(f"a key must have at least {KEY_BYTES} bytes")

    def admits(self, address: str) -> bool:
        """Whether an alert may go to an address: over http to the allowed networks only, over https to public ones too.

        What is neither private nor otherwise special is public; anything that can't be read is nothing.
        """
        try:
            found = ipaddress.ip_address(address)
        except ValueError:
            return False
        if any(found.version == network.version and found in network for network in self.allowed_networks):
            return True
        meant = _embedded(found) if isinstance(found, ipaddress.IPv6Address) else None
        return urlsplit(self.url).scheme == "https" and all(map(_is_public, (found, *([meant] if meant else []))))

    def headers(self, event_id: str, body: bytes, *, now: int) -> dict[str, str]:
        """What goes with a body: what it is, since when, and the proof. `now` is in seconds since the epoch."""
        return {
            "Content-Type": "application/json",
            ID_HEADER: event_id,
            TIMESTAMP_HEADER: str(now),
            SIGNATURE_HEADER: f"v1={signature(self.key, event_id, body, now=now)}",
        }


def _is_public(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    return address.is_global and not address.is_multicast


def _embedded(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """The IPv4 address that an IPv6 address stands for, by any of the ways there are."""
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else None)


def signature(key: bytes, event_id: str, body: bytes, *, now: int) -> str:
    """HMAC-SHA256 over `now.event_id.body`, in hex.

    A receiver makes the same, compares in constant time, and takes nothing that is too old or that it has had before.
    """
    return hmac.new(key, b"%d.%b." % (now, event_id.encode()) + body, hashlib.sha256).hexdigest()

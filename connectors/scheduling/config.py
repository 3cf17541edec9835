"""What a scheduling connector has to be told."""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

from portico.records.errors import Fault
from portico.records.references import SourceName, Tenant

VENDOR_KEY_LIMIT: Final = 50
"""Keys that the vendor takes in one look-up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SchedulingConfig:
    """One tenant's account at the vendor, and the limits on what is taken from it.

    `url` is https, or http on the loopback interface: the key never travels in clear. Raises `Fault` otherwise.
    """

    source: SourceName
    tenant: Tenant
    url: str
    """Where the API's version 2 begins: `https://api.vendor.example/riverbend/v2`. Nothing else is ever called."""
    api_key: str = field(repr=False)
    """What proves to the vendor that it is the tenant who asks."""
    batch_limit: int = VENDOR_KEY_LIMIT
    """Keys that one look-up may carry."""
    page_size: int = 100
    """Items that a page may hold; the vendor gives up to 100."""
    page_limit: int = 50
    """Pages that one look-up or one page of a search may take."""
    scan_page_limit: int = 20_000
    """Pages that a scan of all people or relations may take."""
    scan_pages_per_second: float = 3.0
    """How fast a scan turns pages: slowly, for it draws on the same allowance as everybody's requests."""
    body_limit_bytes: int = 8 * 1024 * 1024
    """The most that one answer may weigh."""
    connection_limit: int = 10
    """Connections kept to the vendor at once."""
    throttle_wait_limit_seconds: float = 5.0
    """The longest Retry-After that is waited for, deadlines permitting."""

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        confidential = parts.scheme == "https" or (parts.scheme == "http" and _is_loopback(parts.hostname))
        if not confidential or not parts.hostname or parts.query or parts.fragment or parts.username is not None:
            raise Fault("a scheduling source's URL is https (http on loopback), without user, query or fragment")
        if not 1 <= self.batch_limit <= VENDOR_KEY_LIMIT:
            raise Fault(f"a scheduling source's look-ups carry 1 to {VENDOR_KEY_LIMIT} keys")


def _is_loopback(host: str | None) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host or "").is_loopback
    except ValueError:
        return False

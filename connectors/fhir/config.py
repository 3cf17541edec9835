"""What a FHIR source is, and how much of Portico's time and memory one answer of it may take."""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

from portico.records.errors import Fault
from portico.records.references import SourceName, Tenant

_KIBIBYTE: Final = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class FhirConfig:
    """One tenant's FHIR R4 server and the OAuth2 client that Portico is there.

    URLs are https, or http on the loopback interface. Raises `Fault` otherwise: credentials never travel in clear.
    """

    source: SourceName
    tenant: Tenant
    url: str
    """The server's base: `https://ehr.example/r4`."""
    token_url: str
    """Where the source gives access tokens for client credentials."""
    client_id: str
    """The name that Portico is registered by at the source."""
    client_secret: str = field(repr=False)
    """What proves it."""
    scope: str = "system/*.read"
    """What is asked for of the source, in SMART's words."""
    batch_limit: int = 200
    """Keys that one search may carry."""
    page_size: int = 1_000
    """Entries that a page of a look-up may hold; the server may give fewer."""
    page_limit: int = 50
    """Pages that one look-up or one page of a search may take."""
    absent_first: bool = False
    """Whether the server, ascending, puts patients without a birth date before all others. If so, a list by birth date
    goes on from a date without being walked from its beginning."""
    hint_limit: int = 20_000
    """Rows of lists of which this process remembers on which of the server's pages they were."""
    scan_page_limit: int = 20_000
    """Pages that a scan of all people or relations may take."""
    body_limit_bytes: int = 16 * _KIBIBYTE * _KIBIBYTE
    """The most that one answer may weigh."""
    connection_limit: int = 20
    """Connections kept to the source at once."""
    throttle_wait_limit_seconds: float = 5.0
    """The longest Retry-After that is waited for, deadlines permitting."""

    def __post_init__(self) -> None:
        for url in (self.url, self.token_url):
            parts = urlsplit(url)
            confidential = parts.scheme == "https" or (parts.scheme == "http" and _loopback(parts.hostname))
            if not confidential or not parts.hostname or parts.query or parts.fragment or parts.username is not None:
                raise Fault("a FHIR source's URL is https (http on loopback), without user, query or fragment")


def _loopback(host: str | None) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host or "").is_loopback
    except ValueError:
        return False

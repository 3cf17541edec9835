"""What a billing connector has to be told."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from ipaddress import ip_address

from portico.records.references import SourceName, Tenant


@dataclass(frozen=True, slots=True, kw_only=True)
class BillingConfig:
    """One tenant's billing database, the login for it, and the limits on what is taken from it."""

    source: SourceName
    tenant: Tenant
    host: str
    """Name or address of the database server, or the folder of its Unix socket."""
    port: int
    """Port that it listens on."""
    database: str
    """The database's name."""
    user: str
    """A role that can only read."""
    password: str = field(repr=False)
    """The role's password."""
    ca: str | None = None
    """Certificates of the authorities that may vouch for the server's, as PEM; None: the system's."""
    timezone: str = "UTC"
    """The IANA zone of the calendar days that the system notes."""
    pool_size: int = 4
    """Connections kept to the database at once."""
    connect_timeout_seconds: float = 3.0
    """The longest that a new connection may take."""
    statement_timeout_seconds: float = 10.0
    """The server gives up a statement after this, even where nobody is left to cancel it at the deadline."""
    batch_limit: int = 500
    """Keys that one statement may carry."""
    row_limit: int = 20_000
    """The most rows that one answer may have: 40 claims for each key of a full batch."""
    answer_limit_bytes: int = 32 * 1024 * 1024
    """The most that one answer may weigh, its cells counted as they lie in memory."""
    scan_page_rows: int = 1000
    """Rows that a scan of all subscribers takes at a time."""

    def tls(self) -> ssl.SSLContext | bool:
        """How the connection is secured: certificate and host name verified, except within this machine."""
        return False if self._is_local() else ssl.create_default_context(cadata=self.ca)

    def _is_local(self) -> bool:
        if self.host.startswith("/") or self.host == "localhost":
            return True
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return False

"""The demo's tenants file: two clinic groups, each with its three simulated sources."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

TITLES: Final[Mapping[str, str]] = {"riverbend": "Riverbend Clinics", "harbor": "Harbor Clinics"}
"""The tenants, the main one first."""

_TENANT: Final = """\
[tenants.{tenant}]
name = "{title}"
time_zone = "America/Chicago"

[tenants.{tenant}.sources.ehr]
kind = "fhir"
url = "{ehr}/{tenant}/fhir"
token_url = "{ehr}/{tenant}/oauth/token"
client_id = "portico"
client_secret_file = "secrets/{tenant}-ehr"

[tenants.{tenant}.sources.scheduling]
kind = "scheduling"
requests_per_second = 9
url = "{scheduling}/{tenant}/v2"
api_key_file = "secrets/{tenant}-scheduling"

[tenants.{tenant}.sources.billing]
kind = "billing"
host = "127.0.0.1"
port = {billing}
database = "billing_{tenant}"
user = "billing_{tenant}_reader"
password_file = "secrets/{tenant}-billing"

[tenants.{tenant}.alerts]
url = "{alerts}/{tenant}/alerts"
key_file = "secrets/{tenant}-alerts"
allowed_networks = ["127.0.0.0/8"]

# Whoever tries the demo is a persona for as long as they like: much that they are shown is told, and slows nobody.
[tenants.{tenant}.watch]
brake_minutes = 0
"""


def tenants_file(*, ehr: str, scheduling: str, billing: Mapping[str, int], alerts: str) -> str:
    """The file's text, for the sources' and the alerts' base URLs and the billing databases' ports by tenant."""
    return "\n".join(
        _TENANT.format(
            tenant=tenant, title=title, ehr=ehr, scheduling=scheduling, billing=billing[tenant], alerts=alerts
        )
        for tenant, title in TITLES.items()
    )

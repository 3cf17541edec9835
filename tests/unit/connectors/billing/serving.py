"""Who may log in to the billing systems of these tests."""

from __future__ import annotations

from typing import Final, Protocol

from connectors.billing import BillingConnector
from sandbox.billing.accounts import Account
from tests.contract.small_population import TENANT

OTHER_TENANT: Final = "birch"
ACCOUNTS: Final = {
    TENANT: Account(tenant=TENANT, database="billing_alder", user="reader_alder", password="pass-alder"),
    OTHER_TENANT: Account(tenant=OTHER_TENANT, database="billing_birch", user="reader_birch", password="pass-birch"),
}


class Connect(Protocol):
    """Makes a connector to the first tenant's billing system, with changes to its configuration."""

    def __call__(self, **changes: object) -> BillingConnector: ...

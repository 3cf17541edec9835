"""A legacy billing system: PostgreSQL through asyncpg, its own schema, codes and member numbers. Claims and money."""

from connectors.billing.config import BillingConfig
from connectors.billing.connector import BillingConnector
from connectors.billing.mapping import BillingMapping

__all__ = ["BillingConfig", "BillingConnector", "BillingMapping"]

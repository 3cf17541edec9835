"""The reference implementation of the connector contract: a source that is held in memory."""

from connectors.memory.connector import MemoryConnector
from connectors.memory.unruly import UnrulyConnector

__all__ = ["MemoryConnector", "UnrulyConnector"]

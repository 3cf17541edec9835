"""The engines, for every test of the policies."""

from tests.policy.engines import embedded, engine, server

__all__ = ["embedded", "engine", "server"]

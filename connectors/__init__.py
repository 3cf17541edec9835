"""Connectors: one package per kind of source system, behind the one contract in `base`."""

"""Portico: one guarded graph over the systems a clinic already runs."""

from typing import Final

VERSION: Final = "0.1.0"
"""The same as pyproject.toml says."""

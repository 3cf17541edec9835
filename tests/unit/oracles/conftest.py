"""The house, for every test of a module."""

from tests.house import house, whole_again

__all__ = ["house", "whole_again"]

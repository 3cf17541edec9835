"""Portico: one guarded graph over the systems a clinic already runs."""

"""Portico's own Postgres: who is whom in which source, and who stands in which relationship to whom."""

"""Alerts on their way out: signed, to the one receiver that a tenant named, again and again until it acknowledges."""

"""A simulated scheduling vendor: a REST API in a dialect of its own. Its surface is told in `server.py`."""

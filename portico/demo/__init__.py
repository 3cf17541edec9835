"""The whole of Portico on one machine: PostgreSQL, the simulated sources, the identity provider and the server.

Synthetic people only. Nothing outside this package knows of it but the command line.
"""

"""Simulated source systems: their real protocols over real sockets, with a synthetic population and faults on command.

Used by the demo, the tests and the benchmarks; imported by none of the rooms that serve.
"""

"""CLEAN-LOGS: nothing of a record, a token, a secret or an argument anywhere but in the client's own reply."""

from __future__ import annotations

from collections.abc import Mapping

from tests.oracles.leak import Needles


def told(traces: Mapping[str, bytes], needles: Needles) -> dict[str, set[str]]:
    """What each trace (a log, a metric, a row, a file) tells, by the trace's name: empty if all keep quiet."""
    return {name: found for name, trace in traces.items() if (found := needles.leaked_in(trace))}

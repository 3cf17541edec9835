"""`python -m benchmarks.profiled OUT`: `portico serve` under a profiler that begins with SIGUSR1.

What happens before the first request is thereby left out.
"""

from __future__ import annotations

import cProfile
import signal
import sys
from pathlib import Path

from portico.__main__ import main


def profiled(out: Path) -> None:
    """Serve until terminated, then write the profile."""
    profile = cProfile.Profile()
    signal.signal(signal.SIGUSR1, lambda *_: profile.enable())
    try:
        main()
    finally:
        profile.disable()
        profile.dump_stats(out)


if __name__ == "__main__":
    sys.argv, file = ["portico", "serve"], Path(sys.argv[1])
    profiled(file)

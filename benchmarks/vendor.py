"""`python -m benchmarks.vendor`: the simulated scheduling vendor without its rate limit.

Ten requests a second would measure the limit. It prints where it listens, as the sandbox's processes do.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

from sandbox.control import Control
from sandbox.population import storage
from sandbox.scheduling.server import MODES, build
from sandbox.serving import serve

UNLIMITED: Final = 1_000_000.0


def main(secrets: Path, populations: list[Path]) -> None:
    """Serve these populations until terminated."""
    loaded = {one.tenant: one for one in map(storage.load, populations)}
    keys = {tenant: (secrets / f"{tenant}-scheduling").read_text().strip() for tenant in loaded}
    serve(
        lambda _: build(loaded, Control("scheduling", MODES), keys=keys, requests_per_second=UNLIMITED),
        port=0,
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]), [Path(one) for one in sys.argv[2:]])

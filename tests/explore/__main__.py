"""`make explore`: as many histories as FTOPS_EXPLORE_HISTORIES says, from the seed FTOPS_EXPLORE_SEED on.

With `http` as its argument, over HTTP against emulators.
"""

from __future__ import annotations

import os
import sys
from concurrent.futures import ProcessPoolExecutor, as_completed

from tests.explore.emulated import emulated
from tests.explore.explorer import Found, explore

_BATCH = 500
"""Histories of one seed."""
_BATCH_OVER_HTTP = 50


def explore_over_http(seed: int, histories: int) -> Found:
    """As `explore`, with emulators of its own."""
    with emulated() as machine:
        return explore(seed, histories, machine)


def main() -> int:
    """0 if everything held."""
    histories = int(os.environ.get("FTOPS_EXPLORE_HISTORIES", "20000"))
    first = int(os.environ.get("FTOPS_EXPLORE_SEED", "1"))
    workers = int(os.environ.get("FTOPS_EXPLORE_WORKERS", str(os.cpu_count() or 1)))
    over_http = "http" in sys.argv[1:]
    make, batch = (explore_over_http, _BATCH_OVER_HTTP) if over_http else (explore, _BATCH)
    seeds = range(first, first + -(-histories // batch))
    done: list[Found] = []
    with ProcessPoolExecutor(workers) as pool:
        for future in as_completed([pool.submit(make, seed, min(batch, histories)) for seed in seeds]):
            found = future.result()
            done.append(found)
            if found.counterexample:
                pool.shutdown(cancel_futures=True)
                break
            print(f"seed {found.seed}: {_said([found])}", flush=True)
    print(f"seeds {seeds[0]} to {seeds[-1]}: {_said(done)}")
    for found in done:
        if found.counterexample:
            print(f"seed {found.seed}:{found.counterexample}", file=sys.stderr)
    return int(any(found.counterexample for found in done))


def _said(done: list[Found]) -> str:
    histories, commands = sum(f.histories for f in done), sum(f.commands for f in done)
    return f"{histories} histories, {commands} commands, {sum(f.seconds for f in done):.0f} s of work"


if __name__ == "__main__":
    sys.exit(main())

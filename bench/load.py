"""Stages of a run: the cost of each per resource, and whether it stays constant for larger specs.

python -m bench.load [--sizes 99,999,9999] [--form written] [--check]
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from bench.chains import write_ftops
from ftops.applying.run import Settings
from ftops.config import loader
from ftops.config.config import Config
from ftops.config.data_files import with_data
from ftops.config.graph import build
from ftops.planning.plan import Plan
from ftops.planning.planner import plan
from ftops.planning.refresh import Reader, refresh
from ftops.providers import Providers
from ftops.session import session as sessions
from ftops.session.apply import apply_plan
from ftops.state.backends.local import LocalStore
from ftops.state.entries import Entry, Recorded
from ftops.state.state import Observed, State

T = TypeVar("T")

SIZES = (99, 999, 9_999)
GROWTH = 3.0
"""A stage is linear if the cost per resource grows at most by this factor in a spec of ten times the size."""
BATCH = 10
"""Journal entries per sync: as many as run at once."""


@dataclass
class Stages:
    """Minimum time of each stage, in seconds."""

    runs: int
    seconds: dict[str, float] = field(default_factory=dict)

    def time(self, stage: str, work: Callable[[], T], runs: int | None = None) -> T:
        """The result of the last run."""
        for _ in range(runs or self.runs):
            started = time.perf_counter()
            result = work()
            taken = time.perf_counter() - started
            self.seconds[stage] = min(taken, self.seconds.get(stage, taken))
        return result


def measure(folder: Path, runs: int) -> dict[str, float]:
    """Runs every stage of plan, apply and plan with one spec."""
    stages = Stages(runs)
    read = stages.time("load the spec", lambda: loader.load(folder, environ={}))
    config, _ = stages.time("inspect the data", lambda: with_data(read, str))
    graph = stages.time("build the graph", lambda: build(config))
    nothing = State("bench")
    stages.time("plan everything anew", lambda: plan(config, graph, nothing, Observed(False)))
    state = stages.time("apply", lambda: _apply(config), 1)
    _measure_store(stages, config, state)
    providers = Providers(config.providers, config.project)
    observed = stages.time("refresh", lambda: refresh(state, Reader(providers)))
    unchanged = stages.time("plan nothing", lambda: plan(config, graph, state, observed))
    _check(unchanged)
    return stages.seconds


def _apply(config: Config) -> State:
    with sessions.Session.open(config) as session, session.locked("apply"):
        made = session.plan()
        return apply_plan(session, made, Settings(), lambda event: None).state


def _measure_store(stages: Stages, config: Config, state: State) -> None:
    store = LocalStore(config.project / config.state.path, config.name, config.environment)
    stages.time("open the state", lambda: store.read())
    stages.time("write the snapshot", lambda: store.write_snapshot(state))
    entries = [Recorded(resource) for resource in state.resources.values()]
    stages.time("journal", lambda: _journal(store, state, entries), 1)
    stages.time("recover from the journal", lambda: store.read())
    store.journal_path.unlink()


def _journal(store: LocalStore, state: State, entries: Sequence[Entry]) -> None:
    journal = store.open_journal(state)
    for batch in _batches(entries):
        journal.append(batch)
        journal.sync()
    journal.close()


def _batches(entries: Sequence[Entry]) -> Iterable[Sequence[Entry]]:
    return (entries[start : start + BATCH] for start in range(0, len(entries), BATCH))


def _check(unchanged: Plan) -> None:
    if unchanged.changes:
        raise SystemExit(f"after an apply, the plan has {len(unchanged.changes)} changes; it must have none")


def _draw(sizes: Sequence[int], times: Sequence[dict[str, float]]) -> tuple[str, bool]:
    """The table, and whether every stage is linear."""
    head = "".join(f"{size:>12,}" for size in sizes)
    lines = [f"{'µs per resource':26}{head}   growth"]
    linear = True
    for stage in times[0]:
        each = [taken[stage] / size * 1e6 for size, taken in zip(sizes, times, strict=True)]
        # At the smallest size, most of the time doesn't depend on the size.
        growth = each[-1] / each[-2] if len(each) > 1 else 1.0
        linear = linear and growth <= GROWTH
        mark = "" if growth <= GROWTH else "   NOT LINEAR"
        lines.append(f"{stage:26}{''.join(f'{e:12.1f}' for e in each)} {growth:6.1f} ×{mark}")
    totals = "".join(f"{sum(taken.values()):10.2f} s" for taken in times)
    return "\n".join([*lines, f"{'all of them':26}{totals}"]), linear


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="bench.load")
    parser.add_argument("--sizes", default=",".join(map(str, SIZES)), help="multiples of 3, ascending")
    parser.add_argument("--form", default="written", choices=("written", "each"))
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--check", action="store_true", help="exit with 1 if a stage isn't linear")
    chosen = parser.parse_args(arguments)
    sizes = [int(size) for size in chosen.sizes.split(",")]
    times = []
    with tempfile.TemporaryDirectory(prefix="bench-") as root:
        for size in sizes:
            folder = Path(root) / f"spec-{size}"
            write_ftops(folder, chosen.form, size)
            times.append(measure(folder, chosen.runs))
    table, linear = _draw(sizes, times)
    print(table)
    return 1 if chosen.check and not linear else 0


if __name__ == "__main__":
    sys.exit(main())

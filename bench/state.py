"""States: the time to open one, and the cost of recording a change, by number of resources.

python -m bench.state [--sizes 100,1000,10000] [--runs 5] [--check]

Records and syncs changes of a state of each size, in a local folder and in a bucket in memory, with and
without encryption. The cost must not depend on the size: the last column is the growth. Opening is compared
with reading JSON of the same size.
"""

from __future__ import annotations

import argparse
import gc
import json
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

from ftops.core.address import Address, Value
from ftops.core.backend_types import BACKEND_TYPES
from ftops.state.backends.base import LockInfo, Store
from ftops.state.backends.bucket import BucketStore
from ftops.state.backends.bucket_lock import Pace
from ftops.state.backends.bucket_services import ObjectBucket
from ftops.state.backends.local import LocalStore
from ftops.state.encryption import Keys, key_of
from ftops.state.entries import Recorded
from ftops.state.file_format import PLAIN, StateCodec, snapshot_text
from ftops.state.state import ResourceState, State, Status

SIZES = (100, 1_000, 10_000)
CHANGES = 200
"""Number of changes that are recorded and synced one by one for each figure."""
GROWTH = 2.0
"""A change costs O(1) if its cost grows at most by this factor in a state of a hundred times the size."""
OPENS_IN = 0.3
"""Target: seconds for 10,000 resources."""


def resource(number: int) -> ResourceState:
    """A job with all of its fields."""
    inputs: dict[str, Value] = {
        "model": "gpt-4o-mini-2024-07-18",
        "method": "supervised",
        "training": f"file-{number:032x}",
        "hyperparameters": {"n_epochs": 3, "batch_size": 8, "learning_rate_multiplier": 0.5},
        "seed": 105,
        "suffix": "copilot",
        "training_type": "standard",
    }
    return ResourceState(
        Address("job", "copilot", f"{number:06}"),
        "azure",
        f"ftjob-{number:032x}",
        Status.READY,
        inputs=inputs,
        outputs={"id": f"ftjob-{number:032x}", "fine_tuned_model": f"m.ft-{number:032x}", "status": "ok"},
        identities={"training": f"sha256:{number:064x}"},
        dependencies=(Address("dataset", "train", f"{number:06}"),),
        fingerprint=f"{number:064x}",
        token=f"{number:016x}",
    )


def state_of(size: int) -> State:
    resources = [resource(number) for number in range(size)]
    return State("lineage", size, {r.address: r for r in resources})


def stores(folder: Path) -> dict[str, Store]:
    from obstore.store import MemoryStore

    sealed = StateCodec(Keys(key_of("11" * 32, "the key")))

    def bucket(form: StateCodec) -> BucketStore:
        made = ObjectBucket(MemoryStore(), "memory://bucket", "state", BACKEND_TYPES["s3"])
        return BucketStore(made, "bench", "default", form, pace=Pace(tick=0))

    return {
        "local": LocalStore(folder / "plain", "bench", "default"),
        "local, encrypted": LocalStore(folder / "sealed", "bench", "default", sealed),
        "bucket": bucket(PLAIN),
        "bucket, encrypted": bucket(sealed),
    }


def least(function: Callable[[], object], runs: int) -> float:
    times = []
    for _ in range(runs):
        started = time.perf_counter()
        function()
        times.append(time.perf_counter() - started)
    return min(times)


def change_cost(store: Store, state: State) -> float:
    """Seconds for one recorded and synced change: the lowest decile of many."""
    journal = store.open_journal(state)
    times = []
    for number in range(CHANGES):
        started = time.perf_counter()
        journal.append([Recorded(resource(number))])
        journal.sync()
        times.append(time.perf_counter() - started)
    journal.close()
    return sorted(times)[CHANGES // 10]


def measure(size: int, runs: int) -> dict[str, tuple[float, float]]:
    """For each kind of store: seconds to open a state of that size, and to record one change."""
    state = state_of(size)
    found: dict[str, tuple[float, float]] = {}
    with tempfile.TemporaryDirectory(prefix="bench-") as root, ExitStack() as stack:
        for name, store in stores(Path(root)).items():
            stack.enter_context(store.lock(LockInfo("bench", "", "", 0, "bench", "")))
            store.write(state)
            found[name] = (least(store.read, runs), change_cost(store, state))
    text = snapshot_text(state, "bench", "default")
    found["json.loads alone"] = (least(lambda: json.loads(text), runs), 0.0)
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="bench.state")
    parser.add_argument("--sizes", default=",".join(map(str, SIZES)), help="ascending")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--check", action="store_true", help="exit with 1 if a target is missed")
    chosen = parser.parse_args(arguments)
    sizes = [int(size) for size in chosen.sizes.split(",")]
    gc.set_threshold(100_000, 20, 20)  # as ftops itself does
    found = {size: measure(size, chosen.runs) for size in sizes}
    kept = True
    print(f"{'open, ms':24}" + "".join(f"{size:>12,}" for size in sizes))
    for name in found[sizes[0]]:
        print(f"{name:24}" + "".join(f"{found[size][name][0] * 1e3:12.1f}" for size in sizes))
    print(f"\n{'one change, µs':24}" + "".join(f"{size:>12,}" for size in sizes) + "    growth")
    for name in [name for name in found[sizes[0]] if found[sizes[0]][name][1]]:
        costs = [found[size][name][1] for size in sizes]
        growth = costs[-1] / costs[0]
        kept = kept and growth <= GROWTH
        print(f"{name:24}" + "".join(f"{cost * 1e6:12.0f}" for cost in costs) + f"{growth:8.1f} ×")
    slowest = max((found[size]["local"][0] for size in sizes if size <= 10_000), default=0.0)
    kept = kept and slowest <= OPENS_IN
    print(f"\n{'met' if kept else 'MISSED'}: opens in under {OPENS_IN} s, and a change costs O(1)")
    return 1 if chosen.check and not kept else 0


if __name__ == "__main__":
    sys.exit(main())

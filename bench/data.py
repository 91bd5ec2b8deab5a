"""Data checks: speed and memory of a plain script, orjson alone (which checks nothing), ftops in one process,
and ftops on all processors.

python -m bench.data [--sizes 10 100 512] [--turns 2] [--check]
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path

TIMES_PLAIN = 4.0
"""Target: speed relative to the plain script."""
OF_ORJSON = 150 / 800
"""Target: speed on one processor relative to orjson alone, 150 MB/s if that reaches 800."""
MEGABYTES = 300.0
"""Target: maximum memory of all processes, for files of any size."""
UNCHANGED = 0.005
"""Target: seconds for a known, unchanged file."""
LARGE = 50_000_000
"""File size in bytes from which the startup of Python and numpy doesn't matter."""
MARGIN = 1_000_000
"""Bytes below 512 MB, because a file of that size is refused."""
PROGRAMS = {
    "plain script": "from bench.plain_check import check; check(path)",
    "orjson alone": "import orjson\nwith path.open('rb') as stream:\n for line in stream: orjson.loads(line)",
    "ftops, one process": "from ftops.dataset import inspect; inspect(path, processes=1)",
    "ftops, all cores": "from ftops.dataset import inspect; inspect(path)",
}
_SYSTEM = "You are the assistant of Acme. Answer in a few sentences, and say so where you don't know."


def lines(size: int, turns: int, seed: int = 5) -> Iterator[bytes]:
    """Generates `size` bytes of conversations, with word frequencies as in English."""
    rng = random.Random(seed)
    letters, weights = (
        "etaoinshrdlucmfwypvbgkjqxz",
        [12, 9, 8, 8, 7, 7, 6, 6, 6, 4, 4, 3, 3, 2, 2, 2, 2, 2, 1],
    )
    weights += [1] * (26 - len(weights))
    words = ["".join(rng.choices(letters, weights, k=rng.randint(2, 10))) for _ in range(5000)]
    made = 0
    while made < size:
        rows = [{"role": "system", "content": _SYSTEM}]
        for _ in range(rng.randint(1, 2 * turns - 1)):
            for role, least, most in (("user", 8, 60), ("assistant", 20, 160)):
                text = " ".join(rng.choices(words, k=rng.randint(least, most))).capitalize()
                rows.append({"role": role, "content": f"{text}."})
        line = json.dumps({"messages": rows}).encode() + b"\n"
        made += len(line)
        yield line


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="bench.data")
    parser.add_argument("--sizes", type=int, nargs="+", default=[10, 100, 512], help="megabytes")
    parser.add_argument(
        "--turns", type=int, default=2, help="average number of questions and answers per example"
    )
    parser.add_argument("--check", action="store_true", help="exit with 1 if a target is missed")
    chosen = parser.parse_args(arguments)
    if find_spec("orjson") is None:
        print(
            "SKIPPED: orjson is not installed (pip install orjson), nothing to compare with", file=sys.stderr
        )
        return 0
    missed: list[str] = []
    with tempfile.TemporaryDirectory(prefix="bench-") as root:
        for megabytes in chosen.sizes:
            path = Path(root) / "data.jsonl"
            with path.open("wb") as stream:
                stream.writelines(lines(megabytes * 1_000_000 - MARGIN, chosen.turns))
            missed += _compare(path)
        missed += _unchanged(path)
    print("\n".join(["", *(f"MISSED: {one}" for one in missed)]) if missed else "\nAll targets are met.")
    return int(chosen.check and bool(missed))


def _compare(path: Path) -> Iterator[str]:
    """Prints a table; yields the missed targets."""
    size = path.stat().st_size
    with path.open("rb") as stream:
        count = sum(1 for _ in stream)
    print(f"\n{size / 1e6:,.0f} MB, {count:,} examples of {size // count:,} bytes on average")
    print(
        f"{'':22}{'seconds':>9}{'CPU':>9}{'MB/s':>9}{'MB/s CPU':>10}{'x plain':>9}{'x orjson':>10}{'MB':>7}"
    )
    times: dict[str, tuple[float, float]] = {}
    most = 0.0
    for name, program in PROGRAMS.items():
        seconds, cpu, memory = _run(program, path)
        times[name] = (seconds, cpu)
        to_plain = times["plain script"][0] / seconds
        to_alone = times.get("orjson alone", (seconds, 0))[0] / seconds
        row = f"{name:22}{seconds:9.2f}{cpu:9.2f}{size / seconds / 1e6:9.0f}{size / cpu / 1e6:10.0f}"
        print(f"{row}{to_plain:9.2f}{to_alone:10.2f}{memory:7.0f}")
        most = max(most, memory) if name.startswith("ftops") else most
    ours, plain, alone = (times[n] for n in ("ftops, one process", "plain script", "orjson alone"))
    size_shown = f"{size / 1e6:,.0f} MB"
    if plain[0] / ours[0] < TIMES_PLAIN:
        yield f"{size_shown}: {plain[0] / ours[0]:.1f} times the plain script, not {TIMES_PLAIN:g}"
    if size > LARGE and alone[0] / ours[1] < OF_ORJSON:
        yield f"{size_shown}: {alone[0] / ours[1]:.2f} of orjson on one processor, not {OF_ORJSON:.2f}"
    if most > MEGABYTES:
        yield f"{size_shown}: {most:.0f} MB of memory, more than {MEGABYTES:g}"


def _run(program: str, path: Path) -> tuple[float, float, float]:
    """Seconds, processor seconds and megabytes of memory, including the startup of Python."""
    code = (
        f"from pathlib import Path\nimport resource, sys\npath = Path({str(path)!r})\n{program}\n" + _REPORT
    )
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    seconds = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return seconds, cpu, float(done.stdout.split()[-1]) / 1024


_REPORT = """
own, others = (resource.getrusage(w).ru_maxrss for w in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
print(own + 2 * others)
"""


def _unchanged(path: Path) -> Iterator[str]:
    """Measures a known, unchanged file."""
    from ftops.dataset import Cache, inspect

    os.utime(path, (0, 0))
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        ahead = time.time_ns() + 10**12
        with Cache(Path(folder), clock=lambda: ahead) as cache:
            inspect(path, cache=cache)
        best = min(_look(path, Path(folder)) for _ in range(10))
    print(f"\nunchanged: {best * 1000:.2f} ms")
    if best > UNCHANGED:
        yield f"an unchanged file takes {best * 1000:.1f} ms"


def _look(path: Path, folder: Path) -> float:
    from ftops.dataset import Cache, inspect

    start = time.perf_counter()
    with Cache(folder) as cache:
        inspect(path, cache=cache)
    return time.perf_counter() - start


if __name__ == "__main__":
    raise SystemExit(main())

"""Data checks: speed and memory of a plain script, orjson alone (which checks nothing), ftops in one process,
and ftops on all processors; and the time of a report compared with a check.

python -m bench.data [--sizes 10 100 512] [--turns 2] [--rounds 3] [--check]
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from itertools import accumulate
from pathlib import Path
from typing import Any, NamedTuple

TIMES_PLAIN = 4.0
"""Target: speed relative to the plain script."""
OF_ORJSON = 150 / 800
"""Target: speed on one processor relative to orjson alone, 150 MB/s if that reaches 800."""
MEGABYTES = 300.0
"""Target: maximum memory of all processes, for files of any size."""
REPORT = 3.0
"""Target: time of `data report` relative to `data check`, for files of 50 MB."""
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
    """Generates `size` bytes of conversations, of words that look like English."""
    rng = random.Random(seed)
    words = _words(rng, 5000)
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


def long_tailed(size: int, seed: int = 7) -> Iterator[bytes]:
    """Generates `size` bytes of conversations with functions. Lengths, turns and the frequency of words have
    long tails, as those of real data."""
    rng = random.Random(seed)
    words = _words(rng, 30_000)
    total = [*accumulate(1 / (rank + 2) for rank in range(len(words)))]

    def text(median: float, spread: float = 1.0) -> str:
        count = max(1, int(median * rng.lognormvariate(0, spread)))
        return f"{' '.join(rng.choices(words, cum_weights=total, k=count)).capitalize()}."

    def function(name: str) -> dict[str, Any]:
        kinds = rng.choices(["string", "integer"], k=rng.randint(1, 4))
        properties = {f"{name}_{i}": {"type": kind, "description": text(8)} for i, kind in enumerate(kinds)}
        schema = {"type": "object", "properties": properties}
        return {"type": "function", "function": {"name": name, "description": text(15), "parameters": schema}}

    def turn(tools: Sequence[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        yield {"role": "user", "content": text(20)}
        if rng.random() < 0.5:
            chosen = rng.choice(tools)["function"]
            properties = chosen["parameters"]["properties"].items()
            given = {k: text(2) if v["type"] == "string" else rng.randrange(1000) for k, v in properties}
            called = {"name": chosen["name"], "arguments": json.dumps(given)}
            id = f"call_{rng.randrange(10**9)}"
            yield {"role": "assistant", "tool_calls": [{"id": id, "type": "function", "function": called}]}
            yield {"role": "tool", "tool_call_id": id, "content": json.dumps({"result": text(20)})}
        yield {"role": "assistant", "content": text(33, 1.1)}

    functions = [function(f"function_{n}") for n in range(12)]
    made = 0
    while made < size:
        tools = functions[: rng.choice([3, 6, 12])]
        turns = max(1, int(rng.lognormvariate(0.7, 0.8)))
        rows = [{"role": "system", "content": _SYSTEM}, *(m for _ in range(turns) for m in turn(tools))]
        line = json.dumps({"messages": rows, "tools": tools}).encode() + b"\n"
        made += len(line)
        yield line


def _words(rng: random.Random, count: int) -> list[str]:
    letters, weights = (
        "etaoinshrdlucmfwypvbgkjqxz",
        [12, 9, 8, 8, 7, 7, 6, 6, 6, 4, 4, 3, 3, 2, 2, 2, 2, 2, 1],
    )
    weights += [1] * (26 - len(weights))
    return ["".join(rng.choices(letters, weights, k=rng.randint(2, 10))) for _ in range(count)]


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="bench.data")
    parser.add_argument("--sizes", type=int, nargs="+", default=[10, 100, 512], help="megabytes")
    parser.add_argument(
        "--turns", type=int, default=2, help="average number of questions and answers per example"
    )
    parser.add_argument("--rounds", type=int, default=3, help="number of alternating runs; the least counts")
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
            missed += _compare(path, chosen.rounds)
        missed += _unchanged(path)
        print(f"\n{'50 MB':22}{'check':>9}{'CPU':>9}{'report':>9}{'CPU':>9}{'times':>9}{'CPU':>9}{'MB':>7}")
        for name, made in (("plain", lines(50_000_000, 2)), ("long-tailed", long_tailed(50_000_000))):
            with path.open("wb") as stream:
                stream.writelines(made)
            missed += _report(name, path, chosen.rounds)
    print("\n".join(["", *(f"MISSED: {one}" for one in missed)]) if missed else "\nAll targets are met.")
    return int(chosen.check and bool(missed))


def _compare(path: Path, rounds: int) -> Iterator[str]:
    """Prints a table; yields the missed targets."""
    size = path.stat().st_size
    with path.open("rb") as stream:
        count = sum(1 for _ in stream)
    print(f"\n{size / 1e6:,.0f} MB, {count:,} examples of {size // count:,} bytes on average")
    print(
        f"{'':22}{'seconds':>9}{'CPU':>9}{'MB/s':>9}{'MB/s CPU':>10}{'x plain':>9}{'x orjson':>10}{'MB':>7}"
    )
    runs = {name: [_python(program, path)] for name, program in PROGRAMS.items()}
    for _ in range(rounds - 1):
        for name, program in PROGRAMS.items():
            runs[name].append(_python(program, path))
    best = {name: _least(of_one) for name, of_one in runs.items()}
    plain, alone = best["plain script"], best["orjson alone"]
    for name, (seconds, cpu, memory) in best.items():
        row = f"{name:22}{seconds:9.2f}{cpu:9.2f}{size / seconds / 1e6:9.0f}{size / cpu / 1e6:10.0f}"
        print(f"{row}{plain.cpu / cpu:9.2f}{alone.cpu / cpu:10.2f}{memory:7.0f}")
    ours = best["ftops, one process"].cpu
    size_shown = f"{size / 1e6:,.0f} MB"
    if plain.cpu / ours < TIMES_PLAIN:
        yield f"{size_shown}: {plain.cpu / ours:.1f} times the plain script, not {TIMES_PLAIN:g}"
    if size > LARGE and alone.cpu / ours < OF_ORJSON:
        yield f"{size_shown}: {alone.cpu / ours:.2f} of orjson on one processor, not {OF_ORJSON:.2f}"
    most = max(run.memory for name, run in best.items() if name.startswith("ftops"))
    if most > MEGABYTES:
        yield f"{size_shown}: {most:.0f} MB of memory, more than {MEGABYTES:g}"


def _report(name: str, path: Path, rounds: int) -> Iterator[str]:
    """Compares a report with a check, both as commands and with nothing cached."""
    page = path.with_name("report.html")
    checks, reports = [], []
    for _ in range(rounds):
        checks.append(_run(["-m", "ftops", "data", "check", str(path)]))
        reports.append(_run(["-m", "ftops", "data", "report", str(path), "--out", str(page), "--force"]))
    check, report = _least(checks), _least(reports)
    times = report.cpu / check.cpu
    row = f"{name:22}{check.seconds:9.2f}{check.cpu:9.2f}{report.seconds:9.2f}{report.cpu:9.2f}"
    print(f"{row}{report.seconds / check.seconds:9.2f}{times:9.2f}{report.memory:7.0f}")
    if times > REPORT:
        yield f"{name}: a report takes {times:.1f} times the time of a check, more than {REPORT:g}"


class Run(NamedTuple):
    """One run, or the least of several, including the startup of Python."""

    seconds: float
    cpu: float
    """Processor seconds of all processes, user and system."""
    memory: float
    """Megabytes of the largest process; of a program in Python, all processes."""


def _least(runs: Sequence[Run]) -> Run:
    return Run(*(min(values) for values in zip(*runs, strict=True)))


def _python(program: str, path: Path) -> Run:
    code = (
        f"from pathlib import Path\nimport resource, sys\npath = Path({str(path)!r})\n{program}\n" + _REPORT
    )
    return _run(["-c", code])


def _run(arguments: Sequence[str]) -> Run:
    """Runs Python. The last word that it writes may be its memory in kilobytes."""
    with tempfile.TemporaryDirectory(prefix="bench-") as cache, tempfile.TemporaryFile() as output:
        environment = {**os.environ, "XDG_CACHE_HOME": cache, "NO_COLOR": "1"}
        start = time.perf_counter()
        child = subprocess.Popen([sys.executable, *arguments], stdout=output, env=environment)
        _, status, usage = os.wait4(child.pid, 0)
        seconds = time.perf_counter() - start
        child.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        said = output.read().decode().split()
    if child.returncode:
        raise SystemExit(f"FAILED: {' '.join(arguments)}: exit code {child.returncode}")
    memory = float(said[-1]) if arguments[0] == "-c" else usage.ru_maxrss
    return Run(seconds, usage.ru_utime + usage.ru_stime, memory / 1024)


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

"""HTTP: time of an unchanged plan against a local emulator, compared with `import openai`, and its latencies.

python -m bench.http [--runs 5] [--check]

The plan runs as a command of its own: it starts Python, imports the SDKs and reads every resource once.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from bench.asking import Admin
from bench.measure import OtherWork, child_environment, ftops_command, repeat, run
from bench.table import Target, draw_targets, draw_trust

SIZES = {5: 1.6, 200: 2.5}
"""Resources → at most this times the time of `import openai`."""
DELAY = 0.2
"""Seconds that the emulator waits before it answers, for the latencies."""
LATENCIES = 12
"""At most this many times the latency of one request, for 200 resources and 20 requests at a time."""
PARALLELISM = 20
_LIMITS = ("files", "deployments", "finetuned-deployments")
_ROW = '{{"messages": [{{"role": "user", "content": "{0} {1}"}}, {{"role": "assistant", "content": "a"}}]}}\n'


def write(folder: Path, size: int) -> None:
    """Half datasets, and jobs with their deployments; the limits of the catalogue are out of the way."""
    chains = size // 4
    data = [f"d{number:03}" for number in range(size - 2 * chains)]
    for name in data:
        rows = "".join(_ROW.format(name, row) for row in range(10))
        (folder / f"{name}.jsonl").write_text(rows, encoding="utf-8")
    job = (
        "  j{0:03}: {{model: gpt-4o-mini-2024-07-18, training: d{0:03}, hyperparameters: {{n_epochs: 1}}}}\n"
    )
    deployment = '  p{0:03}: {{model: "${{job.j{0:03}.fine_tuned_model}}"}}\n'
    spec = (
        "ftops: {name: http}\nproviders: {here: {type: emulator, data: cloud}}\n"
        + "datasets:\n"
        + "".join(f"  {name}: {{path: {name}.jsonl}}\n" for name in data)
        + "jobs:\n"
        + "".join(job.format(number) for number in range(chains))
        + "deployments:\n"
        + "".join(deployment.format(number) for number in range(chains))
    )
    (folder / "ftops.yaml").write_text(spec, encoding="utf-8")
    (folder / "ftops.catalog.yaml").write_text("limits: {files: 1000, deployments: 1000}\n", encoding="utf-8")


@contextmanager
def emulator(folder: Path) -> Iterator[Admin]:
    """A server with room for everything, until the block ends."""
    limits = [word for name in _LIMITS for word in (f"--{name}-limit", "1000")]
    command = [*ftops_command(), "emulator", "--data", str(folder / "cloud"), "--parent-pipe", *limits]
    server = subprocess.Popen(
        command, cwd=folder, env=child_environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        assert server.stdout is not None
        yield Admin(json.loads(server.stdout.readline()))
    finally:
        server.communicate()


def measure(folder: Path, size: int, runs: int) -> Iterator[Target]:
    """The targets for one size."""
    plan = [*ftops_command(), "plan", ".", "--parallelism", str(PARALLELISM), "--detailed-exitcode"]
    write(folder, size)
    with emulator(folder) as admin:
        run([*ftops_command(), "apply", ".", "-y"], folder)
        imported = repeat([sys.executable, "-c", "import openai"], runs, folder).seconds
        at_once = repeat(plan, runs, folder).seconds
        ratio = at_once / imported
        yield Target(
            f"unchanged plan of {size} over HTTP: at most {SIZES[size]} × `import openai`",
            f"{at_once:.2f} s, {ratio:.2f} ×",
            ratio <= SIZES[size],
        )
        if size == max(SIZES):
            admin.send("POST", "faults", {"match": "GET *", "delay": DELAY, "times": -1})
            latencies = (repeat(plan, runs, folder).seconds - at_once) / DELAY
            yield Target(
                f"refresh of {size}, {PARALLELISM} requests at a time: at most {LATENCIES} × one latency",
                f"{latencies:.1f} ×",
                latencies <= LATENCIES,
            )


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="bench.http", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--check", action="store_true", help="exit with 1 if a target is missed")
    options = parser.parse_args(arguments)
    others = OtherWork()
    with tempfile.TemporaryDirectory(prefix="bench-") as root:
        found: list[Target] = []
        for size in SIZES:
            folder = Path(root) / str(size)
            folder.mkdir()
            found += measure(folder, size, options.runs)
    print(draw_targets(found))
    print(draw_trust(others.processors()))
    return 1 if options.check and not all(target.met for target in found) else 0


if __name__ == "__main__":
    sys.exit(main())

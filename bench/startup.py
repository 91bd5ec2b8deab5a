"""Startup: time of short commands compared with an empty Python program, and the slowest imports.

python -m bench.startup [--runs 20] [--top 12]
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from bench.chains import write_ftops
from bench.measure import CommandFailed, Measurement, child_environment, ftops_command, repeat, run

RESOURCES = 9
DATA = "train.jsonl"
"""A copy of the quickstart's data outside a project, so that nothing is cached between runs."""
QUICKSTART = Path(__file__).parent.parent / "specs" / "quickstart"
_IMPORT = re.compile(r"import time:\s+(\d+) \|\s+(\d+) \| *(\S+)")

Case = tuple[str, tuple[str, ...]]
"""Title and arguments of ftops."""
CASES: tuple[Case, ...] = (
    ("ftops version", ("version",)),
    ("ftops --help", ("--help",)),
    (f"ftops plan, {RESOURCES} unchanged", ("plan", ".")),
    ("ftops data check, the quickstart", ("data", "check", str(QUICKSTART))),
    ("ftops data check, its file", ("data", "check", f"../{DATA}")),
)


class Import(NamedTuple):
    """The import of one module: microseconds without and with its own imports."""

    own: int
    total: int
    name: str


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="bench.startup")
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--top", type=int, default=12, help="imports to list")
    chosen = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="bench-") as root:
        folder = Path(root) / "nine"
        write_ftops(folder, "written", RESOURCES)
        shutil.copy(QUICKSTART / "data" / "train.generated" / "dataset.jsonl", Path(root) / DATA)
        try:
            run([*ftops_command(), "apply", ".", "-y"], folder)
            _print_times(folder, chosen.runs)
            for title, ftops in CASES:
                _print_imports(title, _imports(ftops, folder), chosen.top)
        except CommandFailed as error:
            print(f"FAILED: {error}", file=sys.stderr)
            return 1
    return 0


def _print_times(folder: Path, runs: int) -> None:
    empty = repeat([sys.executable, "-c", "pass"], runs, folder)
    print(_line("python -c pass", empty, empty))
    for title, arguments in CASES:
        print(_line(title, repeat([*ftops_command(), *arguments], runs, folder), empty))


def _line(title: str, measured: Measurement, empty: Measurement) -> str:
    more = (measured.seconds - empty.seconds) * 1e3
    times = measured.seconds / empty.seconds
    return f"{title:32} {measured.seconds * 1e3:7.1f} ms {times:6.1f} ×  {more:+7.1f} ms"


def _imports(arguments: Sequence[str], folder: Path) -> list[Import]:
    command = [sys.executable, "-X", "importtime", "-m", "ftops", *arguments]
    shown = subprocess.run(
        command, cwd=folder, env=child_environment(), capture_output=True, text=True, check=False
    )
    return list(_parse(shown.stderr))


def _parse(text: str) -> Iterator[Import]:
    for match in _IMPORT.finditer(text):
        yield Import(int(match[1]), int(match[2]), match[3])


def _print_imports(title: str, imports: Sequence[Import], top: int) -> None:
    """Prints the slowest imports. Measuring takes time itself, so only the order of the times matters."""
    ours = sum(1 for i in imports if i.name.startswith("ftops"))
    total = sum(i.own for i in imports) / 1e3
    print(
        f"\n{title}: {len(imports)} modules, {ours} of ftops, {total:.0f} ms; the slowest, by their own time:"
    )
    for slow in sorted(imports, reverse=True)[:top]:
        print(f"  {slow.own / 1e3:6.1f} ms  (with its imports {slow.total / 1e3:6.1f} ms)  {slow.name}")


if __name__ == "__main__":
    sys.exit(main())

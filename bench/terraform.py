"""Comparison with Terraform: time and peak memory of both tools on the same infrastructure, in one run.

    python -m bench.terraform [--sizes 9,99,999] [--forms written,each] [--quick] [--full]
                              [--full-terraform] [--json FILE] [--check]

All figures are from this run. Steps that weren't run are printed as "not run".
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from bench.chains import write_terraform_state
from bench.measure import CommandFailed, OtherWork, child_environment, ftops_command, machine, repeat, run
from bench.table import HEAD, Row, Target, draw_row, draw_targets, draw_trust, targets
from bench.tools import STEPS, Cells, Tool, cycles, ftops_tool, terraform_tool

FORMS = ("written", "each")
SIZES: tuple[int, ...] = (9, 99, 999)
FULL_SIZE = 9_999
LONG = 5_000
"""Number of resources from which Terraform's apply and destroy take half an hour or more."""


@dataclass
class Run:
    """What to measure and where, and the problems."""

    sizes: tuple[int, ...]
    forms: tuple[str, ...]
    cycles: int
    full_terraform: bool
    ftops: bool
    root: Path = Path()
    problems: list[str] = field(default_factory=list)


def compare(work: Run) -> Iterator[Row]:
    """Yields the rows of each size and form as soon as both tools are measured."""
    for size in work.sizes:
        for form in work.forms:
            theirs = _terraform_cells(work, form, size)
            ours = _cells(work, ftops_tool(), form, size) if work.ftops else {}
            for step in STEPS:
                yield Row(form, size, step, theirs.get(step), ours.get(step))


def _terraform_cells(work: Run, form: str, size: int) -> Cells:
    tool = terraform_tool()
    if size < LONG or work.full_terraform:
        return _cells(work, tool, form, size)
    return _long_cells(work, tool, size) if form == "written" else {}


def _cells(work: Run, tool: Tool, form: str, size: int) -> Cells:
    folder = work.root / f"{tool.name}-{form}-{size}"
    tool.write(folder, form, size)
    _progress(f"{tool.name}, {form}, {size:,} resources")
    try:
        run(tool.prepare, folder)
        return cycles(tool, folder, work.cycles)
    except CommandFailed as error:
        work.problems.append(str(error))
        return {}


def _long_cells(work: Run, tool: Tool, size: int) -> Cells:
    """Measures only the two plans, the second with a generated state."""
    folder = work.root / f"{tool.name}-plans-{size}"
    tool.write(folder, "written", size)
    _progress(f"{tool.name}, plans only (the second on a generated state), {size:,} resources")
    cells: Cells = {}
    try:
        run(tool.prepare, folder)
        for step in ("first plan", "unchanged plan"):
            command, expect = tool.steps[step]
            cells[step] = run(command, folder, expect=expect)
            write_terraform_state(folder, size)
    except CommandFailed as error:
        work.problems.append(str(error))
    return cells


def startup_target() -> Target:
    """`ftops version` compared with an empty Python program."""
    ours = repeat([*ftops_command(), "version"], 10).seconds
    empty = repeat([sys.executable, "-c", "pass"], 10).seconds
    figure = f"{ours * 1e3:.0f} ms, {ours / empty:.1f} ×"
    return Target("`ftops version`: less than 3 × `python -c pass`", figure, ours < 3 * empty)


def _ftops_starts() -> bool:
    try:
        run([*ftops_command(), "version"])
    except CommandFailed as error:
        print(f"ftops DOES NOT START, so only Terraform is measured.\n{error}", file=sys.stderr)
        return False
    return True


def _terraform_version() -> str | None:
    if not shutil.which("terraform"):
        return None
    command = ["terraform", "version", "-json"]
    shown = subprocess.run(command, capture_output=True, env=child_environment(), check=True)
    return str(json.loads(shown.stdout)["terraform_version"])


def _to_json(origin: dict[str, str], rows: Sequence[Row], found: Sequence[Target]) -> str:
    data = {"machine": origin, "rows": [asdict(r) for r in rows], "targets": [asdict(t) for t in found]}
    return json.dumps(data, indent=2) + "\n"


def _progress(text: str) -> None:
    print(f"… {text}", file=sys.stderr, flush=True)


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench.terraform")
    parser.add_argument("--sizes", help="numbers of resources, multiples of 3 (default 9,99,999)")
    parser.add_argument("--forms", default=",".join(FORMS), help="written, each or both")
    parser.add_argument("--quick", action="store_true", help="9 and 99 resources, two cycles")
    parser.add_argument(
        "--full", action="store_true", help="also 9,999 resources, with Terraform only the plans"
    )
    parser.add_argument(
        "--full-terraform",
        action="store_true",
        help="all steps of Terraform with 9,999 resources; takes over an hour",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="also save the figures to a file")
    parser.add_argument("--check", action="store_true", help="exit with 1 if a target is missed")
    return parser.parse_args(arguments)


def _plan_run(chosen: argparse.Namespace) -> Run:
    sizes = SIZES[:2] if chosen.quick else SIZES
    if chosen.full or chosen.full_terraform:
        sizes = (*sizes, FULL_SIZE)
    if chosen.sizes:
        sizes = tuple(int(size) for size in chosen.sizes.split(","))
    forms = tuple(chosen.forms.split(","))
    return Run(sizes, forms, 2 if chosen.quick else 5, chosen.full_terraform, _ftops_starts())


def main(arguments: Sequence[str] | None = None) -> int:
    chosen = _parse(arguments)
    version = _terraform_version()
    if version is None:
        print("SKIPPED: `terraform` is not installed, so there is nothing to compare with.")
        return 0
    origin = machine() | {"terraform": version}
    print(", ".join(f"{key} {value}" for key, value in origin.items()), HEAD, sep="\n", flush=True)
    work = _plan_run(chosen)
    other = OtherWork()
    rows = []
    with tempfile.TemporaryDirectory(prefix="bench-") as root:
        work.root = Path(root)
        for row in compare(work):
            print(draw_row(row), flush=True)
            rows.append(row)
    others = other.processors()
    origin["other work"] = "unknown" if others is None else f"{others:.2f} processors"
    print(draw_trust(others))
    return _conclude(chosen, origin, rows, work)


def _conclude(chosen: argparse.Namespace, origin: dict[str, str], rows: list[Row], work: Run) -> int:
    found = [*targets(rows), *([startup_target()] if work.ftops else [])]
    print(draw_targets(found))
    if chosen.json:
        chosen.json.write_text(_to_json(origin, rows, found))
    for problem in work.problems:
        print(f"FAILED: {problem}", file=sys.stderr)
    missed = any(not target.met for target in found)
    return 1 if work.problems or (chosen.check and missed) else 0


if __name__ == "__main__":
    sys.exit(main())

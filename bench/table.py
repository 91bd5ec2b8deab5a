"""Results: the figures of both tools as values and as text, and the targets."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bench.measure import Measurement

LARGE = 999
"""Number of resources from which the targets for time and memory apply."""
SMALL = 9
FASTER = {"first plan": 5, "unchanged plan": 5, "apply": 50}

QUIET = 0.1
"""Maximum load of other processes, in processors."""

HEAD = (
    f"{'form':8} {'size':>6}  {'step':15} {'terraform':>11} {'ftops':>11} {'faster':>8}"
    f" {'terraform':>11} {'ftops':>8} {'memory':>8}"
)


@dataclass(frozen=True)
class Row:
    """One line of the table. None means not run."""

    form: str
    size: int
    step: str
    terraform: Measurement | None
    ftops: Measurement | None


@dataclass(frozen=True)
class Target:
    """A target for a figure, and whether it is met."""

    what: str
    figure: str
    met: bool


def targets(rows: Sequence[Row]) -> Iterator[Target]:
    """The targets that these rows can be compared with. They apply to the form `written`."""
    for row in rows:
        if row.form == "written" and row.ftops and row.terraform:
            yield from _judge(row, row.terraform, row.ftops)


def _judge(row: Row, theirs: Measurement, ours: Measurement) -> Iterator[Target]:
    where = f"{row.step} of {row.size:,}"
    faster = theirs.seconds / ours.seconds
    wanted = FASTER.get(row.step)
    if row.size >= LARGE and wanted:
        yield Target(f"{where}: {wanted} × faster", f"{faster:.1f} ×", faster >= wanted)
    if row.size >= LARGE:
        share = ours.memory / theirs.memory
        yield Target(f"{where}: less memory", f"{share:.2f} × Terraform's", share < 1)
    if row.size == SMALL and row.step == "unchanged plan":
        yield Target(f"{where}: less than 2.5 × Terraform's time", f"{1 / faster:.1f} ×", 1 / faster < 2.5)


def draw_row(row: Row) -> str:
    """One line under HEAD."""
    theirs, ours = row.terraform, row.ftops
    faster = f"{theirs.seconds / ours.seconds:.1f} ×" if theirs and ours else ""
    memory = f"{ours.memory / theirs.memory:.2f} ×" if theirs and ours else ""
    return (
        f"{row.form:8} {row.size:6,}  {row.step:15} {_seconds(theirs):>11} {_seconds(ours):>11} {faster:>8}"
        f" {_megabytes(theirs):>11} {_megabytes(ours):>8} {memory:>8}"
    ).rstrip()


def draw_trust(others: float | None) -> str:
    """Whether other load was low enough for a result."""
    if others is None:
        return "The load of other processes during this run is unknown."
    verdict = "TOO HIGH, these figures are no result" if others > QUIET else "low enough"
    return f"Load of other processes during this run: {others:.2f} processors, {verdict}."


def draw_targets(found: Sequence[Target]) -> str:
    """One line for each target."""
    return "\n".join(f"{'met' if t.met else 'MISSED':7} {t.what}: {t.figure}" for t in found)


def _seconds(cell: Measurement | None) -> str:
    return f"{cell.seconds:,.3f} s" if cell else "not run"


def _megabytes(cell: Measurement | None) -> str:
    return f"{cell.memory / 1e6:,.0f} MB" if cell else "not run"

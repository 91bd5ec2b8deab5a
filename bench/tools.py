"""Tools: the commands of ftops and Terraform for each step, and their expected exit codes."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bench import chains
from bench.measure import Measurement, ftops_command, least, run

STEPS = ("first plan", "apply", "unchanged plan", "destroy")
FRESH = ("first plan", "apply")
"""Steps that start from the spec alone, as after a checkout: without state and caches."""
ENOUGH = 30
"""Seconds after which no more cycles are run."""

Cells = dict[str, Measurement]
"""Figures by step."""


@dataclass(frozen=True)
class Tool:
    """The command and expected exit code of a tool, by step."""

    name: str
    write: Callable[[Path, str, int], None]
    prepare: tuple[str, ...]
    steps: dict[str, tuple[tuple[str, ...], int]]
    leftovers: tuple[str, ...]
    """Files of earlier runs, which are deleted before steps that start from the spec alone."""


def terraform_tool() -> Tool:
    plan = ("terraform", "plan", "-input=false", "-detailed-exitcode")
    return Tool(
        "terraform",
        chains.write_terraform,
        ("terraform", "init", "-input=false"),
        {
            "first plan": (plan, 2),
            "apply": (("terraform", "apply", "-input=false", "-auto-approve"), 0),
            "unchanged plan": (plan, 0),
            "destroy": (("terraform", "destroy", "-input=false", "-auto-approve"), 0),
        },
        ("terraform.tfstate", "terraform.tfstate.backup"),
    )


def ftops_tool() -> Tool:
    ftops = tuple(ftops_command())
    plan = (*ftops, "plan", ".", "--detailed-exitcode")
    return Tool(
        "ftops",
        chains.write_ftops,
        (*ftops, "version"),
        {
            "first plan": (plan, 2),
            "apply": ((*ftops, "apply", ".", "-y"), 0),
            "unchanged plan": (plan, 0),
            "destroy": ((*ftops, "destroy", ".", "-y"), 0),
        },
        ("state", ".ftops"),
    )


def cycles(tool: Tool, folder: Path, most: int) -> Cells:
    """The minimum of several complete cycles; long ones are run once."""
    runs: dict[str, list[Measurement]] = {step: [] for step in STEPS}
    for _ in range(most):
        for step in STEPS:
            runs[step] += _runs(tool, step, folder)
        _clean(tool, folder)
        if sum(taken[0].seconds for taken in runs.values()) > ENOUGH:
            break
    return {step: least(taken) for step, taken in runs.items()}


def _runs(tool: Tool, step: str, folder: Path) -> list[Measurement]:
    """A plan changes nothing, so a short one is run three times."""
    first = _run(tool, step, folder)
    more = 2 if "plan" in step and first.seconds < 10 else 0
    return [first, *(_run(tool, step, folder) for _ in range(more))]


def _run(tool: Tool, step: str, folder: Path) -> Measurement:
    if step in FRESH:
        _clean(tool, folder)
    command, expect = tool.steps[step]
    return run(command, folder, expect=expect)


def _clean(tool: Tool, folder: Path) -> None:
    for name in tool.leftovers:
        path = folder / name
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)

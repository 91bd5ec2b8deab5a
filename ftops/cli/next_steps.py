"""Next steps: what to do with what an apply has made."""

from __future__ import annotations

import shlex
from itertools import chain, islice
from pathlib import Path
from shutil import which

from ftops.cli.spec_args import SpecArguments
from ftops.core.project import display, spec_folder
from ftops.core.resource_types import kind_of
from ftops.planning.plan import MAKING, Plan
from ftops.providers.base import Connects
from ftops.session.session import Session
from ftops.views.paint import path_word


def next_steps(session: Session, plan: Plan, spec: SpecArguments) -> list[str]:
    """Commands after a complete apply, at most two: how to ask a deployed model, or how the training went if
    no program asks it; and how to report on the spec if a model was deployed."""
    made = [change for change in plan.changes if change.action in MAKING]
    serving = [change for change in made if kind_of(change.address).serves]
    trained = (change.address for change in made if kind_of(change.address).trains)
    steps = chain(
        (_ask(session, change.provider, spec) for change in serving),
        (f"{spec.command('results')} {address._replace(key=None)}" for address in trained),
    )
    return [*islice(filter(None, steps), 1), *([_report(spec)] if serving else [])]


def _report(spec: SpecArguments) -> str:
    file = Path("report.html")
    return f"{spec.command('report')} -o {file}{' --force' if file.exists() else ''}"


def _ask(session: Session, provider: str, spec: SpecArguments) -> str:
    """The command that asks the provider's deployments; empty if no program beside the spec does, or can."""
    script = spec_folder(spec.path) / "ask.py"
    if not (script.is_file() and isinstance(session.providers(provider), Connects)):
        return ""
    several = len(session.config.used_providers) > 1
    options = f" --provider {shlex.quote(provider)}" if several else ""
    python = "python" if which("python") else "python3"
    return f'{spec.command("exec")}{options} -- {python} {path_word(display(script))} "Hello"'

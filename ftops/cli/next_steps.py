"""Next steps: what to do with what an apply has made."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from shutil import which

from ftops.cli.spec_args import SpecArguments
from ftops.core.project import display, spec_folder
from ftops.core.resource_types import kind_of
from ftops.planning.plan import MAKING, Plan
from ftops.providers.base import Connects
from ftops.session.session import Session
from ftops.views.paint import path_word


def next_steps(session: Session, plan: Plan, spec: SpecArguments) -> list[str]:
    """Commands after a complete apply, at most two: how to ask a deployed model and report on it, or how the
    training went if nothing was deployed."""
    made = [change for change in plan.changes if change.action in MAKING]
    serving = [change for change in made if kind_of(change.address).serves]
    if serving:
        ask = (_ask(session, change.provider, spec) for change in serving)
        return [*list(filter(None, ask))[:1], f"{spec.command('report')} -o report.html"]
    trained = (change.address for change in made if kind_of(change.address).trains)
    return [f"{spec.command('results')} {address._replace(key=None)}" for address in trained][:1]


def _ask(session: Session, provider: str, spec: SpecArguments) -> str:
    """The command that calls the provider's deployments; empty if other programs can't reach it."""
    if not isinstance(session.providers(provider), Connects):
        return ""
    several = len(session.config.used_providers) > 1
    options = f" --provider {shlex.quote(provider)}" if several else ""
    return f"{spec.command('exec')}{options} -- {' '.join(_program(spec))}"


def _program(spec: SpecArguments) -> Iterator[str]:
    script = spec_folder(spec.path) / "ask.py"
    if not script.is_file():
        yield "COMMAND"
        return
    yield "python" if which("python") else "python3"
    yield path_word(display(script))
    yield '"Hello"'

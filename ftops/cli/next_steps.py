"""Next steps: what to do with what an apply has made."""

from __future__ import annotations

import shlex
from itertools import chain, islice
from pathlib import Path

from ftops.cli.spec_args import SpecArguments
from ftops.cli.written_files import is_page_of
from ftops.core.project import FOLDER, display, spec_folder
from ftops.core.resource_types import kind_of
from ftops.planning.plan import MAKING, Plan
from ftops.providers.base import Connects
from ftops.session.session import Session
from ftops.views.html import SPEC_PAGE
from ftops.views.paint import path_word


def next_steps(session: Session, plan: Plan, spec: SpecArguments) -> list[str]:
    """Commands after a complete apply, at most three: how to ask a deployed model, or how the training went
    if no program asks it; what an evaluation found; and how to report on the spec if a model was deployed."""
    made = [change for change in plan.changes if change.action in MAKING]
    serving = [change for change in made if kind_of(change.address).serves]
    trained = (change.address for change in made if kind_of(change.address).trains)
    judged = (change.address for change in made if kind_of(change.address).is_record)
    steps = chain(
        (_ask(session, change.provider, spec) for change in serving),
        (f"{spec.command('results')} {address._replace(key=None)}" for address in trained),
    )
    results = (" ".join(("ftops eval", shlex.quote(str(address)), *spec.words)) for address in judged)
    first = [*islice(filter(None, steps), 1), *islice(results, 1)]
    return [*first, *([_report(spec)] if serving else [])]


def kept_files(session: Session) -> list[str]:
    """Where something is left after all was deleted at the services."""
    config = session.config
    folders = [config.folder / one.generated.folder for one in config.resources if one.generated]
    files = [path for path in (*folders, _REPORT.absolute()) if path.exists()]
    place, caches = session.store.place, config.project / FOLDER
    state = place if config.state.is_in_bucket else display(Path(place))
    return [
        f"{state} (state and audit log)",
        *([f"{display(caches)} (caches)"] if caches.exists() else []),
        *map(display, files),
    ]


_REPORT = Path("report.html")
"""What `ftops report` writes by itself."""


def _report(spec: SpecArguments) -> str:
    force = " --force" if _REPORT.exists() and not is_page_of(SPEC_PAGE, _REPORT) else ""
    return f"{spec.command('report')} -o {_REPORT}{force}"


def _ask(session: Session, provider: str, spec: SpecArguments) -> str:
    """The command that asks the provider's deployments; empty if no program beside the spec does, or can."""
    script = spec_folder(spec.path) / "ask.py"
    if not (script.is_file() and isinstance(session.providers(provider), Connects)):
        return ""
    several = len(session.config.used_providers) > 1
    options = f" --provider {shlex.quote(provider)}" if several else ""
    return f'{spec.command("exec")}{options} -- {path_word(display(script))} "Hello"'

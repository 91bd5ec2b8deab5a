"""States of other specs: reads their recorded outputs, and checks later that these are still the same."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ftops.config.config import Config, OutputsRead, StateSource
from ftops.config.loader import load_outline
from ftops.config.loader.settings import DEFAULT_ENVIRONMENT
from ftops.core.address import decode, encode
from ftops.core.errors import FtopsError, SpecError, StateError, UsageError
from ftops.core.project import display, project_root
from ftops.core.snippets import command
from ftops.session.saved_plans import StalePlan
from ftops.session.session import Session
from ftops.state.state import State

_TRUSTED = "plan without --untrusted, if the spec is yours"


def read_outputs(
    source: StateSource, environ: Mapping[str, str], *, is_offline: bool, is_untrusted: bool
) -> OutputsRead:
    """All recorded outputs. `is_offline`: no bucket is asked; `is_untrusted`: only a plain file of the
    project is read. Raises FtopsError."""
    try:
        outline = _outline(source, {} if is_untrusted else environ)
    except SpecError as error:
        if not is_untrusted:
            raise
        summary = f"an untrusted spec can't read the state: {error.diagnostics[0].summary}"
        raise UsageError(summary, "Nothing but a plain file is read.", _TRUSTED) from error
    _check_cycle(source, outline, {} if is_untrusted else environ)
    title = f"{outline.name} ({outline.environment})"
    if is_untrusted and (outline.state.is_in_bucket or outline.state.settings.get("encryption")):
        why = "it is in a bucket" if outline.state.is_in_bucket else "it is encrypted"
        raise UsageError(
            f"an untrusted spec can't read the state of {title}", f"{why[0].upper()}{why[1:]}.", _TRUSTED
        )
    if is_offline and outline.state.is_in_bucket:
        hint = "use `ftops plan` with access to the bucket"
        raise UsageError(f"the state of {title} is in a bucket", "No service is contacted here.", hint)
    state = _state(source, outline)
    if not state.lineage:
        chosen = () if outline.environment == DEFAULT_ENVIRONMENT else ("--env", outline.environment)
        where = command("ftops", "apply", display(source.path), *chosen)
        hint = "apply it first" + (f": {where}" if not source.spec else ", or check its name and place")
        summary = f"{title} hasn't been applied yet"
        raise FtopsError(summary, "Its outputs are known when it has.", hint)
    values = {name: decode(value) for name, value in state.outputs.items()}
    return OutputsRead(source.name, outline.name, outline.environment, state.lineage, state.serial, values)


def _state(source: StateSource, outline: Config) -> State:
    """Raises StateError, whose hint is about the other spec: the usual ones are commands for this one."""
    try:
        with Session.open(outline) as session:  # one in another project has left nothing in this one
            return session.store.read() if source.spec else session.state
    except StateError as error:
        where = "" if source.spec else f": {command('ftops', 'show', display(source.path))}"
        raise StateError(error.summary, error.detail, f"see what that spec says{where}") from error


def _outline(source: StateSource, environ: Mapping[str, str]) -> Config:
    """The other spec, as far as its state needs it. Raises SpecError."""
    if source.spec:
        folder = source.path
        return Config(
            name=source.spec,
            environment=source.environment,
            folder=folder,
            project=project_root(folder),
            resources=(),
            providers={},
            state=source.state,
            is_outline=True,
        )
    return load_outline(source.path, environment=source.environment, environ=environ)


def _check_cycle(source: StateSource, outline: Config, environ: Mapping[str, str]) -> None:
    """Raises FtopsError if the other spec reads this one, directly or through others."""
    seen: set[tuple[Path, str]] = set()
    todo: list[tuple[Config, tuple[str, ...]]] = [(outline, (outline.name,))]
    while todo:
        here, names = todo.pop()
        for other in here.states.values():
            if other.place == source.home:
                chain = " → ".join(names)
                summary = f"the specs read each other's outputs: this one → {chain} → this one"
                raise FtopsError(summary, "Neither could be applied first.", "remove one of the references")
            if other.place not in seen:
                seen.add(other.place)
                below = _outline(other, environ)
                todo.append((below, (*names, below.name)))


def check_reads(config: Config, environ: Mapping[str, str]) -> None:
    """Raises StalePlan if an output of another spec isn't any more what the plan was made with."""
    for read in config.reads:
        source = config.states[read.name]
        now = read_outputs(source, environ, is_offline=False, is_untrusted=False)
        changed = [
            name for name, value in read.values.items() if encode(now.values.get(name)) != encode(value)
        ]
        if changed or now.lineage != read.lineage:
            what = ", ".join(f"`{name}`" for name in changed) or "the whole state"
            raise StalePlan(
                f"outputs of {read.title} have changed since they were read: {what}",
                f"They were read at serial {read.serial}; now it is {now.serial}.",
                "plan again, read it, and apply that",
            )

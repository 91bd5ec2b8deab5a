"""Saved plans: the use cases of writing a plan to a file, and of applying it later.

A saved plan is applied as it was reviewed, or not at all. If the state has changed since, ftops plans again:
if only unrelated resources have changed, the changes are the same, and the plan is still valid.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from itertools import dropwhile
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec.structs import replace

from ftops import __version__
from ftops.config.config import Config
from ftops.config.policy import RULE_GROUP
from ftops.core.confined_files import content, opened, outside
from ftops.core.dag import find_cycle
from ftops.core.errors import FtopsError
from ftops.core.private_files import replace_file
from ftops.core.project import SPEC_SUFFIXES, project_root
from ftops.core.timestamps import iso_timestamp
from ftops.planning.plan import Options, Plan
from ftops.planning.plan_builder import secret_digests
from ftops.planning.saved.plan_digest import (
    basis_of,
    differences,
    differing_step,
    elsewhere,
    given_variables,
    plan_digest,
)
from ftops.planning.saved.plan_file import (
    MAGIC,
    Origin,
    PlanFileError,
    SavedPlan,
    Sealed,
    parse_plan,
    plan_text,
    sealed_text,
)
from ftops.session.session import Session
from ftops.state.backends.factory import state_keys

if TYPE_CHECKING:
    from ftops.state.encryption import Keys

MAX_BYTES = 1 << 30


class StalePlan(FtopsError):
    """A saved plan isn't what would be planned now."""

    exit_code = 3


def is_plan_file(path: Path) -> bool:
    """Whether a path on the command line is a saved plan: a file that isn't YAML by its name, or begins like
    a plan."""
    return path.is_file() and (path.suffix not in SPEC_SUFFIXES or holds_plan(path))


def holds_plan(path: Path) -> bool:
    """Whether a file begins as a saved plan does. Raises OSError."""
    if not path.is_file():
        return False
    with opened(path) as file:
        return MAGIC.encode() in file.read(40)


def save(
    session: Session,
    made: Plan,
    spec: Path,
    variable_files: Sequence[Path],
    options: Options,
    refreshed: bool,
) -> SavedPlan:
    """The plan with the inputs that it was made from."""
    config = session.config
    origin = Origin(
        at=iso_timestamp(datetime.now(UTC)),
        ftops=__version__,
        path=_shown(spec),
        environment=config.environment,
        variables={n: v for n, v in config.variables.items() if n in config.given},
        variable_files=tuple(_shown(file) for file in variable_files),
    )
    basis = basis_of(config, session.state, made, secret_digests(config, session.digest_key))
    return SavedPlan(made, origin, basis, options, refreshed)


def write_plan(saved: SavedPlan, path: Path, keys: Keys | None) -> None:
    """Atomic; encrypted if there is a key. Raises PlanFileError."""
    try:
        replace_file(path, text_of(saved, keys).encode())
    except OSError as error:
        raise PlanFileError(
            f"can't write the plan to {path}: {error.strerror or error}", "", "choose another place"
        ) from error


def text_of(saved: SavedPlan, keys: Keys | None) -> str:
    """Encrypted if there is a key."""
    if keys is None or keys.key is None:
        return plan_text(saved)
    return sealed_text(saved, keys.encrypt)


def read_plan(path: Path) -> SavedPlan:
    """Raises PlanFileError if it can't be read or trusted, StateError if it isn't encrypted with the key of
    its spec."""
    try:
        raw = content(path, limit=MAX_BYTES)
        text = raw.decode() if len(raw) <= MAX_BYTES else ""
    except OSError as error:
        raise PlanFileError(f"can't read {path}: {error.strerror or error}") from error
    except UnicodeDecodeError:
        text = ""
    return parse_plan(text, str(path), lambda sealed: _unseal(sealed, str(path)))


def _unseal(sealed: Sealed, file: str) -> str:
    """Decrypts with the key of the plan's spec; the rest of the spec isn't loaded."""
    from ftops.config.loader import load_outline
    from ftops.config.loader.files import holds_spec

    path = Path(sealed.path)
    if not holds_spec(path):
        where = "in this folder" if sealed.path == "." else f"at {path}, as seen from here"
        raise _away(sealed, file, f"there is none {where}")
    place = outside(path, project_root(Path.cwd()))
    if place is not None:
        raise PlanFileError(
            f"the saved plan names a spec outside of the project: {path}",
            "a plan file may have been written by somebody else.",
            "go to the folder in which it was planned, or name it with -C",
        )
    outline = load_outline(path, environ=os.environ)
    if outline.name != sealed.spec:
        raise _away(sealed, file, f"{path} is the spec {outline.name}")
    keys = state_keys(outline.project, outline.state)
    if keys is None:
        raise PlanFileError(
            f"the saved plan is encrypted: {file}",
            f"{path} names no key any more.",
            "give the spec its `encryption` back, or plan again",
        )
    return keys.decrypt(sealed.sealed, sealed.bound, file)


def _away(sealed: Sealed, file: str, found: str) -> PlanFileError:
    """The error for an encrypted plan whose spec isn't where it was."""
    return PlanFileError(
        f"the saved plan is encrypted: {file}",
        f"its key is named in the spec {sealed.spec} that it was made from, and {found}.",
        "go to the folder in which it was planned, or name that before the command: "
        "`ftops -C FOLDER …`; the path of the plan starts there, too",
    )


def revalidate(
    session: Session,
    saved: SavedPlan,
    *,
    parallelism: int = 10,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> Plan:
    """The saved plan, to be applied to the state as it is now. Only within `locked`. Raises StalePlan."""
    plan, state = saved.plan, session.state
    check_subject(session.config, saved)
    _check_unspent(session, saved)
    now = basis_of(session.config, state, plan, secret_digests(session.config, session.digest_key))
    if found := differences(saved.basis, now):
        before, given = plan.destination.variables, given_variables(session.config)
        others = [name for name in sorted({*before, *given}) if before.get(name) != given.get(name)]
        reasons = [f"the variable {name} has another value than when it was planned" for name in others]
        raise _stale(saved, [*reasons, *found], state.serial)
    if plan.lineage and state.lineage != plan.lineage:
        raise _stale(saved, ["the state was removed or replaced"], state.serial)
    again = session.plan(
        saved.options,
        refresh=saved.refreshed,
        preflight=False,
        parallelism=parallelism,
        on_progress=on_progress,
    )
    return _carried_over(saved, again)


def _carried_over(saved: SavedPlan, again: Plan) -> Plan:
    """The same changes at the same place, after unrelated runs. The steps are those that are planned now,
    never those in the file."""
    plan = saved.plan
    if found := elsewhere(plan.destination, again.destination):
        raise _stale(saved, found, again.serial)
    touched = {change.address for change in plan.changes}
    related = replace(again, changes=tuple(c for c in again.approved_changes if c.address in touched))
    step = differing_step(plan, related)
    if step is not None:
        raise _stale(saved, [f"{step} would be planned differently now"], again.serial)
    if again.pinning != plan.pinning:
        raise _stale(saved, ["other deployments would be pinned or released now"], again.serial)
    if again.moves != plan.moves:
        raise _stale(saved, ["other resources would be moved now"], again.serial)
    if find_cycle(replace(related, room=plan.room).waits_for):
        raise _stale(saved, ["steps would wait for each other"], again.serial)
    recorded, today = (*plan.settings, *plan.outputs), (*again.settings, *again.outputs)
    if any(one not in today for one in recorded):
        raise _stale(saved, ["settings or outputs would be recorded differently now"], again.serial)
    findings = [d for d in plan.findings if not d.rule.startswith(RULE_GROUP)]
    findings += [d for d in again.findings if d.rule.startswith(RULE_GROUP)]
    now = {"lineage": again.lineage, "serial": again.serial, "entries": again.entries, "drift": again.drift}
    now |= {"pins": again.pins}
    judged = {"findings": tuple(findings), "policy": again.policy}
    return replace(plan, changes=related.changes, **now, **judged)


def check_subject(config: Config, saved: SavedPlan) -> None:
    """Raises StalePlan if a plan is of another spec, or isn't encrypted although those of this spec are."""
    keys = state_keys(config.project, config.state)
    if keys is not None and keys.key is not None and not saved.is_sealed:
        raise StalePlan(
            "the saved plan isn't encrypted, and the plans of this spec are",
            "Anybody who can write files could have written it; only those who have the key can encrypt.",
            "plan again with --out, where the key is available",
        )
    wanted = saved.plan.spec, saved.plan.environment
    if (config.name, config.environment) != wanted:
        raise StalePlan(
            "the plan is for another spec",
            f"it was made for {wanted[0]} ({wanted[1]}), and {saved.origin.path} is {config.name} "
            f"({config.environment}).",
            "run this in the folder in which it was planned",
        )


def _check_unspent(session: Session, saved: SavedPlan) -> None:
    """Refuses a plan that a run has begun to apply, and whose grant has ended: it can't be applied twice."""
    from ftops.state.backends.audit_log import LOST  # only where a saved plan is applied

    digest = plan_digest(saved.plan)
    own = (digest, saved.origin.at)
    later = list(dropwhile(lambda run: (run.begun.plan, run.begun.planned_at) != own, session.runs()))
    if not later:
        return
    begun = later[0].begun
    run = [
        one for one in later if (one.begun.plan, one.begun.planned_at) == own or one.begun.grant == digest
    ][-1]
    result = f"the result was: {run.result}"
    if run.ended is None or run.result == LOST:  # nobody else runs: the lock is ours
        if run.begun.serial == session.state.serial:
            return  # killed before anything was recorded, so nothing was started
        result = "that run was killed before its end"
    rest = "nothing is left to do" if run.result == "done" else "`ftops apply` plans the rest"
    if run.ended is not None and run.ended.serial != session.state.serial:
        rest = "the state has changed since, so the plan is stale as well"
    raise StalePlan(
        "the saved plan has been applied already",
        f"by {begun.who}@{begun.host} at {begun.at}; {result}.",
        f"{rest}; to change more, plan again",
    )


def _stale(saved: SavedPlan, reasons: list[str], serial: int) -> StalePlan:
    moved = f" The state went from serial {saved.plan.serial} to {serial}." * (serial != saved.plan.serial)
    return StalePlan(
        "the saved plan is stale",
        f"since it was made at {saved.origin.at}: {'; '.join(reasons)}.{moved}",
        "plan again, read it, and apply that",
    )


def _shown(path: Path) -> str:
    """Relative to the current folder if it is inside: a plan may be applied in another checkout."""
    if path.is_absolute() and path.is_relative_to(Path.cwd()):
        return path.relative_to(Path.cwd()).as_posix()
    return path.as_posix()

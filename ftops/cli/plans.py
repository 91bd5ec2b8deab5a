"""Saved plans as arguments: saving one, finding its spec, and checking the options given with it."""

from __future__ import annotations

import re
from pathlib import Path

import click
from msgspec.structs import replace

from ftops.cli.options import PlanArguments, spec_words
from ftops.cli.spec_args import SpecArguments, read_outline
from ftops.core.confined_files import outside
from ftops.core.errors import UsageError
from ftops.core.project import project_root
from ftops.planning.plan import NORMAL, Plan
from ftops.planning.saved.plan_digest import DIGEST, DIGEST_PREFIX
from ftops.planning.saved.plan_file import SavedPlan
from ftops.session.kept_plans import keep_plan, kept_plan
from ftops.session.saved_plans import holds_plan, is_plan_file, read_plan, save, write_plan
from ftops.session.session import Session
from ftops.state.backends.factory import state_keys

_OLD_DIGEST = re.compile(r"sha256:[0-9a-f]{64}\Z")


def save_plan(
    session: Session,
    plan: Plan,
    request: PlanArguments,
    spec: SpecArguments,
    out: Path | None,
    is_kept: bool,
) -> None:
    """To a file, beside the state, or both."""
    saved = save(session, plan, spec.path, spec.variable_files, request.options, request.refresh)
    if out is not None:
        write_plan(saved, out, state_keys(session.config.project, session.config.state))
    if is_kept:
        keep_plan(session.config, saved)


def saved_plan(spec: SpecArguments) -> SavedPlan | None:
    """The saved plan that is named instead of a spec: by its file, or by its digest, if it is kept beside the
    state of the spec in the current folder. Raises FtopsError."""
    if is_digest(spec.path):
        here = replace(spec, path=Path(), is_approved=True)
        saved = kept_plan(read_outline(here), str(spec.path))
        return replace(saved, origin=replace(saved.origin, path="."))
    return read_plan(spec.path) if is_plan_file(spec.path) else None


def is_digest(path: Path) -> bool:
    """Whether an argument is the digest of a plan, even if there is a file of that name: a checkout may
    contain one. Raises UsageError if it only begins like one."""
    text = str(path)
    if not text.startswith(DIGEST_PREFIX):
        return False
    if not DIGEST.fullmatch(text):
        raise UsageError(
            f"not the digest of a plan: {text}", f"it is `{DIGEST_PREFIX}` and 64 hexadecimal digits."
        )
    return True


def check_out(out: Path) -> None:
    """Raises UsageError if `out` exists and isn't a saved plan."""
    if out.exists() and not holds_plan(out):
        raise UsageError(
            f"{out} exists and isn't a saved plan",
            "it would be overwritten.",
            "choose another name for --out, or remove the file",
        )


def spec_of(saved: SavedPlan, given: SpecArguments) -> SpecArguments:
    """The spec of a saved plan, with the variables that the plan was created with. Sensitive ones aren't in
    the file: they come from the command line or the environment again."""
    origin = saved.origin
    if given.environment not in (None, origin.environment):
        raise UsageError(
            f"the plan is for the environment {origin.environment}, not {given.environment}",
            "",
            "remove --env, or plan again",
        )
    from ftops.config.loader.files import holds_spec

    path = Path(origin.path)
    files = [file for file in map(Path, origin.variable_files) if file not in given.variable_files]
    for named in (path, *files):
        _check_inside(named)
    if not holds_spec(path):
        raise UsageError(
            f"the spec of the plan isn't here: {path}",
            "a saved plan is applied where its spec and data are.",
            "change to the folder in which the plan was created, or name it with -C",
        )
    environment = None if origin.environment == "default" else origin.environment
    variables = tuple(f"{name}={value}" for name, value in origin.variables.items())
    return replace(
        given,
        path=path,
        environment=environment,
        variables=(*variables, *given.variables),
        variable_files=(*files, *given.variable_files),
        words=spec_words(path, environment),
    )


def _check_inside(path: Path) -> None:
    """Raises UsageError if a plan file names a file outside of the project: it may come from somebody
    else."""
    if outside(path, project_root(Path.cwd())) is not None:
        raise UsageError(
            f"the plan names a file outside of the project: {path}",
            "a plan file may come from somebody else.",
            "plan in the folder of the spec; pass variable files from outside again with --var-file",
        )


def refuse_options(request: PlanArguments) -> None:
    """Raises UsageError if options would change a saved plan."""
    asked = replace(request.options, adopt=NORMAL.adopt)
    if asked != NORMAL or not request.refresh or not request.preflight:
        raise UsageError(
            "a saved plan is applied as it is",
            "targets, exclusions and replacements were set when it was created.",
            "plan again with these options",
        )


def checked_digest(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
    """The value of --expect-digest."""
    if value is not None and _OLD_DIGEST.match(value):
        raise click.UsageError(
            "the expected digest has version 1, which doesn't cover where a plan is applied: "
            "plan again with this version of ftops, and approve the digest that it prints",
            ctx,
        )
    if value is not None and not DIGEST.fullmatch(value):
        raise click.UsageError(f"--expect-digest needs `{DIGEST_PREFIX}` and 64 hexadecimal digits", ctx)
    return value

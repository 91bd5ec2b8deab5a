"""Posting: what the commands of `ftops ci` share: options, the run, the client, and their errors."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from msgspec import Struct
from msgspec.structs import replace

from ftops.cli.ci_documents import Document
from ftops.cli.ci_runners import add_to_summary
from ftops.cli.console import Screen
from ftops.cli.output_options import PATH, Command, decorate, screen_options
from ftops.core.address import Json
from ftops.core.errors import Diagnostic, FtopsError, UsageError
from ftops.forges.ci_run import CiRun, Overrides, ci_run
from ftops.forges.errors import Refused
from ftops.forges.merged_pull import merged_pull
from ftops.forges.service import Request
from ftops.forges.services import SERVICES
from ftops.state.backends.base import run_url
from ftops.views.diagnostics import to_json

if TYPE_CHECKING:
    from ftops.forges.client import ForgeClient


class Arguments(Struct, frozen=True):
    """What every command of the group takes."""

    file: Path
    spec: str | None
    environment: str | None
    overrides: Overrides
    is_best_effort: bool
    is_dry_run: bool


def ci_options(function: Command) -> Command:
    """FILE, --spec, --env, and where to write; as one `given`."""

    def packed(
        *args: Any,
        file: Path,
        spec: str | None,
        environment: str | None,
        best_effort: bool,
        dry_run: bool,
        service: str | None,
        api: str | None,
        repository: str | None,
        pull: int | None,
        commit: str | None,
        token_variable: str | None,
        **rest: Any,
    ) -> Any:
        named = (service or "", api or "", repository or "", pull or 0, commit or "", token_variable or "")
        overrides = Overrides(*named)
        given = Arguments(file, spec, environment, overrides, best_effort, dry_run)
        return function(*args, given=given, **rest)

    return screen_options(decorate(wraps(function)(packed), _OPTIONS))


def _text(flag: str, name: str, metavar: str, text: str) -> Callable[[Command], Command]:
    return click.option(flag, name, metavar=metavar, help=text)


_OPTIONS = (
    click.argument("file", metavar="FILE", type=PATH),
    click.option("--spec", metavar="NAME", help="The name of the spec, if FILE doesn't say it."),
    click.option("--env", "environment", metavar="NAME", help="Its environment, likewise."),
    click.option("--best-effort", is_flag=True, help="If it can't be done, warn and exit with 0."),
    click.option("--dry-run", is_flag=True, help="Print what would be sent; contact no service."),
    click.option(
        "--service",
        type=click.Choice(sorted(SERVICES)),
        help="Where the repository is hosted; by default, where the CI says.",
    ),
    _text("--api", "api", "URL", "The URL of its API. The token is sent there."),
    _text("--repository", "repository", "NAME", "OWNER/NAME, or GitLab's project, or PROJECT/REPOSITORY."),
    click.option("--pull", type=click.IntRange(1), metavar="N", help="The pull request."),
    _text("--commit", "commit", "HASH", "The commit that was planned."),
    _text("--token-env", "token_variable", "NAME", "The environment variable that has the token."),
)


class Posted(Struct, frozen=True):
    """What became of one comment, check run, status or issue: a JSON document, and a line for people.
    `found` are warnings, or the error; `shown` is what a dry run prints instead of all that."""

    result: Mapping[str, Json] = {}
    line: str = ""
    code: int = 0
    found: tuple[Diagnostic, ...] = ()
    shown: str = ""


def attempt(
    given: Arguments, right: str, publish: Callable[[], Posted], instead: Callable[[], str] | None = None
) -> Posted:
    """What `publish` did, or its error. A refusal says what the token needs. `instead`: Markdown for the
    summary of the job if it can't be posted."""
    try:
        return publish()
    except FtopsError as error:
        found = replace(error.diagnostics[0], hint=_hint(error, given, right) or error.hint)
        if instead is not None and add_to_summary(instead()):
            found = replace(found, detail=f"{found.detail} It is in the summary of the job instead.".lstrip())
        if given.is_best_effort:
            return Posted({"result": "not done"}, found=(replace(found, severity="warning"),))
        return Posted({"result": "failed"}, code=1, found=(found,))


_SERIOUS = (0, 3, 1)
"""Exit codes, the worst last."""


def told(screen: Screen, posted: Sequence[Posted]) -> int:
    """Says what was done; the worst exit code."""
    found = [one for each in posted for one in each.found]
    code = max((each.code for each in posted), key=_SERIOUS.index)
    if any(each.shown for each in posted):
        screen.text("\n".join(each.shown for each in posted))
    elif len(posted) == 1 and code == 1:
        screen.fail(found, code)
    else:
        screen.warn(found)
        several: Mapping[str, Json] = {"results": [dict(each.result) for each in posted]}
        screen.result(
            lambda: {
                **(posted[0].result if len(posted) == 1 else several),
                "diagnostics": [to_json(one) for one in found],
            },
            lambda: [each.line for each in posted if each.line],
        )
    return code


def _hint(error: FtopsError, given: Arguments, right: str) -> str:
    """What to do about a refusal of the service."""
    if not isinstance(error, Refused) or error.hint:
        return ""
    if error.status == 401:
        return "the token isn't valid (any more): check the variable that it comes from"
    needed = current_run(given.overrides).service.rights.get(right, "")
    return f"the token needs {needed}; or the repository or pull request doesn't exist" if needed else ""


def current_run(overrides: Overrides | None = None) -> CiRun:
    """The run that this process belongs to. Raises UsageError if something isn't known."""
    environ = dict(os.environ)
    return ci_run(environ, overrides or Overrides(), run_url(environ).replace(" ", "%20"))


def at_commit(run: CiRun, given: Arguments, document: Document) -> CiRun:
    """The run, for the commit that a document is about, if nobody names one. Raises UsageError."""
    commit = given.overrides.commit or document.commit or run.target.commit
    if not commit:
        raise UsageError("can't tell which commit it is about", "", "name it with --commit")
    return replace(run, target=replace(run.target, commit=commit))


def located(run: CiRun, given: Arguments, document: Document) -> CiRun:
    """The run, for the pull request that a document is about, 0 if there is none. What was applied belongs to
    the pull request whose merge made the commit. Raises UsageError and ForgeError."""
    pull = given.overrides.pull or document.pull or run.target.pull
    if not pull and document.result is None:
        raise UsageError(
            "this run doesn't belong to a pull request",
            "a comment needs one.",
            "run it for pull requests only, or name one with --pull",
        )
    run = at_commit(run, given, document) if not pull or document.commit else run
    if not pull and not given.is_dry_run:
        with client_of(run) as client:
            pull = merged_pull(run.service, client, run.target)
    return replace(run, target=replace(run.target, pull=pull))


def client_of(run: CiRun) -> closing[ForgeClient]:
    from ftops.forges.client import Access, Clock, ForgeClient

    if not run.token:
        raise UsageError(
            f"there is no token for {run.service.title}",
            f"it comes from {' or '.join(run.token_variables)}.",
            f"set {run.token_variables[0]} in the step, or name the variable with --token-env",
        )
    if not re.fullmatch(r"[!-~]+", run.token):
        raise UsageError(f"what {' or '.join(run.token_variables)} has isn't a token", "", "set it again")
    access = Access(run.service.title, run.api, run.service.login(run.token), run.token)
    return closing(ForgeClient(access, Clock()))


def would_send(run: CiRun, lines: list[str]) -> Posted:
    return Posted(shown="\n".join([f"Would send to {run.service.title} at {run.api}:", *lines, ""]))


def as_line(request: Request) -> str:
    return f"{request.method} {request.path} {json.dumps(request.body, ensure_ascii=False)}"


MOST_SUMMARY = 1_000_000
"""Bytes; GitHub takes a MiB for each step."""

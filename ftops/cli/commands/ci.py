"""ftops ci comment, annotate, status: they show documents at the Git hosting service, and plan nothing."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial, wraps
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from msgspec import Struct
from msgspec.structs import replace

from ftops.cli.ci_documents import Document, read_document
from ftops.cli.console import Screen
from ftops.cli.output_options import PATH, Command, decorate, screen_options
from ftops.core.errors import Diagnostic, FtopsError, UsageError
from ftops.core.plurals import plural
from ftops.core.private_files import open_private
from ftops.forges.ci_run import CiRun, Overrides, ci_run
from ftops.forges.errors import ForgeError, Refused
from ftops.forges.folding import ROOM
from ftops.forges.service import Check, Request, Status
from ftops.forges.services import SERVICES
from ftops.forges.sticky_comment import Marker, StickyComment
from ftops.state.backends.base import run_url
from ftops.views.annotations import check_annotations, check_summary
from ftops.views.diagnostics import to_json
from ftops.views.markdown import Drawn, provenance

if TYPE_CHECKING:
    from ftops.forges.client import ForgeClient

UNREVIEWABLE = 3
SUMMARY = "GITHUB_STEP_SUMMARY"


class Arguments(Struct, frozen=True):
    """What every command of the group takes."""

    file: Path
    spec: str | None
    environment: str | None
    overrides: Overrides
    is_best_effort: bool
    is_dry_run: bool


def _ci_options(function: Command) -> Command:
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


@click.command("comment")
@click.option(
    "--allow-unreviewable",
    is_flag=True,
    help="Exit with 0, not 3, if the plan deletes or replaces too much to be shown in a comment.",
)
@_ci_options
def comment(screen: Screen, given: Arguments, allow_unreviewable: bool) -> int:
    """Show a plan in a comment on the pull request; the comment of an earlier run is updated.

    FILE is a saved plan, or what `ftops plan`, `apply` or `reconcile` printed with `-o json`, also if it
    failed; `-` is standard input. There is one comment for each spec and environment.
    """
    document = read_document(given.file, given.spec, given.environment)

    def publish() -> int:
        run = _run(given)
        if not run.target.pull:
            raise UsageError(
                "this run doesn't belong to a pull request",
                "a comment needs one.",
                "run it for pull requests only, or name one with --pull",
            )
        names = (document.spec, document.environment, document.level, run.target.commit)
        marker = Marker(run.repository_id, *names)
        drawn: list[Drawn] = []
        texts = _texts(document, run, len(str(marker).encode()), drawn)
        if given.is_dry_run:
            where = f"pull request {run.target.pull} of {run.target.repository} at {run.service.title}"
            screen.text(f"Would create or update this comment on {where}:\n\n{marker}\n{next(texts)}")
            return 0 if drawn[0].is_reviewable or allow_unreviewable else UNREVIEWABLE
        with _client(run) as client:
            done = StickyComment(run.service, client, run.target, marker).publish(texts)
        warnings = [Diagnostic(text, severity="warning") for text in done.warnings]
        screen.warn(warnings)
        is_reviewable = drawn[done.text].is_reviewable
        screen.result(
            lambda: {
                "result": done.result.value,
                "id": done.comment.id,
                "url": done.comment.url,
                "is_reviewable": is_reviewable,
                "diagnostics": [to_json(one) for one in warnings],
            },
            lambda: [f"The comment was {done.result.value}. {done.comment.url}".rstrip()],
        )
        return 0 if is_reviewable or allow_unreviewable else UNREVIEWABLE

    return _attempt(screen, given, "comment", publish, document)


@click.command("annotate")
@_ci_options
def annotate(screen: Screen, given: Arguments) -> int:
    """Annotate the lines that findings are about, in a check run of the commit (GitHub).

    FILE is what `ftops plan` or `ftops validate` printed with `-o json`, or a saved plan; `-` is standard
    input. Run it in the folder in which that was run.
    """
    from ftops.cli.repository import folder_in_repository

    document = read_document(given.file, given.spec, given.environment)

    def publish() -> int:
        run = _run(given, needs_commit=True)
        create = run.service.check
        if create is None:
            raise UsageError(
                f"{run.service.title} has no annotations that ftops could write",
                "it takes reports instead.",
                f"use {run.service.reports}",
            )
        annotations = check_annotations(document.found, folder_in_repository(os.environ))
        count = plural(len(annotations), "annotation")
        severities = {one.severity for one in document.found}
        conclusion = next((c for s, c in _CONCLUSIONS.items() if s in severities), "success")
        if document.state in ("failure", "error"):
            conclusion = "failure"
        summary = check_summary(document.found)
        mark = json.dumps([run.target.run_url, document.path, annotations, summary]).encode()
        check = Check(
            document.path, conclusion, document.sentence, summary, annotations, sha256(mark).hexdigest()[:40]
        )
        if given.is_dry_run:
            return _show(
                screen, run, [f"check run {check.name}: {conclusion}, {count}", *map(json.dumps, annotations)]
            )
        with _client(run) as client:
            url = create(client, run.target, check)
        return screen.result(
            lambda: {"annotations": len(annotations), "conclusion": conclusion, "url": url},
            lambda: [f"{count}, conclusion {conclusion}. {url}".rstrip()],
        )

    return _attempt(screen, given, "annotate", publish)


_CONCLUSIONS = {"error": "failure", "warning": "neutral"}
"""Severity → conclusion of the check run, the worst first."""


@click.command("status")
@_ci_options
def status(screen: Screen, given: Arguments) -> int:
    """Set the status `ftops/SPEC/ENVIRONMENT` of the commit.

    FILE is a saved plan, or what `ftops plan`, `validate`, `apply` or `reconcile` printed with `-o json`,
    also if it failed; `-` is standard input. A job that is still in progress is a pending status.
    """
    document = read_document(given.file, given.spec, given.environment)

    def publish() -> int:
        run = _run(given, needs_commit=True)
        found = Status(document.path, document.state, document.sentence)
        request = run.service.status(run.target, found)
        if given.is_dry_run:
            return _show(screen, run, [_as_line(request)])
        with _client(run) as client:
            try:
                client.send(*request, what="set the status", is_repeatable=True)
            except ForgeError as error:
                again = run.service.status_again
                if not again or again not in error.detail.lower():
                    raise
        return screen.result(
            lambda: {"status": found.name, "state": found.state},
            lambda: [f"The status {found.name} is {found.state}."],
        )

    return _attempt(screen, given, "status", publish)


def _attempt(
    screen: Screen, given: Arguments, right: str, publish: Callable[[], int], document: Document | None = None
) -> int:
    """The exit code of `publish`. A refusal says what the token needs; a comment that can't be posted goes to
    the summary of the job."""
    try:
        return publish()
    except FtopsError as error:
        found = replace(error.diagnostics[0], hint=_hint(error, given, right) or error.hint)
        if document is not None and summarise(document.draw(MOST_SUMMARY).text):
            found = replace(found, detail=f"{found.detail} It is in the summary of the job instead.".lstrip())
        if given.is_best_effort:
            found = replace(found, severity="warning")
            screen.warn([found])
            return screen.result(lambda: {"result": "not done", "diagnostics": [to_json(found)]}, lambda: ())
        screen.fail([found], 1)
        return 1


def _hint(error: FtopsError, given: Arguments, right: str) -> str:
    """What to do about a refusal of the service."""
    if not isinstance(error, Refused) or error.hint:
        return ""
    if error.status == 401:
        return "the token isn't valid (any more): check the variable that it comes from"
    needed = _run(given).service.rights.get(right, "")
    return f"the token needs {needed}; or the repository or pull request doesn't exist" if needed else ""


def current_run(overrides: Overrides | None = None) -> CiRun:
    """The run that this process belongs to. Raises UsageError if something isn't known."""
    environ = dict(os.environ)
    return ci_run(environ, overrides or Overrides(), run_url(environ).replace(" ", "%20"))


def _run(given: Arguments, *, needs_commit: bool = False) -> CiRun:
    run = current_run(given.overrides)
    if needs_commit and not run.target.commit:
        raise UsageError("can't tell which commit it is about", "", "name it with --commit")
    return run


def _client(run: CiRun) -> closing[ForgeClient]:
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


def _texts(document: Document, run: CiRun, marker: int, drawn: list[Drawn]) -> Iterator[str]:
    """The text of the comment in ever shorter form; what was drawn is added to `drawn`."""
    foot = provenance(run.target.commit, run.target.run_url)
    room = run.service.limit - marker - len(foot.encode()) - ROOM
    for draw in (partial(document.draw, room), partial(document.draw, room // 2), document.stub):
        drawn.append(draw())
        yield f"{drawn[-1].text}\n{foot}"


def _show(screen: Screen, run: CiRun, lines: list[str]) -> int:
    screen.lines([f"Would send to {run.service.title} at {run.api}:", *lines])
    return 0


def _as_line(request: Request) -> str:
    return f"{request.method} {request.path} {json.dumps(request.body, ensure_ascii=False)}"


MOST_SUMMARY = 1_000_000
"""Bytes; GitHub takes a MiB for each step."""


def summarise(text: str) -> bool:
    """Whether Markdown could be added to the summary of the job."""
    path = os.environ.get(SUMMARY)
    if not path:
        return False
    try:
        with open(path, "ab", opener=open_private) as file:
            file.write(f"{text}\n".encode(errors="replace"))
    except OSError:
        return False
    return True

"""ftops ci comment, annotate, status: they show documents at the Git hosting service, and plan nothing."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from functools import partial
from hashlib import sha256
from typing import TYPE_CHECKING

import click

from ftops.cli.ci_documents import Document, read_document
from ftops.cli.ci_posting import (
    MOST_SUMMARY,
    Arguments,
    as_line,
    attempt,
    ci_options,
    client_of,
    run_of,
    show,
)
from ftops.cli.console import Screen
from ftops.core.address import Json
from ftops.core.errors import Diagnostic, UsageError
from ftops.core.plurals import plural
from ftops.forges.ci_run import CiRun
from ftops.forges.errors import ForgeError
from ftops.forges.folding import ROOM
from ftops.forges.service import Check, Request, Status
from ftops.forges.sticky_comment import Marker, StickyComment
from ftops.views.annotations import check_annotations, check_summary
from ftops.views.diagnostics import to_json
from ftops.views.markdown import Drawn, provenance

if TYPE_CHECKING:
    from ftops.forges.client import ForgeClient

UNREVIEWABLE = 3


@click.command("comment")
@click.option(
    "--allow-unreviewable",
    is_flag=True,
    help="Exit with 0, not 3, if the plan deletes or replaces too much to be shown in a comment.",
)
@ci_options
def comment(screen: Screen, given: Arguments, allow_unreviewable: bool) -> int:
    """Show a plan in a comment on the pull request; the comment of an earlier run is updated.

    FILE is a saved plan, or what `ftops plan`, `apply` or `reconcile` printed with `-o json`, also if it
    failed; `-` is standard input. There is one comment for each spec and environment.
    """
    document = read_document(given.file, given.spec, given.environment)

    def publish() -> int:
        run = run_of(given)
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
        with client_of(run) as client:
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

    return attempt(screen, given, "comment", publish, lambda: document.draw(MOST_SUMMARY).text)


@click.command("annotate")
@ci_options
def annotate(screen: Screen, given: Arguments) -> int:
    """Annotate the lines that findings are about, in a check run of the commit (GitHub).

    FILE is what `ftops plan` or `ftops validate` printed with `-o json`, or a saved plan; `-` is standard
    input. Run it in the folder in which that was run.
    """
    from ftops.cli.repository import folder_in_repository

    document = read_document(given.file, given.spec, given.environment)

    def publish() -> int:
        run = run_of(given, needs_commit=True)
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
            return show(
                screen, run, [f"check run {check.name}: {conclusion}, {count}", *map(json.dumps, annotations)]
            )
        with client_of(run) as client:
            url = create(client, run.target, check)
        return screen.result(
            lambda: {"annotations": len(annotations), "conclusion": conclusion, "url": url},
            lambda: [f"{count}, conclusion {conclusion}. {url}".rstrip()],
        )

    return attempt(screen, given, "annotate", publish)


_CONCLUSIONS = {"error": "failure", "warning": "neutral"}
"""Severity → conclusion of the check run, the worst first."""


@click.command("status")
@ci_options
def status(screen: Screen, given: Arguments) -> int:
    """Set the status `ftops/SPEC/ENVIRONMENT` of the commit.

    FILE is a saved plan, or what `ftops plan`, `validate`, `apply` or `reconcile` printed with `-o json`,
    also if it failed; `-` is standard input. A job that is still in progress is a pending status. Of several
    specs (`plan --all`), each gets a status, and `ftops/*` is the worst of them.
    """
    document = read_document(given.file, given.spec, given.environment)

    def publish() -> int:
        run = run_of(given, needs_commit=True)
        found = [Status(one.path, one.state, one.sentence) for one in (document, *(document.parts or ()))]
        requests = [run.service.status(run.target, one) for one in found]
        if given.is_dry_run:
            return show(screen, run, [as_line(request) for request in requests])
        with client_of(run) as client:
            for request in requests:
                _set_status(run, client, request)
        rest: list[Json] = [{"status": one.name, "state": one.state} for one in found[1:]]
        return screen.result(
            lambda: {
                "status": found[0].name,
                "state": found[0].state,
                **({"specs": rest} if document.parts is not None else {}),
            },
            lambda: [f"The status {one.name} is {one.state}." for one in found],
        )

    return attempt(screen, given, "status", publish)


def _set_status(run: CiRun, client: ForgeClient, request: Request) -> None:
    """Raises ForgeError."""
    try:
        client.send(*request, what="set the status", is_repeatable=True)
    except ForgeError as error:
        again = run.service.status_again
        if not again or again not in error.detail.lower():
            raise


def _texts(document: Document, run: CiRun, marker: int, drawn: list[Drawn]) -> Iterator[str]:
    """The text of the comment in ever shorter form; what was drawn is added to `drawn`."""
    foot = provenance(run.target.commit, run.target.run_url)
    room = run.service.limit - marker - len(foot.encode()) - ROOM
    for draw in (partial(document.draw, room), partial(document.draw, room // 2), document.stub):
        drawn.append(draw())
        yield f"{drawn[-1].text}\n{foot}"

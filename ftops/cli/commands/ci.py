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
    Posted,
    as_line,
    at_commit,
    attempt,
    ci_options,
    client_of,
    current_run,
    located,
    told,
    would_send,
)
from ftops.cli.ci_runners import add_to_summary
from ftops.cli.console import Screen
from ftops.cli.repository import folder_in_repository
from ftops.core.address import Json
from ftops.core.errors import Diagnostic, UsageError
from ftops.core.plurals import plural
from ftops.forges.ci_run import CiRun, line_url
from ftops.forges.errors import ForgeError
from ftops.forges.folding import ROOM
from ftops.forges.service import Check, Request, Status
from ftops.forges.sticky_comment import Marker, StickyComment
from ftops.views.annotations import check_annotations, check_summary
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
    several = document.approvals or (document,)
    return told(screen, [_comment(given, one, is_enough=allow_unreviewable) for one in several])


def _comment(given: Arguments, document: Document, *, is_enough: bool) -> Posted:
    """On one pull request. `is_enough`: even if it can't be reviewed there."""

    def publish() -> Posted:
        run = located(current_run(given.overrides), given, document)
        if not run.target.pull and not given.is_dry_run:
            return _no_pull(run, document)
        names = (document.spec, document.environment, document.level, run.target.commit)
        marker = Marker(run.repository_id, *names)
        drawn: list[Drawn] = []
        link = partial(line_url, run, folder_in_repository(os.environ))
        texts = _texts(document.linked(link), run, len(str(marker).encode()), drawn)
        if given.is_dry_run:
            number = str(run.target.pull or f"that was merged as {run.target.commit[:12]}")
            where = f"pull request {number} of {run.target.repository} at {run.service.title}"
            text = f"Would create or update this comment on {where}:\n\n{marker}\n{next(texts)}"
            return Posted(code=0 if drawn[0].is_reviewable or is_enough else UNREVIEWABLE, shown=text)
        with client_of(run) as client:
            done = StickyComment(run.service, client, run.target, marker).publish(texts)
        is_reviewable = drawn[done.text].is_reviewable
        result: dict[str, Json] = {
            "result": done.result.value,
            "id": done.comment.id,
            "url": done.comment.url,
        }
        return Posted(
            {**result, "is_reviewable": is_reviewable},
            f"The comment was {done.result.value}. {done.comment.url}".rstrip(),
            0 if is_reviewable or is_enough else UNREVIEWABLE,
            tuple(Diagnostic(text, severity="warning") for text in done.warnings),
        )

    return attempt(given, "comment", publish, lambda: document.draw(MOST_SUMMARY).text)


def _no_pull(run: CiRun, document: Document) -> Posted:
    """What somebody has pushed to the branch belongs to no pull request."""
    said = f"no pull request was merged as commit {run.target.commit[:12]}"
    add_to_summary(document.draw(MOST_SUMMARY).text)
    found = Diagnostic(said, "So there is no comment.", "see the summary of the job", severity="warning")
    return Posted({"result": "no pull request"}, found=(found,))


@click.command("annotate")
@ci_options
def annotate(screen: Screen, given: Arguments) -> int:
    """Annotate the lines that findings are about, in a check run of the commit (GitHub).

    FILE is what `ftops plan` or `ftops validate` printed with `-o json`, or a saved plan; `-` is standard
    input. Run it in the folder in which that was run.
    """
    document = read_document(given.file, given.spec, given.environment)

    def publish() -> Posted:
        run = at_commit(current_run(given.overrides), given, document)
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
            return would_send(
                run, [f"check run {check.name}: {conclusion}, {count}", *map(json.dumps, annotations)]
            )
        with client_of(run) as client:
            url = create(client, run.target, check)
        result: dict[str, Json] = {"annotations": len(annotations), "conclusion": conclusion, "url": url}
        return Posted(result, f"{count}, conclusion {conclusion}. {url}".rstrip())

    return told(screen, [attempt(given, "annotate", publish)])


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
    return told(screen, [_set_status(given, one) for one in document.approvals or (document,)])


def _set_status(given: Arguments, document: Document) -> Posted:
    """Of one commit; of several specs, one for each as well."""

    def publish() -> Posted:
        run = at_commit(current_run(given.overrides), given, document)
        found = [Status(one.path, one.state, one.sentence) for one in (document, *(document.parts or ()))]
        requests = [run.service.status(run.target, one) for one in found]
        if given.is_dry_run:
            return would_send(run, [as_line(request) for request in requests])
        with client_of(run) as client:
            for request in requests:
                _send_status(run, client, request)
        rest: list[Json] = [{"status": one.name, "state": one.state} for one in found[1:]]
        result: dict[str, Json] = {"status": found[0].name, "state": found[0].state}
        lines = "\n".join(f"The status {one.name} is {one.state}." for one in found)
        return Posted({**result, **({"specs": rest} if document.parts is not None else {})}, lines)

    return attempt(given, "status", publish)


def _send_status(run: CiRun, client: ForgeClient, request: Request) -> None:
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

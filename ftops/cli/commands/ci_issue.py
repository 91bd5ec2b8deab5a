"""ftops ci issue: it keeps one issue about drift or what retires, and checks nothing itself."""

from __future__ import annotations

import click

from ftops.cli.ci_posting import Arguments, Posted, attempt, ci_options, client_of, current_run, told
from ftops.cli.console import Screen
from ftops.cli.issue_documents import DRIFT, TOPICS, IssueDocument, read_issue_document
from ftops.core.errors import Diagnostic, UsageError
from ftops.forges.ci_run import CiRun
from ftops.forges.folding import ROOM
from ftops.forges.sticky_issue import StickyIssue, Subject, Wanted
from ftops.views.markdown import provenance


@click.command("issue")
@click.option(
    "--topic",
    type=click.Choice(list(TOPICS)),
    default=DRIFT,
    help="What FILE is about, if it doesn't say it as the command failed.",
)
@ci_options
def command(screen: Screen, given: Arguments, topic: str) -> int:
    """Keep an issue about drift, or about what retires: one for each spec and environment.

    FILE is what `ftops drift` or `ftops radar` printed with `-o json`, also if it failed; `-` is standard
    input. The issue is created if there is something to say, written only if that has changed, and closed
    when there is nothing any more. If the command failed, the issue says that it can't be checked.
    """
    document = read_issue_document(given.file, given.spec, given.environment, topic)

    def publish() -> Posted:
        run = current_run(given.overrides)
        issues = run.service.issues
        if issues is None:
            raise UsageError(
                f"{run.service.title} has no issues that ftops could write",
                "work items differ from process to process.",
                "let the job fail on exit code 2 of `ftops drift` or `ftops radar --detailed-exitcode`",
            )
        subject = Subject(document.topic, run.repository_id, document.spec, document.environment)
        wanted = _wanted(document, run, len(subject.marker(document.digest)))
        if given.is_dry_run:
            where = f"{run.target.repository} at {run.service.title}"
            action = "create, update or reopen this" if wanted.digest else "close the"
            marker = subject.marker(wanted.digest)
            text = (
                f"Would {action} issue in {where}, with the label {subject.label}:\n\n"
                f"{wanted.title}\n\n{marker}\n{wanted.text}"
            )
            return Posted(shown=text)
        with client_of(run) as client:
            done = StickyIssue(run.service, issues, client, run.target, subject).publish(wanted)
        id, url = (done.issue.id, done.issue.url) if done.issue else ("", "")
        return Posted(
            {"result": done.result.value, "id": id, "url": url},
            f"The issue was {done.result.value}. {url}".rstrip() if id else "There is nothing to say.",
            found=tuple(Diagnostic(text, severity="warning") for text in done.warnings),
        )

    return told(screen, [attempt(given, "issue", publish)])


def _wanted(document: IssueDocument, run: CiRun, marker: int) -> Wanted:
    foot = provenance(run.target.commit, run.target.run_url)
    room = run.service.limit - marker - len(foot.encode()) - ROOM
    text = f"{document.draw(room).text}\n{foot}"
    reopened = f"Opened again: {document.sentence}.\n\n{foot}"
    return Wanted(document.digest, document.title, text, reopened)

"""ftops gc"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import click
from msgspec import Struct
from msgspec.structs import replace

from ftops.applying.run import Report, Settings
from ftops.cli.apply_reporter import Show, TextReporter
from ftops.cli.console import Screen
from ftops.cli.options import approve_option, parallelism_option, spec_options
from ftops.cli.sessions import lock_option, locked
from ftops.cli.spec_args import SpecArguments, read_outline, read_recorded
from ftops.core.errors import Blocked, Diagnostic, FtopsError, StateLocked, UsageError
from ftops.session.previews import NoPreview, check_preview, is_over, remove_preview
from ftops.session.session import Session
from ftops.state.backends.factory import recorded_environments
from ftops.state.state import State
from ftops.views import progress
from ftops.views.previews import Looked, draw, draw_due, exit_code, objects_of, to_document


@click.command("gc")
@click.option("--expired", is_flag=True, help="All previews that have expired; with --env, it if it has.")
@click.option("--dry-run", is_flag=True, help="Only show what would be deleted.")
@approve_option
@parallelism_option
@lock_option
@spec_options
def command(
    screen: Screen,
    spec: SpecArguments,
    expired: bool,
    dry_run: bool,
    auto_approve: bool,
    parallelism: int,
    lock_timeout: float,
) -> int:
    """Delete previews, and then their states: for a schedule in CI.

    A preview is an environment that was applied with a `ttl`. Its jobs are cancelled, and its deployments,
    models and files are deleted, also those of interrupted runs. What counts is what its state says: the
    environment, its branch and its resources needn't be in the spec any more.
    """
    if spec.environment is None and not expired:
        raise UsageError(
            "nothing says what to delete", "", "pass --expired, or name a preview with --env; see --dry-run"
        )
    outline = read_outline(replace(spec, environment=None))
    known = recorded_environments(outline)
    names = known if spec.environment is None else [spec.environment] if spec.environment in known else []
    flow = _Collect(screen, spec, Settings(parallelism), expired, lock_timeout)
    found = [one for name in names if (one := flow.look(name))]
    due = [one for one in found if one.result == "due"]
    if due and not dry_run:
        if not (screen.json or auto_approve):
            screen.lines(draw_due(due, screen.paint))
        hint = "run with -y, or with --dry-run to see what would be deleted"
        if not (auto_approve or screen.approve("Delete all of this?", "gc", hint, "\n")):
            return 1
        found = [flow.removed(one) if one in due else one for one in found]
    for one in found:
        if one.diagnostics and not screen.json:
            screen.fail(one.diagnostics, exit_code([one]))
    shown = draw_due(due, screen.paint) if dry_run else []
    screen.result(
        lambda: to_document(found, outline.name),
        lambda: [*shown, *draw(found, screen.paint, spec.environment)],
    )
    return exit_code(found)


class _Collect(Struct):
    """One run of gc."""

    screen: Screen
    spec: SpecArguments
    settings: Settings
    only_expired: bool
    lock_timeout: float
    is_interrupted: bool = False

    def look(self, name: str) -> Looked | None:
        """What is recorded of an environment. None for one that isn't a preview, unless it was named."""
        try:
            with Session.open(read_recorded(self.spec, name)) as session:
                state = session.state
                if not state.expires_at and (self.spec.environment is None or not state.lineage):
                    return None
                known = Looked(name, "kept", state.expires_at, objects_of(state))
                if not self._is_due(state):
                    return known
                check_preview(session)
                return replace(known, result="due")
        except FtopsError as error:
            result = "refused" if isinstance(error, NoPreview) else "failed"
            return Looked(name, result, diagnostics=tuple(error.diagnostics))

    def removed(self, known: Looked) -> Looked:
        """What has become of a preview. Errors of one don't keep others."""
        if self.is_interrupted:
            return replace(known, result="interrupted")
        self.screen.keeps_going = True
        try:
            with (
                Session.open(read_recorded(self.spec, known.environment)) as session,
                locked(self.screen, session, "gc", self.lock_timeout),
            ):
                if not self._is_due(session.state):
                    return replace(known, result="kept", expires_at=session.state.expires_at)
                return _ended(known, remove_preview(session, self.settings, self._showing), session.state)
        except StateLocked as error:
            self.screen.note(f"{known.environment} is left alone: {error.summary}. {error.detail}\n")
            return replace(known, result="in-use")
        except (Blocked, NoPreview) as error:
            return replace(known, result="refused", diagnostics=tuple(error.diagnostics))
        except FtopsError as error:
            return replace(known, result="failed", diagnostics=tuple(error.diagnostics))
        except KeyboardInterrupt:
            self.is_interrupted = True
            said = "nothing is lost: the next `ftops gc` goes on."
            return replace(known, result="interrupted", diagnostics=(Diagnostic("interrupted", said),))

    def _is_due(self, state: State) -> bool:
        return is_over(state) if self.only_expired else True

    @contextmanager
    def _showing(self) -> Iterator[Show]:
        if self.screen.json:
            yield lambda event: None
        else:
            with TextReporter(self.screen, "Gc").running() as show:
                yield show


def _ended(known: Looked, report: Report | None, left: State) -> Looked:
    if left.is_empty and (report is None or report.result == "done"):
        return replace(known, result="deleted")
    result = "interrupted" if report and report.result == "interrupted" else "failed"
    failures = tuple(progress.failures(report)) if report else ()
    return replace(known, result=result, objects=objects_of(left), diagnostics=failures)

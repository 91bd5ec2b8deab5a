"""Apply flow of `apply` and `destroy`: plan, ask for approval, apply, report, exit code."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct, field

from ftops.applying import events
from ftops.applying.run import Report, Settings
from ftops.cli.apply_reporter import Reporter, Show, make_reporter, reporting
from ftops.cli.arguments import SpecArguments
from ftops.cli.console import INTERRUPTED, Screen
from ftops.cli.interrupts import Interrupts
from ftops.cli.locking import locked
from ftops.cli.options import PlanArguments
from ftops.cli.plan_flow import make_plan, read_for
from ftops.config.config import Config
from ftops.core.errors import Blocked, Diagnostic
from ftops.planning.plan import Mode, Plan
from ftops.planning.saved.plan_file import SavedPlan, plan_digest
from ftops.session.saved_plans import revalidate
from ftops.session.session import Session

EXIT_CODES: Mapping[str, int] = {"done": 0, "failed": 1, "in-progress": 4, "interrupted": INTERRUPTED}
"""Report.result → exit code."""


_RENEWED = (
    "The state was rewritten as `encryption` says; `fallback` and `accept_plain` aren't needed any more. "
    "Older versions stay as they were written."
)


class ApplyOptions(Struct, frozen=True):
    """What the command line asks of an apply."""

    operation: str
    spec: SpecArguments
    request: PlanArguments
    approved: bool
    wait: bool = True
    expect_digest: str | None = None
    """Refuse any plan but that of this digest; it has been approved."""
    saved: SavedPlan | None = None
    """Do this, instead of what would be planned now."""
    lock_timeout: float = 0.0
    """Seconds to wait for another run to end."""

    @property
    def again(self) -> str:
        """The command that goes on after an interrupt."""
        return self.spec.command(self.operation)

    @property
    def planned_at(self) -> str:
        """When the plan was saved that is applied; empty where it is made now."""
        return self.saved.origin.at if self.saved else ""


def carry_out(screen: Screen, options: ApplyOptions) -> int:
    """The exit code."""
    config, warnings = read_for(options.spec, options.request)
    watched = _Watched()
    reporter = make_reporter(screen, options.operation)
    try:
        return _carry_out(screen, options, config, warnings, reporter, watched)
    except KeyboardInterrupt:
        screen.keeps_going = True
        if not watched.has_begun:
            screen.fail([Diagnostic("interrupted", "nothing was changed.")], INTERRUPTED)
            return INTERRUPTED
        reporter.left(watched.open, options.again, INTERRUPTED, at_once=True)
        return INTERRUPTED


def _carry_out(
    screen: Screen,
    options: ApplyOptions,
    config: Config,
    warnings: tuple[Diagnostic, ...],
    reporter: Reporter,
    watched: _Watched,
) -> int:
    with (
        Session.open(config) as session,
        locked(screen, session, options.operation, options.lock_timeout) as interrupts,
    ):
        made = _plan(session, options, screen)
        session.confirm_lock()
        reporter.plan(made, warnings)
        if made.is_blocked:
            raise Blocked(made.findings)
        _check_digest(made, options.expect_digest)
        if made.is_empty:
            report = _keep_records(session, made, options, screen)
        elif options.approved or options.expect_digest or _is_approved(screen, options, made):
            screen.keeps_going = True
            report = _run(session, made, options, reporter, watched, interrupts)
        else:
            return 1
        code = EXIT_CODES[report.result]
        reporter.ended(report, session.outputs() if made.mode is Mode.NORMAL else {}, code)
    if report.result in ("in-progress", "interrupted"):
        reporter.left(watched.left, options.again, code, at_once=False)
    return code


def _plan(session: Session, options: ApplyOptions, screen: Screen) -> Plan:
    if options.saved is None:
        return make_plan(session, options.request, screen)
    return revalidate(
        session,
        options.saved,
        parallelism=options.request.parallelism,
        on_progress=screen.counter("Refreshing resource"),
    )


def _check_digest(made: Plan, expected: str | None) -> None:
    if expected is None or expected == (found := plan_digest(made)):
        return
    raise Blocked(
        [
            Diagnostic(
                "this isn't the expected plan",
                f"Its digest is {found}. The plan differs in what it does or where: the spec, "
                "its data, existing objects, an account, the state or input variables have changed.",
                "review the plan above, and pass its digest if it is what you want",
            )
        ]
    )


def _keep_records(session: Session, made: Plan, options: ApplyOptions, screen: Screen) -> Report:
    """Nothing to do at the service; what was found there is recorded all the same, and so is what is recorded
    already if the spec says otherwise how."""
    if made.entries:
        return session.apply(made, Settings(), lambda event: None, planned_at=options.planned_at)
    if session.renew_encryption():
        screen.note(f"{_RENEWED}\n")
    return Report("done", session.state, {})


def _run(
    session: Session,
    made: Plan,
    options: ApplyOptions,
    reporter: Reporter,
    watched: _Watched,
    interrupts: Interrupts,
) -> Report:
    settings = Settings(parallelism=options.request.parallelism, wait=options.wait)
    with reporting(reporter) as show:
        emit = watched.watching(show)
        return session.apply(made, settings, emit, interrupts.watch, planned_at=options.planned_at)


def _is_approved(screen: Screen, options: ApplyOptions, made: Plan) -> bool:
    destroys = made.mode is Mode.DESTROY
    warning = "This deletes everything that is listed above. It can't be undone.\n" if destroys else ""
    hint = f"review the plan, then run with -y: `{options.again} -y`"
    if not screen.is_interactive and not screen.json:
        screen.text("\n")
    return screen.approve("Apply these changes?", options.operation, hint, f"\n{warning}")


class _Watched(Struct):
    """What is under way, by step: told when a run ends before it does."""

    has_begun: bool = False
    open: dict[str, str] = field(default_factory=dict)
    left: dict[str, str] = field(default_factory=dict)
    """Still in progress at the service, with the remote id."""

    def watching(self, show: Show) -> Show:
        def take(event: events.Event) -> None:
            self._take(event)
            show(event)

        return take

    def _take(self, event: events.Event) -> None:
        match event:
            case events.RunStarted():
                self.has_begun = True
            case events.ChangeStarted(step=step):
                self.open[step] = ""
            case events.ChangeFinished(step=step) | events.ChangeFailed(step=step):
                self.open.pop(step, None)
            case events.ChangeLeft(step=step, remote_id=remote_id):
                self.left[step] = remote_id

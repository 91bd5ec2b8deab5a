"""Apply flow of `apply` and `destroy`: plan, ask for approval, apply, report, exit code."""

from __future__ import annotations

import os
from collections.abc import Mapping

from msgspec import Struct, field
from msgspec.structs import replace

from ftops.applying import events
from ftops.applying.run import Report, Settings
from ftops.cli.apply_reporter import JsonReporter, Reporter, Show, TextReporter
from ftops.cli.console import HELD, INTERRUPTED, Screen
from ftops.cli.options import PlanArguments
from ftops.cli.plan_flow import REFRESHING, make_plan, read_for
from ftops.cli.sessions import Interrupts, locked
from ftops.cli.spec_args import SpecArguments
from ftops.cli.switches import CI, is_on
from ftops.config.config import Config
from ftops.core.errors import Blocked, Diagnostic
from ftops.core.resource_types import kind_of
from ftops.planning.plan import Mode, Plan
from ftops.planning.saved.plan_digest import plan_digest
from ftops.planning.saved.plan_file import SavedPlan
from ftops.session.apply import apply_plan, sets_expiry, superseded_grants
from ftops.session.grants import Rest, goes_on_with, grant_of, plan_rest
from ftops.session.saved_plans import check_subject, revalidate, save
from ftops.session.session import Session
from ftops.state.state import Grant
from ftops.views.grants import described, superseded

EXIT_CODES: Mapping[str, int] = {
    "done": 0,
    "failed": 1,
    "in-progress": 4,
    "held": HELD,
    "interrupted": INTERRUPTED,
}
"""Report.result → exit code."""


_TITLES: Mapping[str, str] = {"promote": "Promotion"}
"""What a run is called, if not like its command."""


class ApplyOptions(Struct, frozen=True):
    """What the command line asks of an apply."""

    operation: str
    spec: SpecArguments
    request: PlanArguments
    approved: bool
    wait: bool = True
    expect_digest: str | None = None
    """Refuse any other plan; the one with this digest has been approved."""
    saved: SavedPlan | None = None
    """Apply this plan instead of a new one."""
    lock_timeout: float = 0.0
    """Seconds to wait for another run to end."""
    limit: int | None = None
    """Of a Markdown document, in bytes."""
    arguments: tuple[str, ...] = ()
    """Quoted words of the command line beside those of the spec."""

    @property
    def resume_command(self) -> str:
        """The command that continues after an interrupt: under the approval, if the plan was named."""
        if self.saved is not None or self.expect_digest is not None:
            return self.spec.command("reconcile")
        return self.spec.command(" ".join((self.operation, *self.arguments)))

    @property
    def is_whole(self) -> bool:
        """Whether the plan is of the whole spec."""
        chosen = self.request.options
        return not (chosen.targets or chosen.excludes)

    @property
    def planned_at(self) -> str:
        """When the saved plan was created; empty for a new plan."""
        return self.saved.origin.at if self.saved else ""


def carry_out(screen: Screen, options: ApplyOptions) -> int:
    """The exit code."""
    config, warnings = read_for(options.spec, options.request)
    reporter = _reporter(screen, options)
    steps = Steps()
    try:
        return _Apply(screen, options, reporter, steps).carry_out(config, warnings)
    except KeyboardInterrupt:
        screen.keeps_going = True
        if not steps.has_begun:
            screen.fail([Diagnostic("interrupted", "nothing was changed.")], INTERRUPTED)
        else:
            reporter.left(steps.open, options.resume_command, INTERRUPTED, at_once=True)
        return INTERRUPTED


def _reporter(screen: Screen, options: ApplyOptions) -> Reporter:
    title = _TITLES.get(options.operation, options.operation.capitalize())
    if screen.json:
        return JsonReporter(screen)
    if screen.markdown:
        from ftops.cli.markdown_reporter import MarkdownReporter

        return MarkdownReporter(screen, title, options.limit)
    return TextReporter(screen, title)


class _Apply(Struct, frozen=True):
    """One run of apply or destroy."""

    screen: Screen
    options: ApplyOptions
    reporter: Reporter
    steps: Steps

    def carry_out(self, config: Config, warnings: tuple[Diagnostic, ...]) -> int:
        screen, options = self.screen, self.options
        with (
            Session.open(config) as session,
            locked(screen, session, options.operation, options.lock_timeout) as interrupts,
        ):
            rest = self._rest(session)
            if rest is not None:
                self.screen.note(f"Continues {described(rest.grant)}\n\n")
            plan = rest.plan if rest else self._plan(session)
            session.confirm_lock()
            self.reporter.plan(plan, warnings)
            if plan.is_blocked:
                raise Blocked(plan.findings)
            if rest is None and options.expect_digest is not None:
                _check_digest(plan, options.expect_digest)
                plan = plan.to_approve
            grant = rest.grant if rest else self._grant(session, plan)
            session = rest.session if rest else session
            if plan.is_empty and rest is None:
                report = self._keep_records(session, plan)
            elif options.approved or options.expect_digest or self._is_approved(plan):
                self._tell_superseded(session, plan)
                screen.keeps_going = True
                report = self._run(session, plan, grant, interrupts)
            else:
                return 1
            code = EXIT_CODES[report.result]
            self.reporter.ended(report, session.outputs() if plan.mode is Mode.NORMAL else {}, code)
            if report.result == "done":
                self._show_next(session, plan)
        if report.result in ("in-progress", "interrupted"):
            watch = f"{options.spec.command('jobs')} --follow" if self.steps.is_training else ""
            self.reporter.left(self.steps.left, options.resume_command, code, watch)
        return code

    def _show_next(self, session: Session, plan: Plan) -> None:
        """What to do with what was made, or where something is left, for somebody at a terminal."""
        if not self.screen.is_live or is_on(CI, os.environ):
            return
        from ftops.cli.next_steps import kept_files, next_steps

        if plan.mode is Mode.DESTROY and plan.changes and not session.state.resources:
            self.screen.text(f"\nKept: {', '.join(kept_files(session))}.\n")
        if self.options.operation != "apply" or plan.mode is not Mode.NORMAL:
            return
        separator = "\n      "
        if steps := next_steps(session, plan, self.options.spec):
            self.screen.text(f"\nNext: {separator.join(steps)}\n")

    def _rest(self, session: Session) -> Rest | None:
        """What is left of the plan, if a run has begun to apply it under its approval. What failed is made
        again: the plan was named."""
        options = self.options
        saved, expected = options.saved, options.expect_digest
        digest = plan_digest(saved.plan) if saved else expected
        grant = session.state.grants.get(digest) if digest and expected in (None, digest) else None
        if grant is None:
            return None
        if saved is not None:
            check_subject(session.config, saved)
        counter = self.screen.counter("Refreshing resource")
        parallelism = options.request.parallelism
        return plan_rest(
            session, grant, lambda: session.config, retry=True, parallelism=parallelism, on_progress=counter
        )

    def _tell_superseded(self, session: Session, plan: Plan) -> None:
        is_whole = self.options.is_whole
        if not session.is_continuing:
            for grant in superseded_grants(session, plan, is_whole=is_whole):
                goes_on = is_whole and goes_on_with(session, plan, grant)
                self.screen.note(f"\n{superseded(grant, goes_on=goes_on)}\n")

    def _grant(self, session: Session, plan: Plan) -> Grant | None:
        """The approval to record: of a plan that was approved by its digest, or that isn't waited for."""
        options = self.options
        if options.saved is not None:
            return grant_of(session, replace(options.saved, plan=plan))
        if options.expect_digest is None and options.wait:
            return None
        spec, request = options.spec, options.request
        saved = save(
            session, plan.to_approve, spec.path, spec.variable_files, request.options, request.refresh
        )
        return grant_of(session, saved)

    def _plan(self, session: Session) -> Plan:
        request, saved = self.options.request, self.options.saved
        if saved is None:
            return make_plan(session, request, self.screen.counter(REFRESHING))
        counter = self.screen.counter("Refreshing resource")
        return revalidate(session, saved, parallelism=request.parallelism, on_progress=counter)

    def _keep_records(self, session: Session, plan: Plan) -> Report:
        """An empty plan: records what was found at the service and when the environment expires, or writes
        the state again if its encryption has changed in the spec."""
        if plan.entries or (sets_expiry(session) and plan.mode is Mode.NORMAL):
            at = self.options.planned_at
            return apply_plan(session, plan, Settings(), lambda event: None, planned_at=at)
        if session.renew_encryption():
            self.screen.note(
                "The state was rewritten as `encryption` says; `fallback` and `accept_plain` aren't needed "
                "any more. Older versions stay as they were written.\n"
            )
        return Report("held" if plan.held else "done", session.state, {}, held=plan.held)

    def _run(self, session: Session, plan: Plan, grant: Grant | None, interrupts: Interrupts) -> Report:
        options = self.options
        settings = Settings(parallelism=options.request.parallelism, wait=options.wait)
        if session.config.reads and not session.is_continuing:
            from ftops.session.other_states import check_reads

            check_reads(session.config, os.environ)
        with self.reporter.running(plan) as show:
            return apply_plan(
                session,
                plan,
                settings,
                self.steps.recorded(show),
                interrupts.watch,
                planned_at=options.planned_at,
                grant=grant,
                is_whole=options.is_whole and not session.is_continuing,
            )

    def _is_approved(self, plan: Plan) -> bool:
        screen, options = self.screen, self.options
        destroys = plan.mode is Mode.DESTROY
        warning = "This deletes everything that is listed above. It can't be undone.\n" if destroys else ""
        hint = f"review the plan, then run with -y: `{options.resume_command} -y`"
        if not screen.is_interactive and not (screen.json or screen.markdown):
            screen.text("\n")
        question = "Delete these objects?" if destroys else "Apply these changes?"
        return screen.approve(question, options.operation, hint, f"\n{warning}")


def _check_digest(plan: Plan, expected: str) -> None:
    if expected == (digest := plan_digest(plan)):
        return
    raise Blocked(
        [
            Diagnostic(
                "this isn't the expected plan",
                f"Its digest is {digest}. The plan differs in what it does or where: the spec, "
                "its data, existing objects, an account, the state or input variables have changed.",
                "review the plan above, and pass its digest if it is what you want",
            )
        ]
    )


class Steps(Struct):
    """Steps in progress, for the message after an interrupt."""

    has_begun: bool = False
    open: dict[str, str] = field(default_factory=dict)
    left: dict[str, str] = field(default_factory=dict)
    """Still in progress at the service, with the remote id."""
    is_training: bool = False
    """Whether one of these is a job that goes on by itself."""

    def recorded(self, show: Show) -> Show:
        """The same, and what it shows is recorded here."""

        def record(event: events.Event) -> None:
            match event:
                case events.RunStarted():
                    self.has_begun = True
                case events.ChangeStarted(step=step):
                    self.open[step] = ""
                case (
                    events.ChangeFinished(step=step)
                    | events.ChangeFailed(step=step)
                    | events.ChangeHeld(step=step)
                    | events.ChangeStopped(step=step)
                ):
                    self.open.pop(step, None)
                case events.ChangeLeft(step=step, address=address, remote_id=remote_id, message=paused):
                    self.left[step] = remote_id
                    self.is_training |= kind_of(address).trains and not paused
            show(event)

        return record

"""ftops reconcile"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import click
from msgspec import Struct
from msgspec.structs import replace

from ftops.applying.run import Report, Settings
from ftops.cli.apply_flow import Steps
from ftops.cli.apply_reporter import Show, TextReporter
from ftops.cli.console import INTERRUPTED, Screen
from ftops.cli.options import Moment, parallelism_option, spec_options
from ftops.cli.sessions import Interrupts, lock_option, locked
from ftops.cli.spec_args import SpecArguments, read_to_destroy, read_with_data
from ftops.config.config import Config
from ftops.core.address import Address
from ftops.core.dag import closure, reverse
from ftops.core.dag_executor import NodeResult
from ftops.core.errors import Diagnostic, FtopsError, StateError, UsageError
from ftops.core.hosting_hours import hours_of
from ftops.core.provider_types import PROVIDER_TYPES
from ftops.core.resource_types import RESOURCE_TYPES
from ftops.planning.plan import Action, Change, Plan
from ftops.session.apply import apply_plan
from ftops.session.grants import GrantRefused, Rest, expiry, plan_rest
from ftops.session.hosting import Switching, due, plan_switching
from ftops.session.session import Session
from ftops.session.training import percent_done
from ftops.state.state import Grant
from ftops.views import progress
from ftops.views.grants import Continued, Switched, described, draw, exit_code, to_document


@click.command("reconcile")
@click.option("--retry", is_flag=True, help="Make again what failed, such as a training. It costs again.")
@click.option(
    "--wait/--no-wait",
    default=False,
    help="Wait for jobs until they end; by default, exit with 4 while jobs are running.",
)
@click.option(
    "--as-of",
    type=Moment(),
    metavar="TIME",
    help="For a rehearsal in the embedded cloud: hosting hours as at this time, such as 2027-04-14T08:00Z.",
)
@parallelism_option
@lock_option
@spec_options
def command(
    screen: Screen,
    spec: SpecArguments,
    retry: bool,
    wait: bool,
    as_of: datetime | None,
    parallelism: int,
    lock_timeout: float,
) -> int:
    """Continue what was approved and isn't done yet: for a schedule in CI.

    An apply of a saved plan, of a digest, or with --no-wait records its approval in the state. This
    command goes on with what is left of it, from the plan and spec of that time, until it is done, or
    the approval expires. A newer apply of the same resources ends it. Deployments with hosting hours
    are created at their beginning and deleted at their end.
    """
    config = read_to_destroy(spec)
    flow = _Reconcile(screen, spec, Settings(parallelism, wait), retry)
    switched: list[Switched] = []
    try:
        with Session.open(config) as session:
            if as_of is not None:
                _check_rehearsal(config)
                session = replace(session, wall_clock=lambda: as_of)
            found = list(flow.continued(session, lock_timeout))
            if all(one.result != "interrupted" for one in found):
                switched = flow.switched(session, lock_timeout)
    except KeyboardInterrupt:
        screen.keeps_going = True
        said = "jobs in progress go on at the service, and the next `ftops reconcile` continues."
        screen.fail([Diagnostic("interrupted", said)], INTERRUPTED)
        return INTERRUPTED
    results: list[Continued | Switched] = [*found, *switched]
    for one in results:
        if one.diagnostics and not screen.json:
            screen.fail(one.diagnostics, exit_code([one]))
    retrying = " ".join((spec.command("reconcile"), "--retry"))
    screen.result(
        lambda: to_document(found, switched, config.name, config.environment),
        lambda: draw(found, switched, retrying, screen.paint),
    )
    return exit_code(results)


def _check_rehearsal(config: Config) -> None:
    """Raises UsageError if hours at another time than now would have an effect in a real account."""
    real = [p.name for p in config.providers.values() if not PROVIDER_TYPES[p.type].is_rehearsal]
    if real:
        detail = f"the provider {real[0]} is an account that bills by the hour."
        raise UsageError("--as-of is for a rehearsal in the embedded cloud", detail, "leave it out")


class _Reconcile(Struct, frozen=True):
    """One run of reconcile."""

    screen: Screen
    spec: SpecArguments
    settings: Settings
    retry: bool

    def continued(self, session: Session, lock_timeout: float) -> Iterator[Continued]:
        """Every grant, in the order of approval. If none can be continued, the state is only read."""
        expired = {digest: expiry(grant) for digest, grant in session.state.grants.items()}
        if all(expired.values()):
            for digest, error in expired.items():
                found = error.diagnostics if error else ()
                yield Continued(session.state.grants[digest], "refused", diagnostics=found)
            return
        with locked(self.screen, session, "reconcile", lock_timeout) as interrupts:
            for digest in sorted(session.state.grants, key=lambda d: session.state.grants[d].at):
                grant = session.state.grants.get(digest)
                if grant is None:
                    continue
                one = self._continue(session, grant, interrupts)
                yield one
                if one.result == "interrupted":
                    return
                session.reread()

    def switched(self, session: Session, lock_timeout: float) -> list[Switched]:
        """Creates and deletes deployments by their recorded hosting hours. If none is due, the state is only
        read."""
        if not due(session):
            return []
        with locked(self.screen, session, "reconcile", lock_timeout) as interrupts:
            addresses = due(session)
            told = {address: _told(session, address) for address in addresses}
            switching = plan_switching(session, addresses, self.settings.parallelism)
            session.confirm_lock()
            report = self._run(switching, interrupts)
            failed = {failure.address: failure.error for failure in report.failures}
            ended = {address: report.fates.get(str(address), NodeResult.DONE) for address in addresses}
            found = []
            for address in addresses:
                error = switching.refused.get(address) or failed.get(address)
                result = "done" if ended[address] is NodeResult.DONE else "interrupted"
                result = "refused" if address in switching.refused else "failed" if error else result
                diagnostics = error.diagnostics if error else ()
                found.append(Switched(address, *told[address], result, diagnostics))
        session.reread()
        return found

    def _run(self, switching: Switching, interrupts: Interrupts) -> Report:
        screen, plan = self.screen, switching.plan
        if not (plan.changes or plan.entries):
            return Report("done", switching.session.state, {})
        screen.keeps_going = True

        def apply(show: Show) -> Report:
            return apply_plan(switching.session, plan, self.settings, show, interrupts.watch)

        if screen.json:
            return apply(lambda event: None)
        with TextReporter(screen, "Reconcile").running() as show:
            return apply(show)

    def _continue(self, session: Session, grant: Grant, interrupts: Interrupts) -> Continued:
        screen, parallelism = self.screen, self.settings.parallelism
        counter = screen.counter("Refreshing resource")
        try:
            rest = plan_rest(
                session,
                grant,
                self._with_files,
                retry=self.retry,
                parallelism=parallelism,
                on_progress=counter,
            )
        except StateError:
            raise
        except FtopsError as error:
            result = "refused" if error.exit_code == GrantRefused.exit_code else "failed"
            return Continued(grant, result, diagnostics=error.diagnostics)
        session.confirm_lock()
        plan, failed = rest.plan, tuple(map(str, rest.residual.failed if not self.retry else ()))
        known: dict[str, Any] = {"failed": failed, "held": plan.held, "warnings": plan.warnings}
        if not plan.changes and (failed or plan.held):
            return Continued(grant, "failed" if failed else "held", **known)
        if not self.settings.wait and (running := _all_running(plan)):
            left = {change.step: change.remote_id for change in running}
            waiting = tuple(change.step for change in plan.changes if change.step not in left)
            paused = (c for c in running if "in progress" not in c.reason.text)
            known["warnings"] += tuple(f"{change.address}: {change.reason.text}" for change in paused)
            percent = {change.step: percent_done(session, change.address) for change in running}
            known["progress"] = {step: value for step, value in percent.items() if value is not None}
            return Continued(grant, "failed" if failed else "in-progress", left, waiting, **known)
        return self._applied(rest, failed, interrupts)

    def _applied(self, rest: Rest, failed: tuple[str, ...], interrupts: Interrupts) -> Continued:
        screen, steps, reporter = self.screen, Steps(), TextReporter(self.screen, "Reconcile")
        screen.keeps_going = True
        screen.note(f"{described(rest.grant)}\n")

        def apply(show: Show) -> Report:
            return apply_plan(
                rest.session,
                rest.plan,
                self.settings,
                steps.recorded(show),
                interrupts.watch,
                grant=rest.grant,
                completes=not failed,
            )

        if screen.json:
            report = apply(lambda event: None)
        else:
            with reporter.running(rest.plan) as show:
                report = apply(show)
        failed = (*failed, *(str(failure.address) for failure in report.failures))
        result = "failed" if failed and report.result != "interrupted" else report.result
        not_done = {step for step, fate in report.fates.items() if fate.value in ("skipped", "waiting")}
        return Continued(
            rest.grant,
            result,
            dict(steps.left),
            tuple(sorted(not_done - steps.left.keys())),
            tuple(dict.fromkeys(failed)),
            report.held,
            rest.plan.warnings,
            tuple(progress.failures(report)),
        )

    def _with_files(self) -> Config:
        return read_with_data(self.spec)[0]


def _told(session: Session, address: Address) -> tuple[bool, str]:
    """Whether a deployment is to exist now, and until when."""
    hours, now = hours_of(session.state.resources[address].inputs), session.wall_clock()
    assert hours is not None  # noqa: S101 - it is due
    return hours.is_on(now), f"{hours.until_text(now)} {hours.zone}"


def _all_running(plan: Plan) -> list[Change]:
    """The jobs that are still in progress, as was just read, if everything else waits for them: then there
    is nothing to do or to record."""
    running = [change for change in plan.changes if _is_running(change)]
    after = closure((change.step for change in running), reverse(plan.waits_for))
    return running if all(change.step in after for change in plan.changes) else []


def _is_running(change: Change) -> bool:
    is_long = RESOURCE_TYPES[change.address.kind].long_running
    return is_long and change.action is Action.RESUME and change.reason.code == "pending"

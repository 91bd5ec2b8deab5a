"""Reporter: emits an event for everything that happens to a run or to one of its steps.

Reads the live state and decides nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from msgspec import Struct

from ftops.applying import events
from ftops.applying.provider_calls import ProviderCalls, Step
from ftops.core.dag_executor import NodeResult
from ftops.core.errors import FtopsError, Temporary
from ftops.core.timestamps import iso_timestamp
from ftops.planning.plan import Action, Plan
from ftops.providers.base import Progress
from ftops.providers.redaction import Redaction

SHOW_EVERY = 0.1
"""Seconds between two progress events of one running call."""


class EventEmitter(Struct, frozen=True):
    """For one run, which began at `since` by the clock of its context."""

    calls: ProviderCalls
    redaction: Redaction
    since: float

    def run_started(self, plan: Plan) -> None:
        self._emit(events.RunStarted, plan.spec, plan.environment, len(plan.changes))

    def started(self, step: Step) -> None:
        self._emit_step(events.ChangeStarted, step, step.change.action.value)

    def noticed(self, step: Step, note: object) -> None:
        """Progress of a running call. An upload reports every block: only some are shown."""
        now = self.calls.context.clock.now()
        if isinstance(note, Progress) and (note.percent == 100 or now - step.shown >= SHOW_EVERY):
            step.shown = now
            self.progress(step, note)

    def progress(self, step: Step, line: Progress) -> None:
        message, percent = self.redaction.text(line.message), self._percent(step, line)
        self._emit_step(events.ChangeProgress, step, message, self._elapsed(step), percent, line.metrics)

    def retried(self, step: Step, error: Temporary, wait: float) -> None:
        message = error.summary + (f" ({error.detail})" if error.detail else "")
        self._emit_step(events.ChangeRetried, step, message, step.attempts + 1, wait)

    def finished(self, step: Step, remote_id: str) -> None:
        action = step.change.action.value
        self._emit_step(events.ChangeFinished, step, action, remote_id, self._elapsed(step))

    def failed(self, step: Step, error: FtopsError) -> None:
        said = (error.summary, error.detail, error.hint)
        self._emit_step(events.ChangeFailed, step, step.change.action.value, *said, self._elapsed(step))

    def left(self, step: Step) -> None:
        recorded = self.calls.live.resources.get(step.change.address)
        remote_id = recorded.remote_id if recorded else ""
        self._emit_step(events.ChangeLeft, step, step.change.action.value, remote_id)

    def skipped(self, step: Step, because: str) -> None:
        self._emit_step(events.ChangeSkipped, step, step.change.action.value, because)

    def stopping(self, running: int) -> None:
        self._emit(events.StopRequested, running)

    def run_finished(self, plan: Plan, result: str, results: Mapping[str, NodeResult]) -> None:
        part = plan.limited_to({step for step, outcome in results.items() if outcome is NodeResult.DONE})
        count = list(results.values()).count
        self._emit(
            events.RunFinished,
            result=result,
            failed=count(NodeResult.FAILED),
            skipped=count(NodeResult.SKIPPED) + count(NodeResult.NOT_STARTED),
            elapsed=round(self.calls.context.clock.now() - self.since, 3),
            moved=len(plan.moves),
            settings=len(part.settings),
            **{Action(name).done: number for name, number in part.summary.items()},
        )

    def _percent(self, step: Step, line: Progress) -> float | None:
        """Of the steps of a training, if the service itself doesn't say how many there will be."""
        done = line.metrics.get("step")
        if line.percent is not None or done is None:
            return line.percent
        total = self.calls.training_steps(step)
        return round(min(100.0, 100 * done / total), 1) if total else None

    def _emit_step(self, event: Callable[..., events.Event], step: Step, *fields: object) -> None:
        self._emit(event, step.change.step, step.change.address, *fields)

    def _emit(self, event: Callable[..., events.Event], *fields: object, **named: object) -> None:
        context = self.calls.context
        context.emit(event(iso_timestamp(context.utc_now(), "milliseconds"), *fields, **named))

    def _elapsed(self, step: Step) -> float:
        started = self.since if step.started is None else step.started
        return round(self.calls.context.clock.now() - started, 3)

"""What a run tells the outside while it goes on: an event for each thing that happens to it or to a step.

Reads the live state, and decides nothing: whoever calls it has.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from msgspec import Struct
from msgspec.structs import replace

from ftops.applying import events
from ftops.applying.provider_calls import ProviderCalls, Step
from ftops.core.address import Reference
from ftops.core.dag_executor import NodeResult
from ftops.core.errors import FtopsError, Temporary
from ftops.core.timestamps import iso_timestamp
from ftops.planning.plan import Plan
from ftops.providers.base import Progress
from ftops.providers.redaction import Redaction

SHOW_EVERY = 0.1
"""Seconds between two reports of one running call."""


class EventEmitter(Struct, frozen=True):
    """Of one run, that began at `since` by the clock of its context."""

    turns: ProviderCalls
    redaction: Redaction
    since: float

    def run_started(self, plan: Plan) -> None:
        self._emit(events.RunStarted, plan.spec, plan.environment, len(plan.changes))

    def started(self, step: Step) -> None:
        change = step.change
        self._emit(events.ChangeStarted, change.step, change.address, change.action.value)

    def noticed(self, step: Step, note: object) -> None:
        """An upload reports every block: no more is shown than can be read."""
        now = self.turns.context.clock.now()
        if isinstance(note, Progress) and (note.percent == 100 or now - step.shown >= SHOW_EVERY):
            step.shown = now
            self.progress(step, note)

    def progress(self, step: Step, line: Progress) -> None:
        change = step.change
        self._emit(
            events.ChangeProgress,
            change.step,
            change.address,
            self.redaction.text(line.message),
            self._elapsed(step),
            self._percent(step, line),
            line.metrics,
        )

    def retried(self, step: Step, error: Temporary, wait: float) -> None:
        change = step.change
        message = error.summary + (f" ({error.detail})" if error.detail else "")
        self._emit(events.ChangeRetried, change.step, change.address, message, step.attempts + 1, wait)

    def finished(self, step: Step, remote_id: str) -> None:
        change = step.change
        self._emit(
            events.ChangeFinished,
            change.step,
            change.address,
            change.action.value,
            remote_id,
            self._elapsed(step),
        )

    def failed(self, step: Step, error: FtopsError) -> None:
        change = step.change
        self._emit(
            events.ChangeFailed,
            change.step,
            change.address,
            change.action.value,
            error.summary,
            error.detail,
            error.hint,
            self._elapsed(step),
        )

    def left(self, step: Step) -> None:
        change = step.change
        recorded = self.turns.live.resources.get(change.address)
        remote_id = recorded.remote_id if recorded else ""
        self._emit(events.ChangeLeft, change.step, change.address, change.action.value, remote_id)

    def skipped(self, step: Step, because: str) -> None:
        change = step.change
        self._emit(events.ChangeSkipped, change.step, change.address, change.action.value, because)

    def stopping(self, running: int) -> None:
        self._emit(events.StopRequested, running)

    def run_finished(self, plan: Plan, result: str, fates: Mapping[str, NodeResult]) -> None:
        done = replace(
            plan, changes=tuple(c for c in plan.changes if fates[c.step] is NodeResult.DONE)
        ).summary
        undone = {c.address for c in plan.changes if fates[c.step] is not NodeResult.DONE}
        count = list(fates.values()).count
        elapsed = self.turns.context.clock.now() - self.since
        self._emit(
            events.RunFinished,
            result,
            done.create,
            done.update,
            done.replace,
            done.delete,
            done.adopt,
            count(NodeResult.FAILED),
            count(NodeResult.SKIPPED) + count(NodeResult.NOT_STARTED),
            round(elapsed, 3),
            len(plan.moves),
            done.resume,
            done.restore,
            done.forget,
            sum(setting.address not in undone for setting in plan.settings),
        )

    def _percent(self, step: Step, line: Progress) -> float | None:
        """Of a training's steps, where the service itself doesn't say how many there will be."""
        done = line.metrics.get("step")
        if line.percent is not None or done is None:
            return line.percent
        training = step.change.after.get("training")
        resources = self.turns.live.resources
        data = resources.get(training.address) if isinstance(training, Reference) else None
        recorded = self.turns.recorded(step)
        total = training_steps(
            data.outputs.get("examples") if data else None,
            recorded.inputs.get("hyperparameters"),
            recorded.outputs.get("hyperparameters"),
        )
        return round(min(100.0, 100 * done / total), 1) if total else None

    def _emit(self, event: Callable[..., events.Event], *fields: object) -> None:
        context = self.turns.context
        context.emit(event(iso_timestamp(context.utc_now(), "milliseconds"), *fields))

    def _elapsed(self, step: Step) -> float:
        started = self.since if step.started is None else step.started
        return round(self.turns.context.clock.now() - started, 3)


def training_steps(examples: object, *hyperparameters: object) -> int | None:
    """Epochs times batches, from what was asked or, better, from what the service resolved (-1: not yet)."""
    known = {
        name: value
        for values in hyperparameters
        if isinstance(values, Mapping)
        for name, value in values.items()
        if isinstance(value, int) and value > 0
    }
    epochs, batch = known.get("n_epochs"), known.get("batch_size")
    if not (epochs and batch and isinstance(examples, int)):
        return None
    return epochs * -(-examples // batch)

"""Reporter: emits an event for everything that happens to a run or to one of its steps.

Reads the live state and decides nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from msgspec import Struct

from ftops.applying import events
from ftops.applying.provider_calls import ProviderCalls, Step
from ftops.core.dag_executor import NodeResult
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

    def noticed(self, step: Step, note: object) -> None:
        """Progress of a running call. An upload reports every block: only some are shown."""
        now = self.calls.context.clock.now()
        if isinstance(note, Progress) and (note.percent == 100 or now - step.shown >= SHOW_EVERY):
            step.shown = now
            self.progress(step, note)

    def progress(self, step: Step, line: Progress) -> None:
        message, percent = self.redaction.text(line.message), self._percent(step, line)
        self.step(events.ChangeProgress, step, message, self.elapsed(step), percent, line.metrics)

    def run_finished(self, plan: Plan, result: str, results: Mapping[str, NodeResult]) -> None:
        part = plan.limited_to({step for step, outcome in results.items() if outcome is NodeResult.DONE})
        count = list(results.values()).count
        self.emit(
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

    def step(self, event: Callable[..., events.Event], step: Step, *fields: object) -> None:
        """Emits an event of a step, with these fields of it."""
        action = (step.change.action.value,) if event in _OF_ACTIONS else ()
        self.emit(event, step.change.step, step.change.address, *action, *fields)

    def emit(self, event: Callable[..., events.Event], *fields: object, **named: object) -> None:
        context = self.calls.context
        context.emit(event(iso_timestamp(context.utc_now(), "milliseconds"), *fields, **named))

    def elapsed(self, step: Step) -> float:
        started = self.since if step.started is None else step.started
        return round(self.calls.context.clock.now() - started, 3)


_OF_ACTIONS = frozenset(events.ActionEvent.__subclasses__())
"""Events that say what a step does."""

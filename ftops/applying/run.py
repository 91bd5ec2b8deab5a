"""Apply: (Plan, State, journal, providers) → Report. Executes the steps of a plan; decides nothing.

One thread owns the state and the journal; workers make the calls and hand back their results. Before a call
that could create something, its intent (`Begun`) is in the journal, on disk. If the reply to a call is lost,
the object is searched by its token before anything is created again.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping

from msgspec import Struct

from ftops.applying import events
from ftops.applying.outcomes import EventEmitter, Failure, OutcomeHandler
from ftops.applying.provider_calls import Context, ProviderCalls, Room, Step
from ftops.config.outputs import OutputValue
from ftops.config.sweeps import choice_of, used_sweeps
from ftops.core.address import encode, references
from ftops.core.dag_executor import Call, DagExecutor, Executor, Inline, NodeResult, Outcome, Threads
from ftops.planning.plan import CREATING, OLD, Held, Plan
from ftops.planning.refresh import Reader
from ftops.providers.base import all_instant
from ftops.providers.redaction import redaction
from ftops.state.backends.base import Journal
from ftops.state.entries import Begun, Entry, OutputsRecorded, Recorded
from ftops.state.live_state import LiveState
from ftops.state.state import State, Status


class Settings(Struct, frozen=True):
    """How to apply. `wait=False`: long-running jobs are submitted and left running."""

    parallelism: int = 10
    wait: bool = True
    retry_base: float = 1.0
    """Seconds before the second try; doubles with each."""


class Report(Struct, frozen=True):
    """The end of a run. `result` is done, failed, held, in-progress or interrupted."""

    result: str
    state: State
    fates: Mapping[str, NodeResult]
    failures: tuple[Failure, ...] = ()
    held: tuple[Held, ...] = ()
    """What a gate kept from being made."""


class Apply:
    """One run. `stop()` may be called from a signal handler."""

    def __init__(
        self, plan: Plan, state: State, journal: Journal, context: Context, settings: Settings
    ) -> None:
        self._plan = plan
        self._live = LiveState(state)
        self._journal = journal
        self._context = context
        self._settings = settings
        self._steps = {change.step: Step(change) for change in plan.changes}
        # Calls that take no time need no thread.
        local = all_instant(context.providers, plan.providers_of())
        pool: Executor = Inline() if local else Threads(settings.parallelism)
        self._awaited: dict[str, int] = {}
        """By kind, the number of steps that wait for room, as last told."""
        self._executor = DagExecutor(plan.waits_for, self, pool, context.clock, settings.parallelism)
        stopping = None
        if plan.stops:
            from ftops.applying.stopping import Stopping  # few plans have any

            anew = (change.address for change in plan.changes if change.action in CREATING)
            stopping = Stopping(plan.stops, self._live, context.price, anew)
        successors = {f"{change.step}{OLD}": change for change in plan.changes}
        self._calls = ProviderCalls(
            self._live, context, self._executor.say, plan.sweeps, stopping, successors
        )
        self._untold = dict(plan.sweeps)
        """The sweeps whose best job wasn't told yet."""
        clean = redaction(context.secrets)
        self._reporter = EventEmitter(self._calls, clean, context.clock.now())
        self._outcomes = OutcomeHandler(
            self._calls, self._reporter, clean, settings.wait, settings.retry_base
        )

    def run(self, outputs: Callable[[State], Mapping[str, OutputValue]]) -> Report:
        """Executes the plan. Raises StateError if the journal can't be written: nothing more is started then,
        and what was started is recorded."""
        plan = self._plan
        self._reporter.emit(events.RunStarted, plan.spec, plan.environment, len(plan.changes))
        self._write(plan.entries)
        if self._calls.stopping:
            settings, context = self._settings, self._context
            self._calls.stopping.read(
                Reader(context.providers, settings.parallelism, context.clock, settings.retry_base)
            )
        fates = self._executor.run()
        for node in (node for node, fate in fates.items() if fate is NodeResult.LEFT):
            recorded = self._live.resources.get(self._steps[node].change.address)
            remote_id = recorded.remote_id if recorded else ""
            self._reporter.step(events.ChangeLeft, self._steps[node], remote_id, self._steps[node].paused)
        self._record_outputs(outputs(self._live.freeze()))
        self._journal.sync()
        result = self._result(fates)
        held = (*plan.held, *self._outcomes.held)
        stopped = {node: step.off for node, step in self._steps.items() if step.is_stopped}
        never_started = {node for node, off in stopped.items() if off is not None}
        same = {node for node, step in self._steps.items() if step.stays} | never_started
        changed = {node: fate for node, fate in fates.items() if node not in same}
        self._reporter.run_finished(
            plan, result, changed, len(stopped) - len(never_started), len(never_started)
        )
        return Report(result, self._live.freeze(), fates, tuple(self._outcomes.failures), held)

    def stop(self) -> None:
        """Starts nothing new, lets running calls end, and leaves what is still in progress at the service."""
        self._executor.stop()

    # called by the executor

    def begin(self, nodes: Collection[str]) -> Iterable[tuple[str, Call]]:
        calls = [(node, self._call(self._steps[node])) for node in nodes]
        intents = [
            Begun(step.operation)
            for step in (self._steps[node] for node in nodes)
            if step.operation and not step.announced
        ]
        if intents:
            self._write(intents)
            if not all_instant(self._context.providers, (i.operation.provider for i in intents)):
                self._journal.sync()  # objects of a local provider exist only in this journal
            for intent in intents:
                self._steps[str(intent.operation.address)].announced = True
        return calls

    def outcomes(self, results: Collection[tuple[str, object]]) -> Iterable[tuple[str, Outcome]]:
        entries: list[Entry] = []
        try:
            outcomes = self._outcomes.of_results(self._steps, results, entries)
        finally:
            if entries:
                self._journal.append(entries)
            if self._calls.stopping and any(map(_is_to_be_cancelled, entries)):
                self._journal.sync()  # else a job that was cancelled could be trained again
        for node, result in results:
            if isinstance(result, Room) and self._settings.wait:
                self._tell_awaited(self._steps[node].change.address.kind, is_full=result.left <= 0)
        return outcomes

    def concurrency_key(self, node: str) -> str | None:
        change = self._steps[node].change
        own = self._context.providers(change.provider).concurrency_key(change.address)
        return self._calls.queue(change) if own is None else own

    def notice(self, node: str, note: object) -> None:
        self._reporter.noticed(self._steps[node], note)

    def stopping(self, running: int) -> None:
        self._reporter.emit(events.StopRequested, running)

    def needs(self, node: str, other: str) -> bool:
        return other not in self._steps[node].change.goes_on_without

    def skipped(self, node: str, because: str) -> None:
        self._reporter.step(events.ChangeSkipped, self._steps[node], because)

    def _tell_awaited(self, kind: str, *, is_full: bool) -> None:
        """How many steps wait for room, if that has changed."""
        steps = (step for step in self._steps.values() if step.change.address.kind == kind)
        count = sum(map(self._awaits_room, steps))
        if count != self._awaited.get(kind, 0) and (is_full or not count):
            self._awaited[kind] = count
            self._reporter.emit(events.PlacesAwaited, kind, count)

    def _awaits_room(self, step: Step) -> bool:
        """Whether room in its account is all that a step waits for."""
        fates, change = self._executor.fates, step.change
        if step.has_place or change.step in fates or self._calls.queue(change) is None:
            return False
        waits_for = self._executor.waits_for[change.step]
        return all(fates.get(w) is NodeResult.DONE for w in waits_for if w in self._steps)

    def _call(self, step: Step) -> Call:
        call = self._calls.next(step)
        if self._untold:
            self._tell_best(step)
        is_looking = not step.has_place and self._calls.queue(step.change) is not None
        if step.started is None and not (step.held or step.stays or is_looking):
            step.started = self._context.clock.now()
            self._reporter.step(events.ChangeStarted, step)
        return call

    def _tell_best(self, step: Step) -> None:
        """Which job of a sweep is the best, when that is known and before something is made of it."""
        for sweep in used_sweeps(step.change.after.values(), self._untold):
            if choice := choice_of(sweep, self._plan.sweeps, self._calls.result):
                del self._untold[sweep]
                self._reporter.emit(events.BestChosen, choice)

    def _record_outputs(self, values: Mapping[str, OutputValue]) -> None:
        known = {name: v for name, v in values.items() if not references(v.value)}
        outputs = {name: encode(v.value) for name, v in known.items() if not v.sensitive}
        if outputs != self._live.outputs:
            self._write([OutputsRecorded(outputs)])

    def _result(self, fates: Mapping[str, NodeResult]) -> str:
        found = set(fates.values())
        if self._executor.stopping and found - {NodeResult.DONE, NodeResult.FAILED, NodeResult.SKIPPED}:
            return "interrupted"
        if NodeResult.FAILED in found:
            return "failed"
        if NodeResult.HELD in found or self._plan.held:
            return "held"
        return "in-progress" if found & {NodeResult.LEFT, NodeResult.WAITING} else "done"

    def _write(self, entries: Collection[Entry]) -> None:
        for entry in entries:
            self._live.add(entry)
        if entries:
            self._journal.append(entries)


def _is_to_be_cancelled(entry: Entry) -> bool:
    """Whether it records that a rule stops a job in progress."""
    return (
        isinstance(entry, Recorded)
        and bool(entry.resource.stopped)
        and entry.resource.status is Status.PENDING
    )

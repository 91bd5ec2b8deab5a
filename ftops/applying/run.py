"""(Plan, State, journal, providers) → Report. Walks the plan; decides nothing.

One thread owns the state and the journal; turns are made by workers and come back as values. What could
create something is announced in the journal, on disk, before the call (`Begun`); a call whose reply was
lost is followed by a search for its token before anything is created again.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Protocol

from msgspec import Struct

from ftops.applying.outcomes import Failure, OutcomeHandler
from ftops.applying.provider_calls import Context, ProviderCalls, Step
from ftops.applying.reporter import EventEmitter
from ftops.config.outputs import OutputValue
from ftops.core.address import Value, encode, references
from ftops.core.dag_executor import Call, DagExecutor, Executor, Inline, NodeResult, Outcome, Threads
from ftops.planning.plan import Plan
from ftops.providers.base import all_instant
from ftops.providers.redaction import redaction
from ftops.state.state import Begun, Entry, LiveState, OutputsRecorded, State


class JournalLike(Protocol):
    """What apply needs of a journal: written at once, on disk after `sync`."""

    def append(self, entries: Iterable[Entry]) -> None: ...

    def sync(self) -> None: ...


class Settings(Struct, frozen=True):
    """How to apply. `wait=False`: what runs for hours is submitted and left."""

    parallelism: int = 10
    wait: bool = True
    retry_base: float = 1.0
    """Seconds before the second try; doubles with each."""


class Report(Struct, frozen=True):
    """What an apply came to. `result` is done, failed, in-progress or interrupted."""

    result: str
    state: State
    fates: Mapping[str, NodeResult]
    failures: tuple[Failure, ...] = ()


class Apply:
    """One run. `stop()` may be called from a signal handler."""

    def __init__(
        self, plan: Plan, state: State, journal: JournalLike, context: Context, settings: Settings
    ) -> None:
        self._plan = plan
        self._live = LiveState(state)
        self._journal = journal
        self._context = context
        self._settings = settings
        self._steps = {change.step: Step(change) for change in plan.changes}
        waits = {change.step: change.waits_for for change in plan.changes}
        self._walk: DagExecutor[str] = DagExecutor(
            waits, self, self._executor(), context.clock, settings.parallelism
        )
        self._turns = ProviderCalls(self._live, context, self._walk.say)
        clean = redaction(context.secrets)
        self._narration = EventEmitter(self._turns, clean, context.clock.now())
        self._judge = OutcomeHandler(self._turns, self._narration, clean, settings.wait, settings.retry_base)

    def run(self, outputs: Callable[[State], Mapping[str, OutputValue]]) -> Report:
        """Walks the plan. Raises StateError where the journal can't be written: then nothing more is
        started, and what was begun is on record."""
        plan = self._plan
        self._narration.run_started(plan)
        self._write(plan.entries)
        fates = self._walk.run()
        for node, fate in fates.items():
            if fate is NodeResult.LEFT:
                self._narration.left(self._steps[node])
        self._record_outputs(outputs(self._live.freeze()))
        self._journal.sync()
        result = self._result(fates)
        self._narration.run_finished(plan, result, fates)
        return Report(result, self._live.freeze(), fates, tuple(self._judge.failures))

    def stop(self) -> None:
        """Start nothing new; let running calls end; leave what waits at the service."""
        self._walk.stop()

    # what the walk asks

    def begin(self, nodes: Collection[str]) -> Iterable[tuple[str, Call]]:
        turns = [(node, self._turn(self._steps[node])) for node in nodes]
        intents = [
            Begun(step.operation)
            for step in (self._steps[node] for node in nodes)
            if step.operation and not step.announced
        ]
        if intents:
            self._write(intents)
            if not all_instant(self._context.providers, (i.operation.provider for i in intents)):
                self._journal.sync()  # what a local provider makes is in this journal and nowhere else
            for intent in intents:
                self._steps[str(intent.operation.address)].announced = True
        return turns

    def settle(self, results: Collection[tuple[str, object]]) -> Iterable[tuple[str, Outcome]]:
        verdicts: list[tuple[str, Outcome]] = []
        entries: list[Entry] = []
        try:
            for node, result in results:
                verdicts.append((node, self._judge.verdict(self._steps[node], result, entries)))
        finally:
            if entries:
                self._journal.append(entries)
        return verdicts

    def concurrency_key(self, node: str) -> str | None:
        step = self._steps[node]
        return self._context.providers(step.change.provider).concurrency_key(step.change.address)

    def notice(self, node: str, note: object) -> None:
        self._narration.noticed(self._steps[node], note)

    def stopping(self, running: int) -> None:
        self._narration.stopping(running)

    def skipped(self, node: str, because: str) -> None:
        self._narration.skipped(self._steps[node], because)

    def _executor(self) -> Executor:
        """Calls that take no time need no thread."""
        local = all_instant(self._context.providers, (change.provider for change in self._plan.changes))
        return Inline() if local else Threads(self._settings.parallelism)

    def _turn(self, step: Step) -> Call:
        if step.started is None:
            step.started = self._context.clock.now()
            self._narration.started(step)
        return self._turns.next(step)

    # the end

    def _record_outputs(self, values: Mapping[str, OutputValue]) -> None:
        outputs = {
            n: encode(v.value) for n, v in values.items() if not v.sensitive and not _is_unknown(v.value)
        }
        if outputs != self._live.outputs:
            self._write([OutputsRecorded(outputs)])

    def _result(self, fates: Mapping[str, NodeResult]) -> str:
        found = set(fates.values())
        if self._walk.stopping and found - {NodeResult.DONE, NodeResult.FAILED, NodeResult.SKIPPED}:
            return "interrupted"
        if NodeResult.FAILED in found:
            return "failed"
        return "in-progress" if NodeResult.LEFT in found else "done"

    def _write(self, entries: Collection[Entry]) -> None:
        for entry in entries:
            self._live.add(entry)
        if entries:
            self._journal.append(entries)


def _is_unknown(value: Value) -> bool:
    return any(True for _ in references(value))

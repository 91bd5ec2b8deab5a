"""(Plan, State, journal, providers) → Report. Walks the plan; decides nothing.

One thread owns the state and the journal; turns are made by workers and come back as values. What could
create something is announced in the journal, on disk, before the call (`Begun`); a call whose reply was
lost is followed by a search for its token before anything is created again.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Protocol

from msgspec import Struct
from msgspec.structs import replace

from ftops import events
from ftops.address import Address, Json, Reference, Value, encode, references
from ftops.errors import FtopsError, Permanent, Temporary
from ftops.kinds import RESOURCE_TYPES
from ftops.moments import iso
from ftops.outputs import OutputValue
from ftops.plan import Action, Plan
from ftops.providers.base import Progress, Unseen, all_local
from ftops.redaction import redaction
from ftops.state import (
    Begun,
    Entry,
    Failed,
    LiveState,
    OutputsRecorded,
    Recorded,
    RemoteObject,
    Removed,
    ResourceState,
    State,
    Status,
    observed_as,
    resource_from,
)
from ftops.turns import Context, Look, Step, Turns
from ftops.walk import Again, Executor, Fate, Inline, Threads, Turn, Verdict, Walk

MAX_ATTEMPTS = 12
"""Tries of one call that keeps failing temporarily: about seven minutes with the waits below."""
LONGEST_WAIT = 60.0
"""Seconds between two tries at most, unless the service names a longer time."""
LONGEST_RETRY_AFTER = 300.0
"""Seconds. Services have been seen to ask for a day; asking again sooner does no harm."""
SHOW_EVERY = 0.1
"""Seconds between two reports of one running call."""
POLL_INTERVAL = 5.0
"""Seconds between two looks at a pending object, where the provider names none."""


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


class Failure(Struct, frozen=True):
    """A step that failed, and why."""

    step: str
    address: Address
    action: Action
    error: FtopsError


class Report(Struct, frozen=True):
    """What an apply came to. `result` is done, failed, in-progress or interrupted."""

    result: str
    state: State
    fates: Mapping[str, Fate]
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
        self._failures: list[Failure] = []
        self._redaction = redaction(context.secrets)
        self._started = context.clock.now()
        waits = {change.step: change.waits_for for change in plan.changes}
        self._walk: Walk[str] = Walk(waits, self, self._executor(), context.clock, settings.parallelism)
        self._turns = Turns(self._live, context, self._walk.say)

    def run(self, outputs: Callable[[State], Mapping[str, OutputValue]]) -> Report:
        """Walks the plan. Raises StateError where the journal can't be written: then nothing more is
        started, and what was begun is on record."""
        plan = self._plan
        self._emit(events.RunStarted, plan.spec, plan.environment, len(plan.changes))
        self._write(plan.entries)
        fates = self._walk.run()
        for node, fate in fates.items():
            if fate is Fate.LEFT:
                self._left(self._steps[node])
        self._record_outputs(outputs(self._live.freeze()))
        self._journal.sync()
        result = self._result(fates)
        self._finish(result, fates)
        return Report(result, self._live.freeze(), fates, tuple(self._failures))

    def stop(self) -> None:
        """Start nothing new; let running calls end; leave what waits at the service."""
        self._walk.stop()

    # what the walk asks

    def begin(self, nodes: Collection[str]) -> Iterable[tuple[str, Turn]]:
        turns = [(node, self._turn(self._steps[node])) for node in nodes]
        intents = [
            Begun(step.operation)
            for step in (self._steps[node] for node in nodes)
            if step.operation and not step.announced
        ]
        if intents:
            self._write(intents)
            if not all_local(self._context.providers, (i.operation.provider for i in intents)):
                self._journal.sync()  # what a local provider makes is in this journal and nowhere else
            for intent in intents:
                self._steps[str(intent.operation.address)].announced = True
        return turns

    def settle(self, results: Collection[tuple[str, object]]) -> Iterable[tuple[str, Verdict]]:
        verdicts: list[tuple[str, Verdict]] = []
        entries: list[Entry] = []
        try:
            for node, result in results:
                step = self._steps[node]
                judge = self._failed if isinstance(result, Exception) else self._succeeded
                verdicts.append((node, judge(step, self._cleaned(result), entries)))
        finally:
            if entries:
                self._journal.append(entries)
        return verdicts

    def _cleaned(self, result: object) -> object:
        """What a turn came to, without the secrets that the service may have repeated."""
        match result:
            case FtopsError():
                return self._redaction.error(result)
            case RemoteObject():
                return self._redaction.remote(result)
            case Look(remote=remote):
                return replace(result, remote=self._redaction.remote(remote))
        return result

    def lane(self, node: str) -> str | None:
        step = self._steps[node]
        return self._context.providers(step.change.provider).lane(step.change.address)

    def notice(self, node: str, note: object) -> None:
        """An upload reports every block: no more is shown than can be read."""
        step = self._steps[node]
        now = self._context.clock.now()
        if isinstance(note, Progress) and (note.percent == 100 or now - step.shown >= SHOW_EVERY):
            step.shown = now
            self._progress(step, note)

    def stopping(self, running: int) -> None:
        self._emit(events.StopRequested, running)

    def skipped(self, node: str, because: str) -> None:
        change = self._steps[node].change
        self._emit(events.ChangeSkipped, node, change.address, change.action.value, because)

    def _executor(self) -> Executor:
        """Calls that take no time need no thread."""
        local = all_local(self._context.providers, (change.provider for change in self._plan.changes))
        return Inline() if local else Threads(self._settings.parallelism)

    def _turn(self, step: Step) -> Turn:
        if step.started is None:
            step.started = self._context.clock.now()
            change = step.change
            self._emit(events.ChangeStarted, change.step, change.address, change.action.value)
        return self._turns.next(step)

    # what a turn came to

    def _succeeded(self, step: Step, result: object, entries: list[Entry]) -> Verdict:
        if isinstance(result, Unseen):
            self._progress(step, Progress("looks for what a lost reply may have made"))
            return Again(result.seconds)
        step.attempts = 0
        if isinstance(result, Look):
            step.seen = result.seen
            for line in result.lines:
                self._progress(step, line)
            result = result.remote
        if step.change.action in (Action.DELETE, Action.FORGET):
            return self._going(step, result, entries)
        if isinstance(result, RemoteObject):
            return self._made(step, result, entries)
        return self._gone_missing(step, entries)

    def _going(self, step: Step, remote: object, entries: list[Entry]) -> Verdict:
        change = step.change
        if isinstance(remote, RemoteObject):
            step.waiting = True
            return self._again(remote)
        self._add(entries, Removed(change.address, change.deposed))
        return self._done(step, change.remote_id)

    def _made(self, step: Step, remote: RemoteObject, entries: list[Entry]) -> Verdict:
        resource = self._resource(step, remote)
        first = step.operation is not None and not step.recorded
        if first or resource != self._live.resources.get(resource.address):
            self._add(entries, Recorded(resource, step.change.deposes if first else ""))
            step.recorded = True
        step.waiting = True
        match remote.status:
            case Status.READY:
                return self._done(step, remote.remote_id)
            case Status.TAINTED:
                message = remote.message or "the service says that it failed"
                hint = "mend the cause, then apply again: it will be replaced"
                return self._give_up(step, Permanent(f"{step.change.address} failed", message, hint))
            case Status.PENDING:
                if not self._settings.wait and RESOURCE_TYPES[step.change.address.kind].long_running:
                    return Fate.LEFT
                return self._again(remote)

    def _resource(self, step: Step, remote: RemoteObject) -> ResourceState:
        change = step.change
        if step.operation is None or step.recorded:
            current = self._turns.recorded(step)
            noted = replace(current, fingerprint=change.fingerprint, dependencies=change.dependencies)
        else:
            noted = resource_from(step.operation, remote)
            noted = replace(noted, outputs={**self._kept_outputs(step), **noted.outputs})
        return observed_as(
            replace(noted, prevent_destroy=change.prevent_destroy, retain=change.retain), remote
        )

    def _kept_outputs(self, step: Step) -> Mapping[str, Json]:
        return self._turns.recorded(step).outputs if step.change.action is Action.UPDATE else {}

    def _gone_missing(self, step: Step, entries: list[Entry]) -> Verdict:
        address = step.change.address
        if address in self._live.resources:
            self._add(entries, Removed(address))
        return self._give_up(
            step,
            Permanent(
                f"{address} has vanished while it was in the making",
                "the service no longer knows it; somebody may have deleted it.",
                "apply again to make it anew",
            ),
        )

    def _failed(self, step: Step, error: object, entries: list[Entry]) -> Verdict:
        """A refusal ends the intent. After anything else, and where an earlier try may have taken effect,
        the next run has to look for the object."""
        if isinstance(error, Temporary) and step.attempts + 1 < MAX_ATTEMPTS:
            return self._retry(step, error)
        began = step.announced and not step.recorded
        if isinstance(error, Permanent) and began and not step.effect_unknown:
            self._add(entries, Failed(step.change.address, error.summary))
        if isinstance(error, FtopsError):
            return self._give_up(step, error)
        assert isinstance(error, Exception)  # noqa: S101 - a turn returns or raises
        raise error

    def _retry(self, step: Step, error: Temporary) -> Verdict:
        step.attempts += 1
        if error.effect_unknown:
            step.effect_unknown, step.lost_at = True, self._context.clock.now()
        wait = min(self._settings.retry_base * 2 ** (step.attempts - 1), LONGEST_WAIT)
        if error.retry_after is not None:
            wait = min(error.retry_after, LONGEST_RETRY_AFTER)
        message = error.summary + (f" ({error.detail})" if error.detail else "")
        change = step.change
        self._emit(events.ChangeRetried, change.step, change.address, message, step.attempts + 1, wait)
        return Again(wait, waiting=step.waiting)

    def _again(self, remote: RemoteObject) -> Verdict:
        delay = POLL_INTERVAL if remote.requeue_after is None else remote.requeue_after
        return Again(delay, holds_lane=remote.holds_lane, waiting=True)

    def _done(self, step: Step, remote_id: str) -> Verdict:
        change = step.change
        self._emit(
            events.ChangeFinished,
            change.step,
            change.address,
            change.action.value,
            remote_id,
            self._elapsed(step),
        )
        return Fate.DONE

    def _give_up(self, step: Step, error: FtopsError) -> Verdict:
        change = step.change
        self._failures.append(Failure(change.step, change.address, change.action, error))
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
        return Fate.FAILED

    def _left(self, step: Step) -> None:
        change = step.change
        recorded = self._live.resources.get(change.address)
        remote_id = recorded.remote_id if recorded else ""
        self._emit(events.ChangeLeft, change.step, change.address, change.action.value, remote_id)

    # the end

    def _record_outputs(self, values: Mapping[str, OutputValue]) -> None:
        outputs = {
            n: encode(v.value) for n, v in values.items() if not v.sensitive and not _is_unknown(v.value)
        }
        if outputs != self._live.outputs:
            self._write([OutputsRecorded(outputs)])

    def _result(self, fates: Mapping[str, Fate]) -> str:
        found = set(fates.values())
        if self._walk.stopping and found - {Fate.DONE, Fate.FAILED, Fate.SKIPPED}:
            return "interrupted"
        if Fate.FAILED in found:
            return "failed"
        return "in-progress" if Fate.LEFT in found else "done"

    def _finish(self, result: str, fates: Mapping[str, Fate]) -> None:
        done = replace(
            self._plan, changes=tuple(c for c in self._plan.changes if fates[c.step] is Fate.DONE)
        ).summary
        count = list(fates.values()).count
        elapsed = self._context.clock.now() - self._started
        self._emit(
            events.RunFinished,
            result,
            done.create,
            done.update,
            done.replace,
            done.delete,
            done.adopt,
            count(Fate.FAILED),
            count(Fate.SKIPPED) + count(Fate.NOT_STARTED),
            round(elapsed, 3),
        )

    # small things

    def _write(self, entries: Collection[Entry]) -> None:
        for entry in entries:
            self._live.add(entry)
        if entries:
            self._journal.append(entries)

    def _add(self, entries: list[Entry], entry: Entry) -> None:
        """Into the live state now, into the journal with the rest of the batch."""
        self._live.add(entry)
        entries.append(entry)

    def _progress(self, step: Step, line: Progress) -> None:
        change = step.change
        self._emit(
            events.ChangeProgress,
            change.step,
            change.address,
            self._redaction.text(line.message),
            self._elapsed(step),
            self._percent(step, line),
            line.metrics,
        )

    def _percent(self, step: Step, line: Progress) -> float | None:
        """Of a training's steps, where the service itself doesn't say how many there will be."""
        done = line.metrics.get("step")
        if line.percent is not None or done is None:
            return line.percent
        training = step.change.after.get("training")
        data = self._live.resources.get(training.address) if isinstance(training, Reference) else None
        recorded = self._turns.recorded(step)
        total = training_steps(
            data.outputs.get("examples") if data else None,
            recorded.inputs.get("hyperparameters"),
            recorded.outputs.get("hyperparameters"),
        )
        return round(min(100.0, 100 * done / total), 1) if total else None

    def _emit(self, event: Callable[..., events.Event], *fields: object) -> None:
        self._context.emit(event(self._now(), *fields))

    def _elapsed(self, step: Step) -> float:
        started = self._started if step.started is None else step.started
        return round(self._context.clock.now() - started, 3)

    def _now(self) -> str:
        return iso(self._context.utc_now(), "milliseconds")


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


def _is_unknown(value: Value) -> bool:
    return any(True for _ in references(value))

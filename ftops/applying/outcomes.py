"""Outcomes: the result of a provider call → what the executor does next, what is recorded, and the events.

Entries go into the live state and to the caller, who owns the journal. Nothing is written here, and no
provider is called.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

from msgspec import Struct, field
from msgspec.structs import replace

from ftops.applying import events
from ftops.applying.provider_calls import ProviderCalls, Room, Step
from ftops.core.address import Address
from ftops.core.dag_executor import NodeResult, Outcome, Requeue
from ftops.core.errors import FtopsError, GateHeld, NoRoom, Permanent, Temporary
from ftops.core.hosting_hours import hours_of
from ftops.core.nested import object_at
from ftops.core.resource_types import RESOURCE_TYPES
from ftops.core.retry import of_changes, of_places
from ftops.core.timestamps import iso_timestamp
from ftops.planning.plan import Action, Change, Held, Plan
from ftops.providers.base import PollResult, Progress, Unfinished, timeout, visible_after
from ftops.providers.redaction import Redaction
from ftops.providers.visibility import LOOK_AGAIN, invisible_for, look_again_after
from ftops.state.entries import Entry, Failed, Recorded, Removed
from ftops.state.state import RemoteObject, ResourceState, Status, observed_as, resource_from

POLL_INTERVAL = 5.0
"""Seconds between two reads of a pending object, if the provider names none."""
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
        message, steps = self.redaction.text(line.message), line.steps
        if line.percent is None and "step" in line.metrics:
            steps = self.calls.training_steps(step)
        percent = line.percent_of(steps)
        self.step(events.ChangeProgress, step, message, self.elapsed(step), percent, line.metrics, steps)

    def run_finished(
        self, plan: Plan, result: str, results: Mapping[str, NodeResult], stopped: int, not_started: int
    ) -> None:
        """`stopped`: jobs that a rule of their sweep ended; `not_started`: those that its budget kept from
        starting, which aren't among the results."""
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
            held=len(plan.held) + count(NodeResult.HELD),
            waiting=count(NodeResult.WAITING),
            stopped=stopped,
            not_started=not_started,
            left=count(NodeResult.LEFT),
            **{Action(name).done: number for name, number in part.summary.items()},
        )

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


class Failure(Struct, frozen=True):
    """A step that failed, and why."""

    step: str
    address: Address
    action: Action
    error: FtopsError


class OutcomeHandler(Struct, frozen=True):
    """For one run; used by one thread. `wait` and `retry_base` are those of its settings."""

    calls: ProviderCalls
    reporter: EventEmitter
    redaction: Redaction
    wait: bool
    retry_base: float
    failures: list[Failure] = field(default_factory=list)
    held: list[Held] = field(default_factory=list)

    def of_results(
        self, steps: Mapping[str, Step], results: Collection[tuple[str, object]], entries: list[Entry]
    ) -> list[tuple[str, Outcome]]:
        """The outcomes of calls that returned or raised these results; what is to be recorded is added to the
        entries. Raises exceptions that aren't FtopsErrors."""
        return [(node, self._outcome(steps[node], result, entries)) for node, result in results]

    def _outcome(self, step: Step, result: object, entries: list[Entry]) -> Outcome:
        if isinstance(result, Unfinished):
            return self._unfinished(step, result)
        if isinstance(result, Room):
            step.has_place = result.left > 0
            return Requeue(0.0, holds_concurrency_key=True) if step.has_place else self._no_room(step)
        handle = self._failed if isinstance(result, Exception) else self._succeeded
        return handle(step, self._cleaned(result), entries)

    def _cleaned(self, result: object) -> object:
        """The result, without secrets that the service may have repeated."""
        match result:
            case FtopsError():
                return self.redaction.error(result)
            case RemoteObject():
                return self.redaction.remote(result)
            case PollResult(remote=remote):
                return replace(result, remote=self.redaction.remote(remote))
        return result

    def _unfinished(self, step: Step, result: Unfinished) -> Requeue:
        step.attempts = 0 if result.is_progress else step.attempts
        step.has_place = step.has_place and result.holds_concurrency_key
        self.reporter.progress(step, result.said)
        return Requeue(result.seconds, holds_concurrency_key=result.holds_concurrency_key)

    def _no_room(self, step: Step, retry_after: float | None = None) -> Outcome:
        """The next look is at the step that comes first by then."""
        if not self.wait:
            self.calls.full.add(str(self.calls.queue(step.change)))
            return NodeResult.WAITING
        step.refusals += 1
        wait = of_places(self.retry_base).wait(step.refusals, retry_after)
        assert wait is not None  # noqa: S101 - it never gives up
        return Requeue(wait, holds_concurrency_key=True, lines_up=True)

    def _succeeded(self, step: Step, result: object, entries: list[Entry]) -> Outcome:
        step.attempts = 0
        if isinstance(result, PollResult):
            # The run that started the object has shown its progress so far: show only the latest.
            is_old = step.operation is None and step.waiting_since is None
            step.reported = object_at(result.remote.attributes, "hyperparameters")
            for line in result.lines[-1:] if is_old else result.lines:
                self.reporter.progress(step, line)
            step.seen, step.is_cancelled = result.seen, step.is_cancelled or result.is_cancelled
            if self.calls.stopping:
                self.calls.stopping.add(result.remote.remote_id, result.lines, result.seen)
            result = result.remote
        change = step.change
        if step.stays:
            self.reporter.progress(step, Progress("unchanged: the best of the sweep is the same"))
            return NodeResult.DONE
        if step.discarding:
            return self._discarded(step, result, entries)
        if step.acts in (Action.DELETE, Action.FORGET):
            if isinstance(result, RemoteObject):
                step.waiting = True
                return self._again(step, result)
            if step.off is not None:
                return self._switched_off(step, step.off, entries)
            self._add(entries, Removed(change.address, change.deposed))
            return self._done(step, change.remote_id)
        if isinstance(result, RemoteObject):
            step.visible_by = None
            return self._made(step, result, entries)
        return self._missed(step, entries)

    def _switched_off(self, step: Step, off: ResourceState, entries: list[Entry]) -> Outcome:
        self._add(entries, Recorded(off, step.change.deposes))
        if off.stopped:
            return self._stopped(step, off)
        hours = hours_of(off.inputs)
        assert hours is not None  # noqa: S101 - they have ended
        until = hours.until_text(self.calls.context.wall_clock())
        self.reporter.progress(step, Progress(f"off until {until} (hosting hours)"))
        return self._done(step, off.remote_id)

    def _made(self, step: Step, remote: RemoteObject, entries: list[Entry]) -> Outcome:
        first = step.operation is not None and not step.recorded
        live = self.calls.live.resources
        elsewhere = (record.remote_id for a, record in live.items() if a != step.change.address)
        if first and step.effect_unknown and remote.remote_id in elsewhere:
            return Requeue(LOOK_AGAIN)  # another step whose reply was lost has found the same object
        resource = self._resource(step, remote)
        if first or resource != live.get(resource.address):
            deposes = step.change.deposes if first and not step.renewed else ""
            self._add(entries, Recorded(resource, deposes))
            step.recorded = True
        step.waiting = True
        match resource.status:
            case Status.READY if resource.stopped:
                return self._stopped(step, resource)
            case Status.READY:
                return self._done(step, remote.remote_id, remote.message)
            case Status.TAINTED:
                message = remote.message or "the service reported a failure"
                hint = "fix the cause and apply again: it will be replaced"
                return self._give_up(step, Permanent(f"{step.change.address} failed", message, hint))
            case Status.PENDING:
                if self.calls.stopping and self._is_stopped(step, resource, entries):
                    return Requeue(0.0, waiting=True)
                if not self.wait and RESOURCE_TYPES[step.change.address.kind].long_running:
                    return NodeResult.LEFT
                if self._is_paused(step, remote):
                    return NodeResult.LEFT
                if remote.is_stuck and not step.change.prevent_destroy:
                    return self._renewed(step, remote)
                return self._again(step, remote)

    def _is_stopped(self, step: Step, resource: ResourceState, entries: list[Entry]) -> bool:
        """Whether the next call cancels a job. That a rule stops it is recorded first."""
        assert self.calls.stopping is not None  # noqa: S101 - asked before
        if resource.stopped:
            return not step.is_cancelled
        stopped = self.calls.stopping.decide(step.change.address)
        if stopped:
            outputs = {**resource.outputs, "stopped": stopped}
            self._add(entries, Recorded(replace(resource, outputs=outputs)))
        return bool(stopped)

    def _stopped(self, step: Step, resource: ResourceState) -> Outcome:
        from ftops.planning.cost.durations import hours_of_job  # only if a job was stopped

        stopped, hours = resource.stopped, None if resource.is_off else hours_of_job(resource)
        elapsed = self.reporter.elapsed(step) if hours is None else round(3600 * hours, 3)
        self.reporter.step(
            events.ChangeStopped,
            step,
            resource.remote_id,
            elapsed,
            str(stopped.get("rule")),
            str(stopped.get("reason")),
            stopped.get("step"),
            stopped.get("tokens_saved"),
            stopped.get("dollars_saved"),
        )
        step.is_stopped = True
        return NodeResult.DONE

    def _renewed(self, step: Step, remote: RemoteObject) -> Outcome:
        """Deletes the object, to create it once more; not twice in a run."""
        if step.renewed:
            hint = "apply again to delete it and try once more, or ask the support of the service"
            message = f"{step.change.address} isn't ready, although it was created once more"
            return self._give_up(step, Permanent(message, remote.message, hint))
        step.renewed, step.discarding, step.waiting = True, True, False
        self.reporter.progress(step, Progress(f"{remote.message}: it is deleted, and created once more"))
        return Requeue(0.0)

    def _discarded(self, step: Step, result: object, entries: list[Entry]) -> Outcome:
        """While the stuck object is being deleted, and then: from here on, the step begins anew."""
        if isinstance(result, RemoteObject):
            step.waiting = True
            return self._again(step, result)
        self._add(entries, Removed(step.change.address))
        step.discarding = step.waiting = step.announced = step.recorded = step.effect_unknown = False
        step.operation = step.waiting_since = step.visible_by = None
        return Requeue(0.0)

    def _is_paused(self, step: Step, remote: RemoteObject) -> bool:
        """Whether its object is paused, and nobody but you resumes it."""
        was, step.paused = step.paused, remote.paused
        if not remote.continues:
            return bool(remote.paused)
        if remote.paused and remote.paused != was:
            self.reporter.progress(step, Progress(remote.paused))
        return False

    def _resource(self, step: Step, remote: RemoteObject) -> ResourceState:
        change = step.change
        noted: dict[str, object] = {"prevent_destroy": change.prevent_destroy, "retain": change.retain}
        if step.operation is None or step.recorded:
            noted |= {"fingerprint": change.fingerprint, "dependencies": change.dependencies}
            return observed_as(replace(self.calls.recorded(step), **noted), remote)
        now = iso_timestamp(self.calls.context.utc_now(), "milliseconds")
        made = replace(resource_from(step.operation, remote), created_at=now, **noted)
        return _kept(self.calls.recorded(step), made) if step.acts is Action.UPDATE else made

    def _missed(self, step: Step, entries: list[Entry]) -> Outcome:
        """A replica may not know the object yet: it is gone only if a second read misses it, too."""
        context, change = self.calls.context, step.change
        now, missed_before = context.clock.now(), step.visible_by is not None
        if step.visible_by is None:
            lag = visible_after(context.providers(change.provider))
            created_at = self.calls.recorded(step).created_at
            step.visible_by = now + invisible_for(created_at, lag, context.utc_now())
        wait = look_again_after(step.visible_by - now, self.retry_base, missed_before=missed_before)
        if wait is not None:
            return Requeue(wait, waiting=True)
        address = change.address
        if address in self.calls.live.resources:
            self._add(entries, Removed(address))
        gone = Permanent(
            f"{address} disappeared while it was being created",
            "the service no longer has it; somebody may have deleted it.",
            "apply again to create it",
        )
        return self._give_up(step, gone)

    def _failed(self, step: Step, error: object, entries: list[Entry]) -> Outcome:
        """A refusal ends the intent. After anything else, or if an earlier try may have taken effect, the
        next run has to search for the object."""
        if isinstance(error, GateHeld):
            self.held.append(Held(step.change.address, error.reasons))
            self.reporter.step(events.ChangeHeld, step, error.detail, error.hint)
            return NodeResult.HELD
        if isinstance(error, Temporary):
            step.has_place = False  # another step may take it before the next try
            if isinstance(error, NoRoom):
                if not (self.wait or step.effect_unknown):
                    self._add(entries, Failed(step.change.address, error.summary))
                return self._no_room(step, error.retry_after)
            wait = of_changes(self.retry_base).wait(step.attempts + 1, error.retry_after)
            if wait is not None:
                step.attempts += 1
                if error.effect_unknown:
                    step.effect_unknown, step.lost_at = True, self.calls.context.clock.now()
                message = error.summary + (f" ({error.detail})" if error.detail else "")
                self.reporter.step(events.ChangeRetried, step, message, step.attempts + 1, wait)
                return Requeue(wait, waiting=step.waiting)
        began = step.announced and not step.recorded
        if isinstance(error, Permanent) and began and not step.effect_unknown:
            self._add(entries, Failed(step.change.address, error.summary))
        if isinstance(error, FtopsError):
            return self._give_up(step, error)
        assert isinstance(error, Exception)  # noqa: S101 - only exceptions come here
        raise error

    def _again(self, step: Step, remote: RemoteObject) -> Outcome:
        now = self.calls.context.clock.now()
        step.waiting_since = now if step.waiting_since is None else step.waiting_since
        change = step.change
        limit = timeout(self.calls.context.providers(change.provider), change.address.kind)
        if now - step.waiting_since >= limit:
            return self._give_up(step, _timed_out(change, remote, limit))
        delay = POLL_INTERVAL if remote.requeue_after is None else remote.requeue_after
        return Requeue(delay, holds_concurrency_key=remote.holds_concurrency_key, waiting=True)

    def _done(self, step: Step, remote_id: str, message: str = "") -> Outcome:
        self.reporter.step(events.ChangeFinished, step, remote_id, self.reporter.elapsed(step), message)
        return NodeResult.DONE

    def _give_up(self, step: Step, error: FtopsError) -> Outcome:
        change = step.change
        self.failures.append(Failure(change.step, change.address, change.action, error))
        said = (error.summary, error.detail, error.hint, self.reporter.elapsed(step))
        self.reporter.step(events.ChangeFailed, step, *said)
        return NodeResult.FAILED

    def _add(self, entries: list[Entry], entry: Entry) -> None:
        """Adds to the live state now, and to the journal with the rest of the batch."""
        self.calls.live.add(entry)
        entries.append(entry)


def _timed_out(change: Change, remote: RemoteObject, limit: float) -> Permanent:
    done = "deleted" if change.action is Action.DELETE else "ready"
    spent = f"{limit:g} s" if limit < 120 else f"{limit / 60:g} min"
    kind = change.address.kind
    return Permanent(
        f"{change.address} isn't {done} after {spent}",
        f"The service last said: {remote.message or 'nothing'}. The object still exists and is recorded.",
        f"apply again to wait longer. `timeouts: {{{kind}: …}}` of the provider {change.provider} "
        "sets the limit, in seconds",
    )


def _kept(before: ResourceState, updated: ResourceState) -> ResourceState:
    """The record of an updated object: what the update doesn't report stays as it was."""
    outputs = {**before.outputs, **updated.outputs}
    return replace(updated, outputs=outputs, created_at=before.created_at, shared=before.shared)

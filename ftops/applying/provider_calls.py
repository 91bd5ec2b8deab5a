"""Provider calls: the next call for each step of a plan, to be made by a worker.

Reads the live state and writes nothing; `outcomes` handles the results.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import Struct, field
from msgspec.structs import replace

from ftops.applying.events import Event
from ftops.config.sweeps import Sweeps, chosen, is_best, named_by
from ftops.core.address import (
    Address,
    Json,
    Reference,
    Secret,
    Secrets,
    Value,
    decode,
    encode,
    fill,
    references,
)
from ftops.core.dag_executor import Call, Clock, RealTime
from ftops.core.errors import FtopsError, GateHeld, Permanent
from ftops.core.hosting_hours import is_off_at
from ftops.core.resource_types import kind_of
from ftops.core.serving import deployment_name
from ftops.core.snippets import command
from ftops.core.timestamps import iso_timestamp
from ftops.planning.desired import at, lacking, training_steps
from ftops.planning.gating import reasons_to_hold
from ftops.planning.plan import CREATING, REMOVING, Action, Change
from ftops.providers.base import (
    PollResult,
    Progress,
    Provider,
    Queues,
    ReportsProgress,
    Request,
    Unfinished,
    no_answers,
    own_limit,
    visible_after,
)
from ftops.providers.visibility import LOOK_AGAIN
from ftops.state.deployments import model_of
from ftops.state.live_state import LiveState
from ftops.state.state import (
    OWNER_DIGITS,
    Operation,
    PendingOperation,
    RemoteObject,
    ResourceState,
    Status,
    carried_over,
    owner_mark,
    resource_from,
    switched_off,
)

if TYPE_CHECKING:
    from ftops.applying.stopping import Stopping
    from ftops.evaluation.kept_answers import KeptAnswers


class Context(Struct, frozen=True):
    """What a run needs besides its plan and state."""

    folder: Path
    providers: Callable[[str], Provider]
    secrets: Secrets
    emit: Callable[[Event], None]
    clock: Clock = field(default_factory=RealTime)
    utc_now: Callable[[], datetime] = lambda: datetime.now(UTC)
    wall_clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    """By which hosting hours begin and end."""
    new_token: Callable[[], str] = lambda: secrets.token_hex(8)
    accounts: Mapping[str, str] = field(default_factory=dict)
    """The account of each provider."""
    kept_answers: Callable[[str], KeptAnswers] = no_answers
    """The kept answers of a model, by its identity."""
    limit: Callable[[str, str], int | None] = lambda provider, name: None
    """A limit of a provider's account, by name, if the provider doesn't know it itself."""
    price: Callable[[ResourceState], float | None] = lambda job: None
    """US dollars per million training tokens of a job."""
    check: Callable[[], None] = lambda: None
    """Called by a worker right before a call that could change something: raises if the lock was lost."""


class Step(Struct):
    """The progress of a change. Times are by the clock of the executor."""

    change: Change
    operation: PendingOperation | None = None
    announced: bool = False
    held: bool = False
    """A gate doesn't let it begin."""
    stays: bool = False
    """The best of a sweep is the same as before: nothing is done."""
    has_place: bool = False
    """There was room for its object in the queue of the account when that was looked at last."""
    refusals: int = 0
    """How often there was none."""
    recorded: bool = False
    waiting: bool = False
    waiting_since: float | None = None
    """When its object was first seen pending."""
    effect_unknown: bool = False
    lost_at: float = 0.0
    """When the last reply was lost, if one was."""
    visible_by: float | None = None
    """By when the object has to be visible; set while reads miss it."""
    reported: Mapping[str, Json] = field(default_factory=dict)
    """The hyperparameters of its job as the service reported them last."""
    paused: str = ""
    """What was last said about a pause of its object."""
    renewed: bool = False
    """Its object was stuck: it is created once more."""
    discarding: bool = False
    """The stuck object is being deleted."""
    is_stopped: bool = False
    """A rule has stopped its job, or kept it from being started."""
    attempts: int = 0
    acts: Action | None = None
    """What it does: its action, unless hosting hours decide otherwise; set when it begins."""
    off: ResourceState | None = None
    """What is recorded if hosting hours, or the budget of a sweep, keep its object from existing."""
    is_cancelled: bool = False
    """Its object was asked to end, because a rule stops it."""
    seen: str = ""
    started: float | None = None
    shown: float = -1.0
    """When its progress was last shown."""


class Room(Struct, frozen=True):
    """How many more objects the queue of an account takes."""

    left: int


class ProviderCalls(Struct, frozen=True):
    """Builds the calls. `say` hands on the progress of a running call."""

    live: LiveState
    context: Context
    say: Callable[[str, Progress], None]
    sweeps: Sweeps = {}
    stopping: Stopping | None = None
    """The sweeps whose jobs may be stopped early; None if there are none."""
    successors: Mapping[str, Change] = {}
    """By the step that would delete its old object first, each step."""
    full: set[str] = field(default_factory=set)
    """Queues of accounts that aren't looked at again, because the run doesn't wait."""
    _queues: dict[str, str | None] = field(default_factory=dict)
    """By step: it is asked several times for each."""

    def next(self, step: Step) -> Call:
        """The next call of a step; one that raises if the request can't be built."""
        provider = self.context.providers(step.change.provider)
        if step.waiting:
            if self.stopping and not step.is_cancelled and self.recorded(step).stopped:
                return self.stopping.cancelling(self.recorded(step), provider, self.context.check)
            return self._look(step, provider)
        if step.discarding:
            return self._delete(step, provider)
        try:
            if self.stopping and step.operation is None and self._is_left_out(step, self.stopping):
                return lambda: None
            queue = None if step.has_place else self.queue(step.change)
            if queue is not None:
                return self._find_place(step, queue)
            if step.change.unless and step.operation is None and self._stays(step):
                step.stays = True
                return lambda: None
            self._check_gates(step)
            self._check_successor(step)
            if step.acts is None:
                step.acts = self._by_hours(step)
            call = ProviderCalls._create if step.renewed else _CALLS[step.acts]
            return call(self, step, provider)
        except (Permanent, GateHeld) as error:
            step.held = isinstance(error, GateHeld)
            return partial(_raise, error)

    def _is_left_out(self, step: Step, stopping: Stopping) -> bool:
        """Whether the budget of its sweep keeps a job from being started."""
        if step.change.action in CREATING and (stopped := stopping.starts(step.change.address)):
            intent = replace(self._intent(step, Operation.CREATE), token="", started_at="")
            made = resource_from(intent, RemoteObject("", Status.READY, {"stopped": stopped}))
            step.off, step.acts = replace(made, is_off=True), Action.FORGET
        return step.off is not None

    def queue(self, change: Change) -> str | None:
        """The queue of an account in which the object of a step will wait; None if it has no limit. Objects
        are created one after the other there, each if there is room."""
        if change.step not in self._queues:
            self._queues[change.step] = self._queue(change)
        return self._queues[change.step]

    def _queue(self, change: Change) -> str | None:
        name = kind_of(change.address).queue
        if not name or change.action not in CREATING:
            return None
        if not isinstance(self.context.providers(change.provider), Queues):
            return None
        account = self.context.accounts.get(change.provider, change.provider)
        return None if self._queue_limit(change) is None else f"{account}/{name}"

    def _queue_limit(self, change: Change) -> int | None:
        name, provider = kind_of(change.address).queue, self.context.providers(change.provider)
        own = own_limit(provider, name)
        return self.context.limit(change.provider, name) if own is None else own

    def _find_place(self, step: Step, queue: str) -> Call:
        change, provider = step.change, self.context.providers(step.change.provider)
        limit = self._queue_limit(change)
        assert isinstance(provider, Queues) and limit is not None  # noqa: S101 - there is a queue
        if queue in self.full:
            return lambda: Room(0)
        # With a queue that takes none, one is tried, and the service decides.
        return lambda: Room(max(limit, 1) - provider.queued(change.address.kind))

    def _check_gates(self, step: Step) -> None:
        """Raises GateHeld if an evaluation doesn't let the step be made."""
        change = step.change
        if not change.gates or change.override or step.announced:
            return
        model = fill(change.gates[0].model, self._value)
        if reasons := reasons_to_hold(change.gates, model, self.result):
            words = command("ftops", "eval", change.gates[0].evaluation)
            hint = f"see its answers with {words}"
            if all(gate.allow_override for gate in change.gates):
                hint += f"; to deploy it all the same, apply with --override-gate {change.address} --reason …"
            raise GateHeld(f"{change.address} is held by its gate", reasons, hint)

    def _check_successor(self, step: Step) -> None:
        """Raises Permanent if an object would be deleted for one that can't be created, such as of the model
        of a job that was stopped."""
        change = self.successors.get(step.change.step)
        for reference in references(list(change.after.values())) if change else ():
            if all(self.result(address) is not None for address in named_by(reference, self.sweeps)):
                self._value(reference)

    def result(self, evaluation: Address) -> Mapping[str, Json] | None:
        """What is recorded of an evaluation or a job that has ended."""
        recorded = self.live.resources.get(evaluation)
        return recorded.outputs if recorded is not None and recorded.status is Status.READY else None

    def recorded(self, step: Step) -> ResourceState:
        """The record of a step's object."""
        change = step.change
        if change.deposed:
            return self.live.deposed[change.address, change.deposed]
        return self.live.resources[change.address]

    def training_steps(self, step: Step) -> int | None:
        """The number of steps of a training; None if it isn't known."""
        recorded, training = self.recorded(step), step.change.after.get("training")
        data = self.live.resources.get(training.address) if isinstance(training, Reference) else None
        records = self.live.resources.values() if data is None else (data,)
        return training_steps(recorded, records, step.reported)

    def _by_hours(self, step: Step) -> Action:
        """What a step does now. By its hosting hours, an object is there afterwards, or it isn't."""
        change, now = step.change, self.context.wall_clock()
        if change.action in REMOVING:
            return Action.FORGET if self.recorded(step).is_off else change.action
        recorded = self.live.resources.get(change.address)
        is_there = recorded is not None and not recorded.is_off
        if kind_of(change.address).serves and is_off_at(change.after, now):
            step.off = self._switched_off(step, recorded)
            return Action.DELETE if is_there and change.action not in CREATING else Action.FORGET
        if recorded is None or change.action in CREATING:
            return change.action
        if recorded.is_off:
            return Action.CREATE
        return Action.RESUME if change.action is Action.SWITCH else change.action

    def _switched_off(self, step: Step, recorded: ResourceState | None) -> ResourceState:
        """What is recorded of an object that hosting hours delete, or don't let be created yet."""
        change, intent = step.change, self._intent(step, Operation.CREATE)
        same = recorded is not None and change.action not in CREATING
        named = {"name": deployment_name(str(intent.inputs.get("name")), intent.inputs)}
        outputs = {**change.facts, **named, "model": encode(intent.inputs.get("model"))}
        remote = RemoteObject(recorded.remote_id if same and recorded else "", Status.READY, outputs)
        made = resource_from(replace(intent, token="", started_at=""), remote)
        if same and recorded:
            first, last = made.outputs, recorded.outputs
            if intent.inputs.get("model") != recorded.inputs.get("model"):
                first, last = last, first
            made = replace(made, outputs={**first, **last}, shared=recorded.shared)
        return switched_off(made)

    def _create(self, step: Step, provider: Provider) -> Call:
        operation = step.operation = step.operation or self._intent(step, Operation.CREATE)
        request = self._request(step, operation)
        known = self._remote_ids() if step.effect_unknown else None
        wanted = replace(operation, inputs=request.inputs)
        check = self.context.check
        left = step.lost_at + visible_after(provider) - self.context.clock.now()

        def create() -> object:
            found = None if known is None else provider.find_by_token(wanted, known)
            if found is None and known is not None and left > 0:
                said = Progress("reply lost: checking whether the object was created")
                raise Unfinished(min(left, LOOK_AGAIN), said)
            check()
            return found or provider.create(request)

        return create

    def _remote_ids(self) -> frozenset[str]:
        records = (*self.live.resources.values(), *self.live.deposed.values())
        return frozenset(record.remote_id for record in records if not record.is_off)

    def _update(self, step: Step, provider: Provider) -> Call:
        operation = step.operation = step.operation or self._intent(step, Operation.UPDATE)
        request, recorded = self._request(step, operation), self.recorded(step)
        return self._checked(lambda: provider.update(request, recorded))

    def _delete(self, step: Step, provider: Provider) -> Call:
        recorded = self.recorded(step)
        return self._checked(lambda: provider.delete(recorded))

    def _forget(self, step: Step, provider: Provider) -> Call:
        """An object is kept. A record has none, and what an interrupted run has left is to be deleted."""
        return self._delete(step, provider) if kind_of(step.change.address).is_record else lambda: None

    def _checked(self, turn: Call) -> Call:
        def checked() -> object:
            self.context.check()
            return turn()

        return checked

    def _look(self, step: Step, provider: Provider) -> Call:
        recorded, seen = self.recorded(step), step.seen
        taken = not step.waiting and step.change.action in (Action.ADOPT, Action.RESTORE)
        watched = self.stopping if self.stopping and self.stopping.watches(recorded, provider) else None
        if watched:
            seen = watched.seen.get(recorded.remote_id, "")

        def look() -> object:
            remote = provider.read(recorded)
            if remote is None or (taken and remote.status is not Status.PENDING):
                return remote  # the progress of what is taken was shown when it was created
            if watched:
                lines, next_seen = watched.events(provider, recorded, seen)
            elif isinstance(provider, ReportsProgress):
                lines, next_seen = provider.progress(recorded, seen)
            else:
                return remote
            return PollResult(remote, tuple(lines), next_seen)

        return look

    def _intent(self, step: Step, operation: Operation) -> PendingOperation:
        change = step.change
        value_of = partial(self._value, spared=change.goes_on_without)
        return PendingOperation(
            **carried_over(change, PendingOperation),
            operation=operation,
            token=self.context.new_token(),
            inputs={name: fill(value, value_of) for name, value in change.after.items()},
            started_at=iso_timestamp(self.context.utc_now(), "milliseconds"),
            account=self.context.accounts.get(change.provider, ""),
        )

    def _request(self, step: Step, operation: PendingOperation) -> Request:
        inputs: dict[str, Any] = {name: fill(v, self._secret) for name, v in operation.inputs.items()}
        return Request(
            address=operation.address,
            inputs=inputs,
            token=operation.token,
            folder=self.context.folder,
            fingerprint=operation.fingerprint,
            account=operation.account,
            kept_answers=self.context.kept_answers,
            switched_off=self._off_in(operation.account) if kind_of(operation.address).is_record else {},
            report=lambda progress: self.say(step.change.step, progress),
        )

    def _off_in(self, account: str) -> dict[str, str]:
        """By name, the models of deployments of an account that are off."""
        return {
            str(record.outputs.get("name")): model_of(record)[0]
            for record in self.live.resources.values()
            if record.is_off and record.account == account
        }

    def _value(self, reference: Reference | Secret, spared: Collection[str] = ()) -> Value:
        """The value of a reference to an object that exists by now. A `spared` one may not."""
        if isinstance(reference, Secret):
            return reference
        named = chosen(reference, self.sweeps, self.result) if is_best(reference) else reference
        if isinstance(named, str):
            return named
        resource = self.live.resources.get(named.address) if named else None
        value: Value = at(resource.outputs, named.attribute) if named and resource else None
        if value is None and str(reference.address) not in spared:
            raise Permanent(*lacking(reference, self.sweeps, self._outputs))
        return value

    def _outputs(self, address: Address) -> Mapping[str, Json]:
        recorded = self.live.resources.get(address)
        return recorded.outputs if recorded else {}

    def _stays(self, step: Step) -> bool:
        """Whether the best of a sweep is the same as before, so that nothing has to be done."""
        wanted = ((decode(text), before) for text, before in step.change.unless.items())
        return all(encode(fill(value, self._value)) == before for value, before in wanted)

    def _secret(self, reference: Reference | Secret) -> Value:
        return self.context.secrets[reference] if isinstance(reference, Secret) else reference


def new_token(lineage: str) -> str:
    """16 hex digits: the mark of the state, then random ones."""
    return owner_mark(lineage) + secrets.token_hex(8 - OWNER_DIGITS // 2)


def _raise(error: FtopsError) -> object:
    raise error


_CALLS: Mapping[Action, Callable[[ProviderCalls, Step, Provider], Call]] = {
    Action.CREATE: ProviderCalls._create,
    Action.REPLACE: ProviderCalls._create,
    Action.UPDATE: ProviderCalls._update,
    Action.DELETE: ProviderCalls._delete,
    Action.ADOPT: ProviderCalls._look,
    Action.RESUME: ProviderCalls._look,
    Action.RESTORE: ProviderCalls._look,
    Action.FORGET: ProviderCalls._forget,
}

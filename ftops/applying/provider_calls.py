"""The next call to a provider for each step of a plan, as a turn that a worker can make.

Reads the live state, writes nothing: what a turn comes to is judged in `outcomes`.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from msgspec import Struct, field
from msgspec.structs import replace

from ftops.applying.events import Event
from ftops.core.address import Reference, Secret, Secrets, Value, fill
from ftops.core.dag_executor import Call, Clock, RealTime
from ftops.core.errors import FtopsError, Permanent
from ftops.core.timestamps import iso_timestamp
from ftops.planning.desired import attribute, no_value
from ftops.planning.plan import Action, Change
from ftops.providers.base import NotVisibleYet, Progress, Provider, ReportsProgress, Request, visible_after
from ftops.providers.visibility import LOOK_AGAIN
from ftops.state.state import (
    OWNER_DIGITS,
    LiveState,
    Operation,
    PendingOperation,
    RemoteObject,
    ResourceState,
    Status,
    owner_mark,
)


class Context(Struct, frozen=True):
    """What apply is given of the world."""

    folder: Path
    providers: Callable[[str], Provider]
    secrets: Secrets
    emit: Callable[[Event], None]
    clock: Clock = field(default_factory=RealTime)
    utc_now: Callable[[], datetime] = lambda: datetime.now(UTC)
    new_token: Callable[[], str] = lambda: secrets.token_hex(8)
    accounts: Mapping[str, str] = field(default_factory=dict)
    """The account of each provider."""
    check: Callable[[], None] = lambda: None
    """Called by a worker right before what could create or change something: raises where the state may
    be another run's by now."""


class Step(Struct):
    """How far a change has come. Owned by the thread that walks."""

    change: Change
    operation: PendingOperation | None = None
    announced: bool = False
    recorded: bool = False
    waiting: bool = False
    waiting_since: float | None = None
    """When its object was first seen pending, by the walk's clock."""
    effect_unknown: bool = False
    lost_at: float = 0.0
    """When the last reply was lost, by the walk's clock; if one was."""
    visible_by: float | None = None
    """By when the object has to be shown, by the walk's clock; set while looks miss it."""
    attempts: int = 0
    seen: str = ""
    started: float | None = None
    shown: float = -1.0
    """When its progress was last shown."""


class PollResult(Struct, frozen=True):
    """What a look at a pending object brought."""

    remote: RemoteObject
    lines: tuple[Progress, ...]
    seen: str


class ProviderCalls(Struct, frozen=True):
    """Makes turns. `say` hands on what a running turn has to show."""

    live: LiveState
    context: Context
    say: Callable[[str, Progress], None]

    def next(self, step: Step) -> Call:
        """A turn that raises where the call can't even be put together."""
        provider = self.context.providers(step.change.provider)
        if step.waiting:
            return self._look(step, provider)
        try:
            return _TURNS[step.change.action](self, step, provider)
        except Permanent as error:
            return _raises(error)

    def recorded(self, step: Step) -> ResourceState:
        """The object that a step is about, as recorded now."""
        change = step.change
        if change.deposed:
            return self.live.deposed[change.address, change.deposed]
        return self.live.resources[change.address]

    def _create(self, step: Step, provider: Provider) -> Call:
        operation = step.operation = step.operation or self._intent(step, Operation.CREATE)
        request = self._request(step, operation)
        known = self._known_ids() if step.effect_unknown else None
        wanted = replace(operation, inputs=request.inputs)
        check = self.context.check
        left = step.lost_at + visible_after(provider) - self.context.clock.now()

        def create() -> object:
            found = None if known is None else provider.find_by_token(wanted, known)
            if found is None and known is not None and left > 0:
                return NotVisibleYet(min(left, LOOK_AGAIN))
            check()
            return found or provider.create(request)

        return create

    def _update(self, step: Step, provider: Provider) -> Call:
        operation = step.operation = step.operation or self._intent(step, Operation.UPDATE)
        request = self._request(step, operation)
        recorded = self.recorded(step)
        return self._checked(lambda: provider.update(request, recorded))

    def _delete(self, step: Step, provider: Provider) -> Call:
        recorded = self.recorded(step)
        return self._checked(lambda: provider.delete(recorded))

    def _checked(self, turn: Call) -> Call:
        def checked() -> object:
            self.context.check()
            return turn()

        return checked

    def _forget(self, step: Step, provider: Provider) -> Call:
        return lambda: None

    def _look(self, step: Step, provider: Provider) -> Call:
        recorded, seen = self.recorded(step), step.seen
        taken = not step.waiting and step.change.action in (Action.ADOPT, Action.RESTORE)

        def is_old(remote: RemoteObject) -> bool:
            """Whether all that it has to tell was told when it was made."""
            return taken and remote.status is not Status.PENDING

        def look() -> object:
            remote = provider.read(recorded)
            if remote is None or not isinstance(provider, ReportsProgress) or is_old(remote):
                return remote
            lines, next_seen = provider.progress(recorded, seen)
            return PollResult(remote, tuple(lines), next_seen)

        return look

    def _intent(self, step: Step, operation: Operation) -> PendingOperation:
        change = step.change
        return PendingOperation(
            address=change.address,
            operation=operation,
            provider=change.provider,
            token=self.context.new_token(),
            inputs={name: fill(value, self._value) for name, value in change.after.items()},
            identities=change.identities,
            dependencies=change.dependencies,
            fingerprint=change.fingerprint,
            started_at=iso_timestamp(self.context.utc_now(), "milliseconds"),
            facts=change.facts,
            prevent_destroy=change.prevent_destroy,
            retain=change.retain,
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
            report=lambda progress: self.say(step.change.step, progress),
        )

    def _value(self, reference: Reference | Secret) -> Value:
        """What a reference comes to, now that what it names has been made."""
        if isinstance(reference, Secret):
            return reference
        resource = self.live.resources.get(reference.address)
        value: Value = attribute(resource.outputs, reference.attribute) if resource else None
        if value is None:
            raise Permanent(*no_value(reference, resource.outputs if resource else {}))
        return value

    def _secret(self, reference: Reference | Secret) -> Value:
        return self.context.secrets[reference] if isinstance(reference, Secret) else reference

    def _known_ids(self) -> frozenset[str]:
        live = self.live
        return frozenset(r.remote_id for r in (*live.resources.values(), *live.deposed.values()))


def new_token(lineage: str) -> str:
    """16 hex digits: whose, and which."""
    return owner_mark(lineage) + secrets.token_hex(8 - OWNER_DIGITS // 2)


def _raises(error: FtopsError) -> Call:
    def turn() -> object:
        raise error

    return turn


_TURNS: Mapping[Action, Callable[[ProviderCalls, Step, Provider], Call]] = {
    Action.CREATE: ProviderCalls._create,
    Action.REPLACE: ProviderCalls._create,
    Action.UPDATE: ProviderCalls._update,
    Action.DELETE: ProviderCalls._delete,
    Action.ADOPT: ProviderCalls._look,
    Action.RESUME: ProviderCalls._look,
    Action.RESTORE: ProviderCalls._look,
    Action.FORGET: ProviderCalls._forget,
}

"""Recorded objects as values, for tests of the planner's parts."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ftops.core.address import Address
from ftops.state.state import Operation, PendingOperation, ResourceState, State, Status

DATA, JOB, SERVING = Address("dataset", "train"), Address("job", "copilot"), Address("deployment", "prod")


def record(address: Address, remote_id: str = "", **more: Any) -> ResourceState:
    """An object that is ready, at the provider `p`. Without an id it has one of its own."""
    given: dict[str, Any] = {"provider": "p", "status": Status.READY, **more}
    return ResourceState(address=address, remote_id=remote_id or f"{address.kind}-{address.name}", **given)


def intent(address: Address, operation: Operation = Operation.CREATE, **more: Any) -> PendingOperation:
    """An operation that an interrupted run began."""
    return PendingOperation(address, operation, "p", "token", more.pop("inputs", {}), **more)


def state_of(
    records: Iterable[ResourceState] = (),
    deposed: Iterable[tuple[ResourceState, str]] = (),
    pending: Iterable[PendingOperation] = (),
) -> State:
    """The state that holds these."""
    return State(
        "line",
        3,
        {one.address: one for one in records},
        {(one.address, key): one for one, key in deposed},
        {one.address: one for one in pending},
    )

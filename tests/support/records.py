"""Recorded objects as values, for unit tests of planning."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ftops.core.address import Address
from ftops.state.state import Operation, PendingOperation, ResourceState, State, Status

DATA, JOB, SERVING = Address("dataset", "train"), Address("job", "copilot"), Address("deployment", "prod")


def record(address: Address, remote_id: str = "", **more: Any) -> ResourceState:
    """A ready object of the provider `p`. The default ID follows from the address."""
    given: dict[str, Any] = {"provider": "p", "status": Status.READY, **more}
    return ResourceState(address=address, remote_id=remote_id or f"{address.kind}-{address.name}", **given)


def intent(address: Address, operation: Operation = Operation.CREATE, **more: Any) -> PendingOperation:
    """An operation that an interrupted run started."""
    return PendingOperation(address, operation, "p", "token", more.pop("inputs", {}), **more)


def state_of(
    records: Iterable[ResourceState] = (),
    deposed: Iterable[tuple[ResourceState, str]] = (),
    pending: Iterable[PendingOperation] = (),
) -> State:
    return State(
        "line",
        3,
        {record.address: record for record in records},
        {(record.address, key): record for record, key in deposed},
        {operation.address: operation for operation in pending},
    )

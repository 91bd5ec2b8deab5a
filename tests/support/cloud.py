"""A cloud in memory with the rules of the real one, and a provider for it. Faults and time are given.

It implements the provider protocol, so the engine under test is the real one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from msgspec.structs import replace

from ftops.core.address import Address, Json
from ftops.core.dag_executor import Deliveries, Delivery
from ftops.core.errors import Permanent, Temporary
from ftops.providers.base import Request
from ftops.providers.dataplane.client import plain
from ftops.state.state import PendingOperation, RemoteObject, ResourceState, Status


class VirtualTime:
    """A clock that jumps ahead by every wait."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def now(self) -> float:
        return self.seconds

    def take(self, queue: Deliveries, seconds: float | None) -> Delivery | None:
        if not queue.empty():
            return queue.get()
        assert seconds is not None, "the run would wait for ever"
        self.seconds += seconds
        return None


@dataclass
class Thing:
    """One object of the cloud."""

    remote_id: str
    kind: str
    inputs: dict[str, Json]
    token: str
    looks: int = 0
    """The number of reads; it is ready after `Cloud.patience` of them."""
    failed: str = ""


@dataclass
class Cloud:
    """Objects by ID. A job's model can't be deleted while a deployment uses it; names are unique."""

    things: dict[str, Thing] = field(default_factory=dict)
    patience: int = 1
    created: int = 0
    faults: Iterator[str] = field(default_factory=lambda: iter(()))
    """One word a call: "" none, "lost" (the reply is lost after the effect), "busy" (429), "down"."""
    fail_job: Callable[[Thing], str] = lambda thing: ""

    def of_kind(self, kind: str) -> list[Thing]:
        return [t for t in self.things.values() if t.kind == kind]


class CloudProvider:
    """The provider protocol over a Cloud."""

    instant = True

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud

    def create(self, request: Request) -> RemoteObject:
        fault = next(self.cloud.faults, "")
        _before(fault)
        kind = request.address.kind
        if kind == "deployment":
            self._check_deployment(request)
        self.cloud.created += 1
        thing = Thing(f"{kind}-{self.cloud.created}", kind, dict(request.inputs), request.token)
        if kind == "job":
            thing.failed = self.cloud.fail_job(thing)
        self.cloud.things[thing.remote_id] = thing
        _after(fault)
        return self._show(thing)

    def read(self, resource: ResourceState) -> RemoteObject | None:
        _before(next(self.cloud.faults, ""))
        thing = self.cloud.things.get(resource.remote_id)
        if thing is None:
            return None
        thing.looks += 1
        shown = self._show(thing)
        known = plain(resource.inputs)
        return replace(shown, inputs={name: v for name, v in shown.inputs.items() if name in known})

    def update(self, request: Request, resource: ResourceState) -> RemoteObject:
        fault = next(self.cloud.faults, "")
        _before(fault)
        thing = self.cloud.things[resource.remote_id]
        thing.inputs = dict(request.inputs)
        _after(fault)
        return self._show(thing)

    def delete(self, resource: ResourceState) -> RemoteObject | None:
        fault = next(self.cloud.faults, "")
        _before(fault)
        thing = self.cloud.things.get(resource.remote_id)
        if thing is not None and thing.kind == "job":
            users = [d for d in self.cloud.of_kind("deployment") if d.inputs["model"] == _model(thing)]
            if users:
                raise Permanent("the model is deployed", code="conflict")
        self.cloud.things.pop(resource.remote_id, None)
        _after(fault)
        return None

    def find_by_token(self, operation: PendingOperation, known: frozenset[str]) -> RemoteObject | None:
        _before(next(self.cloud.faults, ""))
        for thing in self.cloud.things.values():
            if thing.token == operation.token and thing.remote_id not in known:
                return self._show(thing)
        return None

    def concurrency_key(self, address: Address) -> str | None:
        return "account" if address.kind == "deployment" else None

    def close(self) -> None:
        return None

    def _check_deployment(self, request: Request) -> None:
        if any(d.inputs["name"] == request.inputs["name"] for d in self.cloud.of_kind("deployment")):
            raise Permanent("the name is taken", code="conflict")

    def _show(self, thing: Thing) -> RemoteObject:
        ready = thing.looks >= self.cloud.patience
        status = Status.PENDING if not ready else Status.TAINTED if thing.failed else Status.READY
        attributes: dict[str, Json] = {"id": thing.remote_id}
        if thing.kind == "job" and status is Status.READY:
            attributes["fine_tuned_model"] = _model(thing)
        if thing.kind == "deployment":
            attributes["name"] = thing.inputs["name"]
        shown = ("sku", "tags", "model", "version") if thing.kind == "deployment" else ()
        observed = {name: thing.inputs[name] for name in shown if name in thing.inputs}
        return RemoteObject(
            thing.remote_id,
            status,
            attributes,
            observed,
            message=thing.failed,
            requeue_after=1.0,
            holds_concurrency_key=thing.kind == "deployment",
        )


def _model(thing: Thing) -> str:
    return f"base.ft-{thing.remote_id}"


def _before(fault: str) -> None:
    if fault == "busy":
        raise Temporary("too many requests", retry_after=3)
    if fault == "down":
        raise Temporary("no reply", effect_unknown=True)


def _after(fault: str) -> None:
    if fault == "lost":
        raise Temporary("the reply was lost", effect_unknown=True)

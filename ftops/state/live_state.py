"""The state of a run, which grows with each entry of its journal; and the fold of a journal."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from msgspec.structs import replace

from ftops.core.address import Address, Json
from ftops.core.resource_types import kind_of
from ftops.state.entries import (
    Begun,
    DigestKeySet,
    Entry,
    ExpirySet,
    Failed,
    Granted,
    GrantEnded,
    Home,
    Moved,
    OutputsRecorded,
    Pinned,
    ProviderReplaced,
    Reassigned,
    Reassignment,
    Recorded,
    Released,
    Removed,
)
from ftops.state.state import (
    PendingOperation,
    ResourceState,
    Served,
    State,
    Status,
    scores,
)

MOST_SERVED = 20
"""Models of a deployment that are remembered."""
R = TypeVar("R", ResourceState, PendingOperation)


class LiveState:
    """The mutable state of a run, owned by a single thread. Adding an entry takes constant time."""

    def __init__(self, state: State) -> None:
        self.lineage = state.lineage
        self.serial = state.serial
        self.resources = dict(state.resources)
        self.deposed = dict(state.deposed)
        self.pending = dict(state.pending)
        self.outputs: Mapping[str, Json] = state.outputs
        self.digest_key = state.digest_key
        self.grants = dict(state.grants)
        self.expires_at = state.expires_at
        self.pins = dict(state.pins)
        self.served = dict(state.served)

    def add(self, entry: Entry) -> None:
        self.serial += 1
        match entry:
            case Begun(operation):
                self.pending[operation.address] = operation
            case Recorded(resource, deposes):
                self._record(resource, deposes)
            case Removed(address, ""):
                self.resources.pop(address, None)
                self.pending.pop(address, None)
            case Removed(address, key):
                self.deposed.pop((address, key), None)
            case Failed(address, _):
                self.pending.pop(address, None)
            case OutputsRecorded(outputs):
                self.outputs = outputs
            case Moved(moves):
                names = dict(moves)
                self._update(lambda record: _renamed(record, names))
                self._rename_pins(names)
            case Reassigned(objects):
                self._reassign(objects)
            case ProviderReplaced(before, after):
                self._update(lambda record: _rehomed(record, before, after))
            case DigestKeySet(key):
                self.digest_key = key
            case Granted(grant):
                self.grants[grant.digest] = grant
            case GrantEnded(digest, _):
                self.grants.pop(digest, None)
            case ExpirySet(at):
                self.expires_at = at
            case Pinned(pin):
                self.pins[pin.address] = pin
            case Released(address, _):
                self.pins.pop(address, None)

    def freeze(self) -> State:
        records = (dict(self.resources), dict(self.deposed), dict(self.pending))
        outputs, grants = self.outputs, dict(self.grants)
        kept = (self.expires_at, dict(self.pins), dict(self.served))
        return State(self.lineage, self.serial, *records, outputs, self.digest_key, grants, *kept)

    def _record(self, resource: ResourceState, deposes: str) -> None:
        address = resource.address
        old = self.resources.get(address)
        if deposes and old is not None:
            self.deposed[address, deposes] = old
        self.resources[address] = resource
        self.pending.pop(address, None)
        if resource.status is Status.READY and kind_of(address).serves:
            self._serve(resource)

    def _serve(self, resource: ResourceState) -> None:
        """Remembers the model, if a job has made it and the deployment didn't serve it already."""
        model, rows = resource.inputs.get("model"), self.served.get(resource.address, ())
        if not isinstance(model, str) or (rows and rows[-1].model == model):
            return
        needs = resource.dependencies
        jobs = [need for need in needs if kind_of(need).trains]
        made = (need for need in jobs if need in self.resources and _has_made(self.resources[need], model))
        job = next(made, jobs[0] if jobs else None)
        known = next((row for row in reversed(rows) if row.model == model), None)
        results = (self.resources[need] for need in needs if need in self.resources)
        evaluated = ", ".join(scores(r) for r in results if kind_of(r.address).is_record)
        if known is not None:  # pinned: the spec's job is another one by now
            row = replace(known, at=resource.created_at)
        elif job is not None:
            row = Served(model, job, resource.created_at, evaluated)
        else:
            return
        self.served[resource.address] = (*rows, row)[-MOST_SERVED:]

    def _rename_pins(self, names: Mapping[Address, Address]) -> None:
        if not self.pins and not self.served:
            return

        def now(address: Address) -> Address:
            return names.get(address, address)

        pins = (
            replace(pin, address=now(pin.address), trained_by=now(pin.trained_by))
            for pin in self.pins.values()
        )
        self.pins = {pin.address: pin for pin in pins}
        self.served = {
            now(address): tuple(replace(row, trained_by=now(row.trained_by)) for row in rows)
            for address, rows in self.served.items()
        }

    def _update(self, update: Callable[[Any], Any]) -> None:
        """Updates all records, their addresses included."""
        self.resources = {one.address: one for one in map(update, self.resources.values())}
        self.deposed = {(r.address, k): r for (_, k), old in self.deposed.items() for r in [update(old)]}
        self.pending = {one.address: one for one in map(update, self.pending.values())}

    def _reassign(self, objects: tuple[Reassignment, ...]) -> None:
        taken = [
            self.deposed.pop((source, key)) if key else self.resources.pop(source)
            for source, key, *_ in objects
        ]
        for _, _, target, deposes in objects:
            if target in self.resources:
                self.deposed[target, deposes] = self.resources.pop(target)
        names = {source: target for source, key, target, _ in objects if not key}
        self._update(lambda record: _depending(record, names))
        self._rename_pins(names)
        for (_, _, target, _), resource in zip(objects, taken, strict=True):
            self.resources[target] = replace(_depending(resource, names), address=target)


def _has_made(job: ResourceState, model: str) -> bool:
    """Whether it is the job's model, or one of its checkpoints."""
    checkpoints: Any = job.outputs.get("checkpoint") or {}
    return job.outputs.get("fine_tuned_model") == model or model in checkpoints.values()


def _renamed(record: R, names: Mapping[Address, Address]) -> R:
    """With new names of its own address and of its dependencies."""
    address = names.get(record.address, record.address)
    record = _depending(record, names)
    return record if address == record.address else replace(record, address=address)


def _depending(record: R, names: Mapping[Address, Address]) -> R:
    """With new names of its dependencies."""
    if names.keys().isdisjoint(record.dependencies):
        return record
    dependencies = {names.get(a, a) for a in record.dependencies}
    return replace(record, dependencies=tuple(sorted(dependencies, key=lambda a: a.sort_key)))


def _rehomed(record: R, before: Home, after: Home) -> R:
    is_affected = (record.provider, record.account) == before
    return replace(record, provider=after.provider, account=after.account) if is_affected else record


def fold(state: State, entries: Iterable[Entry]) -> State:
    live = LiveState(state)
    for entry in entries:
        live.add(entry)
    return live.freeze()

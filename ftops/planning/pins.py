"""Pins: deployments that serve an earlier model than the spec asks for, until they are released. Pure.

A plan is made from the spec with the pinned models in it, so that nothing else has to know of pins.
docs/rollback.md describes them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from ftops.config.accounts import accounts_of, agrees
from ftops.config.config import Config, Resource
from ftops.config.sweeps import Sweeps, chosen, model_made
from ftops.core.address import Address, Json, Reference
from ftops.core.resource_types import kind_of
from ftops.core.serving import serving_of
from ftops.planning.desired import at
from ftops.planning.plan import CREATING, Mode, Options, PinChange, Plan
from ftops.state.entries import Entry, Pinned, Released
from ftops.state.live_state import fold
from ftops.state.state import Pin, ResourceState, State, Status, recorded_objects


class PinsInEffect(Struct, frozen=True):
    """The pins of a plan, and how they differ from the recorded ones."""

    pins: Mapping[Address, Pin]
    entries: tuple[Entry, ...] = ()
    changes: tuple[PinChange, ...] = ()

    def without(self, address: Address, why: str) -> PinsInEffect:
        """After the release of one."""
        pins = {one: pin for one, pin in self.pins.items() if one != address}
        released = (*self.entries, Released(address, why))
        return PinsInEffect(pins, released, (*self.changes, PinChange(address, "", why)))


def pins_in_effect(state: State, config: Config, options: Options, at: str, who: str) -> PinsInEffect:
    """The recorded pins, without those that end, and with what is asked for. `at` and `who` of new ones."""
    found = PinsInEffect(dict(state.pins))
    declared, accounts = config.by_address, accounts_of(config) if state.pins else {}
    for address in state.pins:
        if options.mode is Mode.DESTROY:
            found = found.without(address, "destroyed")
        elif options.mode is Mode.NORMAL and address not in declared:
            found = found.without(address, "undeclared")
        elif address in options.releases:
            found = found.without(address, "asked")
        elif options.mode is Mode.NORMAL and not _is_served_as_recorded(state, declared[address]):
            found = found.without(address, "served")
        elif options.mode is Mode.NORMAL and not _stays(state, declared[address], accounts):
            found = found.without(address, "account")
    for address, wanted in options.pins.items():
        recorded = state.pins.get(address)
        if recorded is None or (recorded.model, recorded.reason) != (wanted.model, wanted.reason):
            pin = Pin(address, wanted.model, wanted.trained_by, at, who, wanted.reason, wanted.evaluated)
            change = PinChange(address, wanted.model, wanted.reason)
            found = PinsInEffect(
                {**found.pins, address: pin}, (*found.entries, Pinned(pin)), (*found.changes, change)
            )
    return found


def _is_served_as_recorded(state: State, resource: Resource) -> bool:
    """Whether the spec still serves a deployment in the same way. In another way, such as by itself instead
    of as an adapter, the pinned model may not be served at all."""
    record = state.resources.get(resource.address)
    return record is None or serving_of(record.inputs) is serving_of(resource.inputs)


def _stays(state: State, resource: Resource, accounts: Mapping[str, str]) -> bool:
    """Whether a deployment stays in its account. The pinned model doesn't exist in another one."""
    record = state.resources.get(resource.address)
    return record is None or not record.account or agrees(record.account, accounts[resource.provider])


def with_pins(config: Config, pins: Mapping[Address, Pin]) -> Config:
    """The spec with the pinned models. They have passed already, so that no gate counts."""
    resources = tuple(_pinned(r, pins[r.address]) if r.address in pins else r for r in config.resources)
    return replace(config, resources=resources)


def _pinned(resource: Resource, pin: Pin) -> Resource:
    inputs = {name: value for name, value in resource.inputs.items() if name != "gate"}
    return replace(resource, inputs={**inputs, "model": pin.model})


def asked_by_spec(
    made: Plan, state: State, config: Config, pins: Mapping[Address, Pin], sweeps: Sweeps
) -> Iterator[Address]:
    """Pinned deployments for which the spec asks for the pinned model itself, by the plan made with pins."""
    after = fold(state, made.entries)
    new = {c.address for c in made.changes if c.action in CREATING}

    def outputs(address: Address) -> Mapping[str, Json] | None:
        record = None if address in new else after.resources.get(address)
        return record.outputs if record and record.status is Status.READY else None

    for address, pin in pins.items():
        model: Any = config.by_address[address].inputs.get("model")
        if isinstance(model, Reference):
            named = chosen(model, sweeps, outputs)
            known = outputs(named.address) if isinstance(named, Reference) else None
            model = at(known, named.attribute) if known and isinstance(named, Reference) else None
        if model == pin.model:
            yield address


def kept_at_addresses(state: State, entries: Iterable[Entry], pins: Mapping[Address, Pin]) -> Iterator[Entry]:
    """What keeps the pins that a plan was made with at their addresses after its entries: where objects are
    found again under other addresses, their recorded pins would follow them."""
    after = fold(state, entries).pins
    for address in after:
        if address not in pins:
            yield Released(address, "undeclared")
    for address, pin in pins.items():
        if address not in after or after[address].model != pin.model:
            yield Pinned(pin)


def kept_for_rollback(state: State, config: Config, pins: Mapping[Address, Pin]) -> Iterator[str]:
    """The remote ids of the jobs whose models are pinned, or that deployments keep."""
    wanted = {pin.model.partition(":ckpt")[0] for pin in pins.values()}
    declared = config.by_address if state.served else {}
    for address, rows in state.served.items():
        count: Any = declared[address].inputs.get("keep_models") if address in declared else None
        if isinstance(count, int):
            models = dict.fromkeys(row.model.partition(":ckpt")[0] for row in reversed(rows))
            wanted.update(islice(models, count + 1))
    for record in jobs_of(state):
        if base_model(record) in wanted:
            yield record.remote_id


def base_model(job: ResourceState) -> str:
    """The model of a job, whose name those of its checkpoints begin with; of one that was stopped, too."""
    return str(model_made(job.outputs) or "").partition(":ckpt")[0]


def jobs_of(state: State) -> Iterator[ResourceState]:
    """All that have trained a model, replaced ones as well."""
    records = recorded_objects(state.resources, state.deposed) if state.served or state.pins else ()
    return (record for _, record in records if kind_of(record.address).trains)

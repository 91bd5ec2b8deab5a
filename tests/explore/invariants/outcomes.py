"""What must hold in the end: everything is as the spec says, or gone."""

from __future__ import annotations

from collections.abc import Iterator

from ftops.core.address import Address
from ftops.core.serving import MANAGED_SKU
from ftops.planning.plan import Mode
from ftops.providers.azure import managed_wire
from tests.explore.cloud import Thing
from tests.explore.hosting import is_off
from tests.explore.invariants.records import records_of
from tests.explore.world import Run, World


def as_declared_in_the_end(world: World, run: Run) -> Iterator[str]:
    """After an apply that is done, what is on record is there, and made of what the spec says."""
    if not (run.is_done and run.begun and run.is_normal and run.wait) or run.is_partial or run.is_saved:
        return
    now = world.clock.now()
    for address in run.spec.items:
        record = run.after.resources.get(address)
        if record is None:
            yield f"{address} isn't on record after the apply"
            continue
        if address.kind == "evaluation":
            yield from _as_examined(address, run)
            continue
        account = run.spec.account(address)
        if address.kind == "deployment" and record.is_off != is_off(run.spec.serving(address).hours, run):
            yield f"{address} is {'off in' if record.is_off else 'on outside'} its hours"
        if record.is_off or record.stopped:
            continue
        thing = world.cloud.get(account, address.kind, record.remote_id)
        if thing is None:
            yield f"{address} is recorded as {record.remote_id}, which isn't in {account}"
        elif not run.spec.ignores(address) and address not in run.after.pins:
            if thing.essence != run.spec.essence(address):
                yield f"{address} is {thing.remote_id}, which is made of {thing.essence}"
            elif thing.status(now) not in ("processed", "succeeded", "Succeeded"):
                yield f"{address} is {thing.remote_id}, which is {thing.status(now)}"
            elif thing.kind == "deployment":
                yield from _as_asked(thing, address, run)


def destroyed_in_the_end(world: World, run: Run) -> Iterator[str]:
    """After a destroy that is done, nothing is on record."""
    if run.is_done and run.options.mode is Mode.DESTROY and not run.is_partial and not run.after.is_empty:
        yield f"still on record: {', '.join(str(r.address) for r in records_of(run.after))}"


def outputs_name_what_is_there(world: World, run: Run) -> Iterator[str]:
    """After an apply, each output is an attribute of an object on record under its address."""
    if run.report is None or run.crashed:
        return
    for name, value in run.after.outputs.items():
        address = Address.parse(name)
        attribute = "name" if address.kind == "deployment" else "fine_tuned_model"
        there = {
            record.outputs.get(attribute) for record in records_of(run.after) if record.address == address
        }
        if value not in there:
            yield f"the output {name} is {value}, and there is {', '.join(map(str, there)) or 'nothing'}"


def _as_examined(address: Address, run: Run) -> Iterator[str]:
    exam, record = run.spec.exam(address), run.after.resources[address]
    if exam.best:
        return  # `the_best_is_examined` says of which model
    model = run.after.resources[exam.model].outputs.get("fine_tuned_model")
    if record.outputs.get("best") != model:
        yield f"{address} is of {record.outputs.get('best')}, and {exam.model} has made {model}"


def _as_asked(thing: Thing, address: Address, run: Run) -> Iterator[str]:
    serving = run.spec.serving(address)
    if serving.on:
        base, on = run.after.resources[serving.on], managed_wire.target_of(thing.body)
        if str(base.outputs.get("name")).casefold() != on.casefold():
            yield f"{address} is on {on}, not on {base.remote_id}"
    else:
        asked = {"name": MANAGED_SKU if serving.managed else serving.sku, "capacity": serving.capacity}
        if thing.body["sku"] != asked:
            yield f"{address} has {thing.body['sku']}, not {asked}"
    if not thing.name.casefold().startswith(serving.name.casefold()):
        yield f"{address} is called {thing.name}"

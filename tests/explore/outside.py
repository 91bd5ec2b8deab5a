"""What people and the service do to an account without ftops."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from tests.explore.cloud import Cloud, Thing
from tests.explore.serving import Adapters, Managed
from tests.explore.world import World


def delete(world: World, number: int) -> str:
    """One object that nothing uses is deleted; which, in words."""
    cloud = world.cloud
    thing = _one(cloud, number, lambda t: not _is_used(cloud, t))
    if thing is None:
        return ""
    cloud.vanish(thing)
    return f"somebody deletes {thing.remote_id}"


def cancel(world: World, number: int) -> str:
    """One job that isn't finished is cancelled."""
    cloud, now = world.cloud, world.clock.now()
    thing = _one(cloud, number, lambda t: t.kind == "job" and t.is_unfinished(now))
    if thing is None:
        return ""
    cloud.cancel(thing)
    return f"somebody cancels {thing.remote_id}"


def resize(world: World, number: int) -> str:
    """One deployment gets another capacity."""
    thing = _one(world.cloud, number, lambda t: t.kind == "deployment" and "sku" in t.body)
    if thing is None:
        return ""
    world.cloud.resize(thing, 9)
    return f"somebody resizes {thing.remote_id}"


def retarget(world: World, number: int) -> str:
    """One adapter is put on another base of its account."""
    cloud, now = world.cloud, world.clock.now()
    moves = [
        (adapter, base)
        for adapter in cloud.things.values()
        for base in cloud.things.values()
        if adapter.kind == base.kind == "deployment" and adapter.account == base.account
        if adapter.segment == Adapters.segment and base.segment == Managed.segment
        if not adapter.is_on(base, now) and {t.status(now) for t in (adapter, base)} == {"Succeeded"}
    ]
    if not moves:
        return ""
    adapter, base = moves[number % len(moves)]
    cloud.retarget(adapter, base)
    return f"somebody puts {adapter.remote_id} on {base.name}"


def wait(world: World, number: int) -> str:
    """What is in the making is done."""
    world.clock.seconds += 100.0
    return "time passes"


def turn(world: World, number: int) -> str:
    """Day becomes night, and night day."""
    world.wall += timedelta(hours=12)
    return f"it is {world.wall:%A %H:%M}"


WAYS = (delete, cancel, resize, retarget, wait, turn)


def _one(cloud: Cloud, number: int, is_it: Any) -> Thing | None:
    found = [t for t in cloud.things.values() if is_it(t)]
    return found[number % len(found)] if found else None


def _is_used(cloud: Cloud, thing: Thing) -> bool:
    now = cloud.now()
    others = [t for t in cloud.things.values() if t.account == thing.account]
    if thing.kind == "dataset":
        unfinished = (j for j in others if j.kind == "job" and j.is_unfinished(now))
        return any(j.body["training_file"] == thing.remote_id for j in unfinished)
    if thing.kind == "job":
        served = (d for d in others if d.kind == "deployment")
        return any(d.served == thing.model for d in served)
    return any(d.is_on(thing, now) for d in others if d.kind == "deployment")

"""What people and the service do to an account without ftops."""

from __future__ import annotations

from typing import Any

from tests.explore.cloud import Cloud, Thing
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
    thing = _one(world.cloud, number, lambda t: t.kind == "deployment")
    if thing is None:
        return ""
    world.cloud.resize(thing, 9)
    return f"somebody resizes {thing.remote_id}"


def wait(world: World, number: int) -> str:
    """What is in the making is done."""
    world.clock.seconds += 100.0
    return "time passes"


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
        return any(d.body["properties"]["model"]["name"] == thing.model for d in served)
    return False

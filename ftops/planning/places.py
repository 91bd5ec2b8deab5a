"""Places: where the causes of changes are written in the spec. For display only: no digest has them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from ftops.config.config import Resource
from ftops.core.address import Address
from ftops.core.errors import Place
from ftops.planning.plan import Change, Plan

_WRITTEN_AS: Mapping[str, tuple[str, ...]] = {"content": ("path", "url", "generate")}
"""An input that is computed → the keys that it comes from."""


def places_of(plan: Plan, resources: Mapping[Address, Resource]) -> Mapping[Address, Mapping[str, Place]]:
    """The places of changed inputs by path, and of the resource itself (empty path), of what the spec still
    declares."""
    found = {}
    for change in plan.changes:
        resource = resources.get(change.address)
        if resource is not None and resource.place is not None and change.step == str(change.address):
            paths = [attribute.path for attribute in change.attributes]
            written = dict(_written(resource, paths)) if paths else {}
            found[change.address] = {"": resource.place, **written}
    return found


def cause_place(plan: Plan, change: Change) -> Place | None:
    """Where the cause of a change is: the first input that forces a replacement, or that differs, or else the
    resource. None if the spec doesn't declare it."""
    known = plan.places.get(change.address, {})
    ordered = sorted(change.attributes, key=lambda attribute: not attribute.forces_replacement)
    return next((known[a.path] for a in ordered if a.path in known), known.get(""))


def _written(resource: Resource, paths: Iterable[str]) -> Iterator[tuple[str, Place]]:
    for path in paths:
        head = path.partition(".")[0]
        for name in (path, head, *_WRITTEN_AS.get(head, ())):
            if name in resource.places:
                yield path, resource.places[name]
                break

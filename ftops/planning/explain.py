"""Explain: the chain of changes that lead to the change of a resource, down to the examples of a dataset."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from msgspec import Struct

from ftops.config.config import Resource
from ftops.core.address import Address, references
from ftops.core.errors import Place
from ftops.dataset.profile.diff import Compared
from ftops.planning.places import cause_place
from ftops.planning.plan import Change, Plan

Compare = Callable[[Address, str], Compared | None]
"""A dataset and the digest of its recorded content → how it differs; None if that isn't known."""


class Cause(Struct, frozen=True):
    """One change, the difference of its data, and the changes that cause it.

    `compared`: for a dataset whose content changes, if the previous version is available.
    `told`: the causes of this change are shown where it appears first.
    """

    change: Change
    causes: tuple[Cause, ...] = ()
    compared: Compared | None = None
    content_changes: bool = False
    told: bool = False
    place: Place | None = None
    """Where it is written in the spec."""


def explain(
    address: Address, plan: Plan, resources: Mapping[Address, Resource], compare: Compare
) -> tuple[Cause, ...]:
    """Why the resource changes: a cause for each instance of a `for_each`; none if nothing changes."""
    changes = {c.address: c for c in plan.changes if c.step == str(c.address)}
    wanted = [a for a in changes if a == address or Address(a.kind, a.name) == address]
    told: set[Address] = set()

    def cause(one: Address) -> Cause:
        change = changes[one]
        place = cause_place(plan, change)
        if one in told:
            return Cause(change, told=True, place=place)
        told.add(one)
        before = change.former_content
        compared = compare(one, before) if before else None
        below = tuple(cause(other) for other in _origins(change, resources) if other in changes)
        return Cause(change, below, compared, before is not None, place=place)

    return tuple(cause(one) for one in sorted(wanted, key=lambda a: a.sort_key))


def _origins(change: Change, resources: Mapping[Address, Resource]) -> Iterator[Address]:
    """Other resources that the changed inputs refer to; none for a new resource."""
    resource = resources.get(change.address)
    heads = {attribute.path.partition(".")[0] for attribute in change.attributes}
    inputs = [resource.inputs.get(head) for head in sorted(heads)] if resource else []
    found = dict.fromkeys(reference.address for reference in references(inputs))
    return (address for address in found if address != change.address)

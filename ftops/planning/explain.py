"""Why a plan changes a resource: the chain of changes that lead to it, down to the examples of a dataset."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from msgspec import Struct

from ftops.config.config import Resource
from ftops.core.address import Address, references
from ftops.dataset.profile.diff import Compared
from ftops.planning.plan import Change, Plan

Compare = Callable[[Address, str], Compared | None]
"""A dataset and the digest of its recorded content → how it differs; None where that can't be told."""


class Cause(Struct, frozen=True):
    """One change, what of its data differs, and the changes that it comes from.

    `compared`: of a dataset whose content changes, where the former version is at hand.
    `told`: the causes of this change are told where it first stands.
    """

    change: Change
    causes: tuple[Cause, ...] = ()
    compared: Compared | None = None
    content_changes: bool = False
    told: bool = False


def explain(
    address: Address, plan: Plan, resources: Mapping[Address, Resource], compare: Compare
) -> tuple[Cause, ...]:
    """Why the resource changes; one cause for each instance of a `for_each`, none where nothing changes."""
    changes = {c.address: c for c in plan.changes if c.step == str(c.address)}
    wanted = [a for a in changes if a == address or Address(a.kind, a.name) == address]
    explainer = _Explainer(changes, resources, compare)
    return tuple(explainer.cause(a) for a in sorted(wanted, key=lambda a: a.sort_key))


class _Explainer:
    def __init__(
        self, changes: Mapping[Address, Change], resources: Mapping[Address, Resource], compare: Compare
    ) -> None:
        self.changes = changes
        self.resources = resources
        self.compare = compare
        self.seen: set[Address] = set()

    def cause(self, address: Address) -> Cause:
        change = self.changes[address]
        if address in self.seen:
            return Cause(change, told=True)
        self.seen.add(address)
        before = change.former_content
        compared = self.compare(address, before) if before else None
        below = tuple(self.cause(other) for other in self._origins(change))
        return Cause(change, below, compared, before is not None)

    def _origins(self, change: Change) -> Iterator[Address]:
        """Changes that the changed inputs refer to; of what is made for the first time, nothing."""
        resource = self.resources.get(change.address)
        heads = {attribute.path.partition(".")[0] for attribute in change.attributes}
        found: dict[Address, None] = {}
        for head in sorted(heads):
            value = resource.inputs.get(head) if resource else None
            for reference in references(value):
                if reference.address in self.changes and reference.address != change.address:
                    found[reference.address] = None
        yield from found

"""Running balance: whether a quota or limit is exceeded at any step of a plan."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ftops.core.dag import closure, reverse
from ftops.planning.plan import Change


class Shortage(NamedTuple):
    """The first step for which not enough is left."""

    step: Change
    needs: float
    left: float
    """Just before it, in the order of the plan."""
    is_sure: bool
    """False: there would be enough if other steps ran first."""


class Order:
    """Which steps of a plan wait for which."""

    def __init__(self, changes: Sequence[Change]) -> None:
        self._users = reverse({change.step: change.waits_for for change in changes})
        self._behind: dict[str, set[str]] = {}

    def waits(self, step: str, other: str) -> bool:
        """Whether `step` always comes after `other`."""
        if other not in self._behind:
            self._behind[other] = closure([other], self._users) - {other}
        return step in self._behind[other]


def shortage(takes: Sequence[tuple[Change, float]], left: float, order: Order) -> Shortage | None:
    """The shortage if steps that take these amounts (negative: free) run in this order; None if there is
    enough."""
    now = left
    for number, (step, amount) in enumerate(takes):
        if amount > now and amount > 0:
            frees = ((one.step, -freed) for one, freed in takes[number + 1 :] if freed < 0)
            early = sum(freed for one, freed in frees if not order.waits(one, step.step))
            return Shortage(step, amount, now, is_sure=amount > now + early)
        now -= amount
    return None

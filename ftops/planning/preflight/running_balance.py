"""Running balance: whether a quota or limit is exceeded at any step of a plan."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from ftops.core.dag import closure, reverse
from ftops.planning.plan import Change


class Take(NamedTuple):
    """What one step takes of a quota or limit; negative if it frees some."""

    step: Change
    amount: float


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


def shortage(takes: Iterable[Take], left: float, order: Order) -> Shortage | None:
    """The shortage if the steps run in this order; None if there is enough."""
    steps = list(takes)
    now = left
    for number, take in enumerate(steps):
        if take.amount > now and take.amount > 0:
            later = [t for t in steps[number + 1 :] if t.amount < 0]
            early = -sum(t.amount for t in later if not order.waits(t.step.step, take.step.step))
            return Shortage(take.step, take.amount, now, is_sure=take.amount > now + early)
        now -= take.amount
    return None

"""Shortages: whether the steps of a plan, in their order, take more of something than is left, and which of
them can wait for others that free it. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from ftops.core.dag import closure, reverse
from ftops.planning.plan import Change


class Take(NamedTuple):
    """What one step takes; a negative amount is freed. `is_returned`: only until the step ends."""

    step: Change
    amount: float
    is_returned: bool = False


class Shortage(NamedTuple):
    """The first step for which not enough is left."""

    take: Take
    left: float
    """Just before it, in the order of the plan."""
    beside: float
    """What other steps may take for a while, at the same time."""
    is_sure: bool
    """False: there would be enough if other steps ran first."""


class Order:
    """Which steps of a plan wait for which."""

    def __init__(self, waits_for: Mapping[str, Sequence[str]]) -> None:
        self._steps = tuple(waits_for)
        self._users = reverse(waits_for)
        self._behind: dict[str, set[str]] = {}

    def waits(self, step: str, other: str) -> bool:
        """Whether `step` always comes after `other`."""
        if other not in self._behind:
            self._behind[other] = closure([other], self._users) - {other}
        return step in self._behind[other]

    def let_wait(self, step: str, other: str) -> None:
        """From now on, `step` comes after `other`."""
        self._users.setdefault(other, []).append(step)
        self._behind.clear()

    def behind(self, step: str) -> int:
        """How many steps always come before this one."""
        return sum(self.waits(step, other) for other in self._steps)

    def may_overlap(self, step: str, other: str) -> bool:
        """Whether two steps may run at the same time."""
        return step != other and not self.waits(step, other) and not self.waits(other, step)


def shortage(takes: Sequence[Take], left: float, order: Order) -> Shortage | None:
    """The shortage if steps that take these amounts run in this order; None if there is enough."""
    now = left
    for number, take in enumerate(takes):
        if take.amount > 0:
            beside = sum(one.amount for one in _beside(take, takes, order))
            if take.amount + beside > now:
                freeing = (one for one in takes[number + 1 :] if one.amount < 0)
                early = sum(-one.amount for one in freeing if not order.waits(one.step.step, take.step.step))
                return Shortage(take, now, beside, is_sure=take.amount > now + early)
        now -= 0 if take.is_returned else take.amount
    return None


def _beside(take: Take, takes: Sequence[Take], order: Order) -> Iterator[Take]:
    """Others that return what they take, and may all run at the same time as this one."""
    together = [take]
    for other in takes:
        if other.is_returned and all(order.may_overlap(other.step.step, one.step.step) for one in together):
            together.append(other)
            yield other


def relief(takes: Sequence[Take], left: float, order: Order) -> Iterator[tuple[str, str]]:
    """Pairs of a step and one that it has to wait for, so that enough is left for it, as far as its order
    allows that. They are added to the order.

    For each step it is enough if there would be room for it and all those before it in the plan, with no more
    freed than what it waits for: of the steps that have run at any time, one is the last in the plan.
    """
    freeing = sorted((one for one in takes if one.amount < 0), key=lambda one: order.behind(one.step.step))
    for number, take in enumerate(takes):
        step = take.step.step
        others = [one for one in takes[:number] if one.amount > 0 and one.step.step != step]
        lasting = (one for one in others if not (one.is_returned and order.waits(step, one.step.step)))
        missing = take.amount + sum(one.amount for one in lasting) - left
        missing += sum(one.amount for one in freeing if order.waits(step, one.step.step))
        for one in freeing:
            other = one.step.step
            if take.amount <= 0 or missing <= 0:
                break
            if order.may_overlap(step, other):
                order.let_wait(step, other)
                missing += one.amount
                yield step, other

"""What a plan would cost, as values. Estimates all: prices come from the catalogue, tokens are counted here.

US dollars throughout.
"""

from __future__ import annotations

from typing import NamedTuple

from msgspec import Struct

from ftops.address import Address, Json
from ftops.errors import Place

HOURS_PER_MONTH = 730


class Budget(Struct, frozen=True):
    """What plans of a spec may cost at most. None: anything."""

    training: float | None = None
    """For all jobs of one plan."""
    hosting_per_hour: float | None = None
    """For all deployments of tuned models that one plan makes."""
    places: tuple[tuple[str, Place], ...] = ()
    """Where each limit is written."""


class Epochs(NamedTuple):
    """How often training goes through the examples."""

    number: int
    is_estimate: bool = False
    """`auto`: the service decides; this is by the rule that it documents."""


class TrainingCost(Struct, frozen=True):
    """What a job would cost. `note` says why `dollars` isn't known."""

    address: Address
    examples: int = 0
    tokens: int = 0
    """Of one epoch, without what is cut off."""
    epochs: Epochs = Epochs(0)
    cut: int = 0
    """Examples that are longer than the model takes."""
    per_million: float | None = None
    per_hour: float | None = None
    note: str = ""

    @property
    def dollars(self) -> float | None:
        if self.per_million is None or self.note:
            return None
        return self.tokens * self.epochs.number * self.per_million / 1_000_000


class HostingCost(Struct, frozen=True):
    """What a deployment of a tuned model costs while it exists, used or not."""

    address: Address
    per_hour: float | None
    """None: the catalogue doesn't know."""


class Estimate(Struct, frozen=True):
    """What the jobs of a plan cost once, and its deployments by the hour."""

    training: tuple[TrainingCost, ...] = ()
    hosting: tuple[HostingCost, ...] = ()

    @property
    def dollars(self) -> float:
        """Of all jobs whose cost is known."""
        return sum(cost.dollars or 0 for cost in self.training)

    @property
    def per_hour(self) -> float:
        """Of all deployments whose price is known."""
        return sum(cost.per_hour or 0 for cost in self.hosting)

    @property
    def unknown(self) -> tuple[TrainingCost, ...]:
        return tuple(cost for cost in self.training if cost.dollars is None)

    def job(self, address: Address) -> TrainingCost | None:
        return next((cost for cost in self.training if cost.address == address), None)

    def deployment(self, address: Address) -> HostingCost | None:
        return next((cost for cost in self.hosting if cost.address == address), None)


def estimate_to_json(estimate: Estimate) -> dict[str, Json]:
    """As docs/json-output.md describes it."""
    return {
        "currency": "USD",
        "training": [_training_to_json(cost) for cost in estimate.training],
        "hosting": [{"address": str(c.address), "per_hour": c.per_hour} for c in estimate.hosting],
        "training_total": round(estimate.dollars, 4),
        "training_total_is_complete": not estimate.unknown,
        "hosting_per_hour": round(estimate.per_hour, 4),
    }


def _training_to_json(cost: TrainingCost) -> dict[str, Json]:
    dollars = cost.dollars
    return {
        "address": str(cost.address),
        "examples": cost.examples,
        "tokens": cost.tokens,
        "epochs": cost.epochs.number,
        "epochs_estimated": cost.epochs.is_estimate,
        "examples_cut": cost.cut,
        "per_million": cost.per_million,
        "per_hour": cost.per_hour,
        "dollars": None if dollars is None else round(dollars, 4),
        "note": cost.note,
    }

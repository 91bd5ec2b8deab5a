"""Budgets: what of an estimate is over a limit of the spec or of a sweep. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from ftops.config.config import Budget, Resource
from ftops.config.sweeps import Stops
from ftops.core.address import Address
from ftops.core.errors import Diagnostic
from ftops.planning.estimate import Estimate, TrainingCost, about, dollars


def over_budget(estimate: Estimate, budget: Budget) -> Iterator[Diagnostic]:
    """An error where a limit is passed, a warning where that can't be told."""
    places = dict(budget.places)
    limits = (
        ("training", "training", budget.training, estimate.dollars, ", fewer epochs or examples"),
        ("hosting_per_hour", "an hour of hosting", budget.hosting_per_hour, estimate.per_hour, ""),
    )
    for key, what, limit, cost, also in limits:
        if limit is not None and cost > limit:
            yield Diagnostic(
                f"{what} would cost about {_exact(cost, limit)}, "
                f"more than the budget of {_exact(limit, cost)}",
                _largest(estimate, key),
                f"raise `budget: {{{key}: …}}`, or plan less at once (--target{also})",
                places.get(key),
            )
    unpriced = [cost for cost in estimate.hosting if cost.per_hour is None]
    if budget.hosting_per_hour is not None and unpriced:
        names = ", ".join(str(cost.address) for cost in unpriced[:3])
        yield Diagnostic(
            f"the hourly cost of {len(unpriced)} of {len(estimate.hosting)} deployments isn't known",
            f"So the budget can't be checked whole: {names}.",
            "add prices to ftops.catalog.yaml; `ftops docs catalog` says how",
            places.get("hosting_per_hour"),
            "warning",
        )
    if budget.training is not None and estimate.unknown:
        jobs = ", ".join(str(cost.address) for cost in estimate.unknown[:3])
        yield Diagnostic(
            f"the cost of {len(estimate.unknown)} of {len(estimate.training)} jobs isn't known",
            f"So the budget can't be checked whole. {jobs}: {estimate.unknown[0].note}.",
            "add prices to ftops.catalog.yaml; `ftops docs catalog` says how",
            places.get("training"),
            "warning",
        )


def small_budgets(
    training: Sequence[TrainingCost], stops: Stops, resources: Mapping[Address, Resource]
) -> Iterator[Diagnostic]:
    """A warning for each sweep whose budget isn't enough for any of its jobs, as far as their costs are
    known."""
    for sweep, stop in stops.items():
        costs = [cost for cost in training if cost.address in stop.jobs]
        needs = [_tokens(cost) if stop.tokens is not None else cost.dollars for cost in costs]
        known = [float(need) for need in needs if need]
        limit = stop.dollars if stop.tokens is None else stop.tokens
        if limit is None or not known or len(known) < len(stop.jobs) or min(known) <= limit:
            continue
        least, most = min(known), float(limit)
        said = [_exact(least, most), _exact(most, least)]
        if stop.tokens is not None:
            said = [f"{least:,.0f} tokens", f"{most:,.0f} tokens"]
        yield Diagnostic(
            f"the budget of {sweep}, {said[1]}, is less than its smallest job needs, about {said[0]}",
            "So only one job is finished, for more than the budget: the others are stopped as soon as they "
            "train, or aren't started.",
            "raise `stop: {budget: …}`, or remove it",
            resources[stop.jobs[0]].places.get("stop.budget"),
            "warning",
        )


def _tokens(cost: TrainingCost) -> int:
    return cost.tokens * cost.epochs.number


def _exact(amount: float, other: float) -> str:
    """As plans show amounts; with as many digits as it takes to tell it from another one."""
    if dollars(amount) != dollars(other):
        return dollars(amount)
    digits = next((d for d in range(2, 8) if f"{amount:.{d}f}" != f"{other:.{d}f}"), 2)
    return f"${amount:,.{digits}f}"


def _largest(estimate: Estimate, key: str) -> str:
    if key != "training":
        return ""
    known = sorted(estimate.training, key=lambda cost: -(cost.dollars or 0))
    more = f"; and {len(known) - 3} more" if len(known) > 3 else ""
    return "; ".join(f"{c.address}: {about(c.dollars)}" for c in known[:3] if c.dollars) + f"{more}."

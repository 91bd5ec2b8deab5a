"""Costs in words."""

from __future__ import annotations

from ftops.costs import HOURS_PER_MONTH, Estimate, HostingCost, TrainingCost
from ftops.views.values import plural


def dollars(amount: float) -> str:
    """`$1.23`; four digits where two would say nothing."""
    if 0 < abs(amount) < 0.005:
        return f"${amount:,.4f}" if abs(amount) >= 0.00005 else "less than $0.0001"
    return f"${amount:,.2f}"


def change(amount: float) -> str:
    """`+$0.25`, `−$1.10`."""
    sign = "−" if amount < 0 else "+"
    return f"{sign}{dollars(abs(amount))}"


def training(cost: TrainingCost) -> str:
    """`about $1.23 (41,020 tokens × 3 epochs at $10.00 per 1M)`, or why it isn't known."""
    if not cost.tokens:
        return f"not known: {cost.note}"
    measure = f"{cost.tokens:,} tokens × {epochs(cost)}"
    if cost.dollars is None:
        return f"not known ({measure}): {cost.note}"
    return f"about {dollars(cost.dollars)} ({measure} at {dollars(cost.per_million or 0)} per 1M)"


def epochs(cost: TrainingCost) -> str:
    number = cost.epochs.number
    about = "probably " if cost.epochs.is_estimate else ""
    return about + plural(number, "epoch")


def hosting(cost: HostingCost) -> str:
    """`$1.70 an hour, about $1,241 a month`."""
    if cost.per_hour is None:
        return "not known: the catalogue has no price of hosting with this SKU"
    return per_hour(cost.per_hour)


def per_hour(amount: float) -> str:
    if not amount:
        return "nothing"
    return f"{dollars(amount)} an hour, about ${amount * HOURS_PER_MONTH:,.0f} a month"


def total(estimate: Estimate) -> str:
    """One line for a whole plan; empty where nothing of it costs anything that is known."""
    unknown = len(estimate.unknown)
    known = len(estimate.training) - unknown
    parts = []
    if known:
        beside = f" and {plural(unknown, 'job')} of unknown cost" if unknown else ""
        parts.append(f"training about {dollars(estimate.dollars)}{beside}")
    if estimate.per_hour:
        parts.append(f"hosting {per_hour(estimate.per_hour)}")
    return f"Cost: {'; '.join(parts)}." if parts else ""

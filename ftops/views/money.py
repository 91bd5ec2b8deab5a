"""Costs as text."""

from __future__ import annotations

from ftops.planning.estimate import HOURS_PER_MONTH, DataChange, Estimate, HostingCost, TrainingCost, dollars
from ftops.views.values import change_of, plural


def training(cost: TrainingCost) -> str:
    """`about $1.23 (41,020 tokens × 3 epochs at $10.00 per 1M)`, or what is known of it."""
    if not cost.tokens:
        return f"unknown: {cost.note}"
    measure = f"{cost.tokens:,} tokens × {epochs(cost)}"
    if cost.dollars is None:
        return f"{measure}; {cost.note}"
    return f"about {dollars(cost.dollars)} ({measure} at {dollars(cost.per_million or 0)} per 1M)"


def cut(cost: TrainingCost) -> str:
    return f"{plural(cost.cut, 'example')} longer than the model's limit; the rest is cut off"


def data(change: DataChange) -> str:
    """`+312 examples, −4, 18 edited; +41,020 tokens; +$0.25`."""
    if change.note:
        return f"{plural(change.examples, 'example')} now; {change.note}"
    counts = [f"+{plural(change.added, 'example')}"] if change.added else []
    if change.removed:
        counts.append(f"−{change.removed:,}" if counts else f"−{plural(change.removed, 'example')}")
    if change.edited:
        counts.append(f"{change.edited:,} edited" if counts else f"{plural(change.edited, 'example')} edited")
    same = "in another order" if change.reordered else "formatted differently"
    parts = [", ".join(counts) or f"the same examples, {same}"]
    if change.tokens is not None:
        parts.append(change_of(change.tokens, "token"))
    if change.dollars is not None:
        parts.append(f"{'−' if change.dollars < 0 else '+'}{dollars(abs(change.dollars))}")
    return "; ".join(parts)


def epochs(cost: TrainingCost) -> str:
    return ("probably " if cost.epochs.is_estimate else "") + plural(cost.epochs.number, "epoch")


def hosting(cost: HostingCost) -> str:
    """`$1.70 an hour, about $1,241 a month`."""
    unknown = "unknown: the catalogue has no hosting price for this SKU"
    return unknown if cost.per_hour is None else per_hour(cost.per_hour)


def per_hour(amount: float) -> str:
    if not amount:
        return "nothing"
    return f"{dollars(amount)} an hour, about ${amount * HOURS_PER_MONTH:,.0f} a month"


def total(estimate: Estimate) -> str:
    """One line for a whole plan; empty if no costs are known."""
    unknown = len(estimate.unknown)
    parts = []
    if len(estimate.training) > unknown:
        rest = f" and {plural(unknown, 'job')} of unknown cost" if unknown else ""
        parts.append(f"training about {dollars(estimate.dollars)}{rest}")
    if estimate.per_hour:
        parts.append(f"hosting {per_hour(estimate.per_hour)}")
    lead = "The emulator is free; the service would charge: " if estimate.is_rehearsal else "Cost: "
    return f"{lead}{'; '.join(parts)}." if parts else ""

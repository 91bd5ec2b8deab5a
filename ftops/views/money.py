"""Costs as text."""

from __future__ import annotations

from collections import Counter

from ftops.core.address import Reference
from ftops.core.plurals import plural
from ftops.planning.estimate import (
    HOURS_PER_MONTH,
    DataChange,
    Estimate,
    EvaluationCost,
    HostingCost,
    Temporary,
    TrainingCost,
    about,
    dollars,
)
from ftops.views.values import change_of, duration


def training(cost: TrainingCost) -> str:
    """`about $1.23 (41,020 tokens × 3 epochs at $10.00 per 1M)`, or what is known of it."""
    if not cost.tokens:
        return f"unknown: {cost.note}"
    if cost.per_hour is not None and cost.dollars is None:
        return cost.note  # its tokens don't say what it costs
    measure = f"{cost.tokens:,} tokens × {epochs(cost)}"
    if cost.dollars is None:
        return f"{measure}; {cost.note}"
    return f"{about(cost.dollars)} ({measure} at {dollars(cost.per_million or 0)} per 1M)"


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
    if change.dollars is not None and abs(change.dollars) >= 0.00005:
        parts.append(f"{'−' if change.dollars < 0 else '+'}{dollars(abs(change.dollars))}")
    return "; ".join(parts)


def evaluation(cost: EvaluationCost) -> list[str]:
    """Lines: the answers, what they cost, the difference that they can show, temporary deployments."""
    each = f"{plural(cost.prompts, 'prompt')} × {plural(cost.samples, 'sample')}"
    if cost.models is None:
        lines = [f"answers: {cost.prompts * cost.samples:,} of each model ({each})"]
    else:
        kept = "" if cost.cached is None else f", {cost.cached:,} cached"
        kept += f", {cost.too_old:,} too old" if cost.too_old else ""
        most = "at most " if cost.may_stop else ""
        lines = [f"answers: {most}{cost.answers:,} ({plural(cost.models, 'model')} × {each}){kept}"]
        if cost.may_stop:
            lines.append("stops as soon as the gate is decided")
        if cost.cached != cost.answers:
            lines.append(f"cost: {_asking(cost)}")
    if cost.graded:
        lines.append(f"grading: up to {plural(cost.graded, 'more request')}")
    if cost.is_compared:
        lines.append(f"{difference(cost.independent, cost.detectable)}")
    return [*lines, *map(_temporary, cost.temporary)]


def difference(prompts: int, smallest: float | None) -> str:
    """`with 20 prompts, differences under about 37 points can't be shown`."""
    if smallest is None:
        return f"with {plural(prompts, 'prompt')}, no difference at all can be shown"
    points = f"{100 * smallest:.{0 if smallest >= 0.01 else 2}f} points"
    return f"with {plural(prompts, 'prompt')}, differences under about {points} can't be shown"


def tokens(sent: int | None, received: int | None, *, is_limited: bool) -> str:
    """`about 38,000 tokens in, at most 2,000 out`."""
    parts = ["an unknown number of tokens in" if sent is None else f"about {sent:,} tokens in"]
    if received is not None:
        parts.append(f"{'at most' if is_limited else 'about'} {received:,} out")
    return ", ".join(parts)


def _asking(cost: EvaluationCost) -> str:
    counted = tokens(cost.input, cost.output, is_limited=cost.is_limited)
    if cost.dollars is not None:
        return f"{about(cost.dollars, at_most=cost.is_limited)} ({counted})"
    if cost.input_dollars is not None:
        return f"{about(cost.input_dollars)}, and that of the answers ({counted})"
    return f"unknown: the catalogue doesn't have all prices ({counted})"


def _temporary(one: Temporary) -> str:
    fee = "at an unknown price" if one.per_hour is None else "no hosting fee"
    fee = f"{dollars(one.per_hour)} an hour" if one.per_hour else fee
    condition = "" if one.is_certain else ", unless another one serves it"
    model = one.model
    if isinstance(model, Reference) and model.attribute == "fine_tuned_model":
        model = f"the model of {model.address}"
    return f"temporary deployment of {model}{condition}: {one.sku['name']}, {fee}"


def epochs(cost: TrainingCost) -> str:
    return ("probably " if cost.epochs.is_estimate else "") + plural(cost.epochs.number, "epoch")


def time(cost: TrainingCost) -> str:
    """`2 comparable jobs took 58m00s to 1h25m, with their time in the queue`; empty if that isn't known."""
    if not cost.hours:
        return ""
    shortest, longest = (duration(cost.hours[at] * 3600) for at in (0, -1))
    took = shortest if shortest == longest else f"{shortest} to {longest}"
    return f"{len(cost.hours)} comparable jobs took {took}, with their time in the queue"


def hosting(cost: HostingCost) -> str:
    """`$1.70 an hour, about $1,241 a month`; with hours also what they save."""
    if cost.per_hour is None:
        return f"unknown: {cost.note or 'the catalogue has no hosting price for this SKU'}"
    month = cost.per_hour * HOURS_PER_MONTH
    note = f" ({cost.note})" if cost.note else ""
    if cost.per_hour and cost.per_month is not None and cost.hours_per_month < HOURS_PER_MONTH:
        note += f" in its hosting hours instead of ${month:,.0f} (saves ${month - cost.per_month:,.0f})"
    return _hosting(cost.per_hour, cost.per_month or 0) + note


def all_hosting(estimate: Estimate) -> str:
    """`$1.70 an hour, about $1,241 a month`, of all deployments."""
    return _hosting(estimate.per_hour, estimate.per_month)


def _hosting(per_hour: float, per_month: float) -> str:
    return f"{dollars(per_hour)} an hour, about ${per_month:,.0f} a month" if per_hour else "nothing"


def total(estimate: Estimate) -> str:
    """One line for a whole plan; empty if no costs are known."""
    parts = []
    asking = [c.dollars for c in estimate.asking if c.dollars is not None]
    if any(asking):
        others = len(estimate.asking) - len(asking)
        other = f" and {plural(others, 'evaluation')} of unknown cost" if others else ""
        parts.append(f"evaluation {about(sum(asking))}{other}")
    if estimate.per_hour:
        parts.append(f"hosting {all_hosting(estimate)}")
    if jobs := _all_training(estimate, also_unknown=bool(parts)):
        parts.insert(0, f"training {jobs}")
    lead = "The emulator is free; the service would charge: " if estimate.is_rehearsal else "Cost: "
    return f"{lead}{'; '.join(parts)}." if parts else ""


def _all_training(estimate: Estimate, *, also_unknown: bool) -> str:
    """`about $1.23, 2 jobs at $100.00 an hour and 1 job of unknown cost`; only those of unknown cost are
    worth no words by themselves."""
    by_hour = Counter(cost.per_hour for cost in estimate.unknown if cost.per_hour is not None)
    parts = [about(estimate.dollars)] if len(estimate.training) > len(estimate.unknown) else []
    parts += (f"{plural(count, 'job')} at {dollars(price)} an hour" for price, count in by_hour.items())
    rest = len(estimate.unknown) - by_hour.total()
    if rest and (parts or also_unknown):
        jobs = plural(rest, "job")
        parts.append(f"{jobs} of unknown cost" if parts else f"at an unknown cost ({jobs})")
    return " and ".join(filter(None, (", ".join(parts[:-1]), *parts[-1:])))

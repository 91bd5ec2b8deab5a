"""Metrics of a model beside its grades: the tokens, the cost and the latency of its answers. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from ftops.catalog import TokenPrices
from ftops.evaluation.answers import Answer, Usage
from ftops.evaluation.statistics import ALPHA, Interval, quantile

FEWEST_FOR_P95 = 40
"""Of fewer answers, the 95th percentile is one of the two slowest."""


class Quantile(Struct, frozen=True):
    """In milliseconds. No interval if there are too few answers for one."""

    value: float
    interval: Interval | None


class Latency(Struct, frozen=True):
    """Of the answers that were given during this run, never of cached ones."""

    answers: int
    median: Quantile
    p95: Quantile | None
    """None for fewer than FEWEST_FOR_P95 answers."""


class Metrics(Struct, frozen=True):
    """Per answer, over those whose usage the service reported. None: unknown."""

    counted: int = 0
    """The answers with a usage."""
    input: float = 0.0
    cached: float = 0.0
    output: float = 0.0
    cost_per_1000: float | None = None
    """US dollars per thousand answers."""
    prices: TokenPrices | None = None
    latency: Latency | None = None


def measured(
    answers: Sequence[Answer], fresh: Sequence[Answer], prices: TokenPrices | None, alpha: float = ALPHA
) -> Metrics:
    """The same answers give the same metrics. `fresh`: those of this run."""
    usages = [answer.usage for answer in answers if answer.usage.input]
    if not usages:
        return Metrics(prices=prices, latency=latency(fresh, alpha))
    kinds = zip(*((u.input, u.cached, u.output) for u in usages), strict=True)
    means = [sum(kind) / len(usages) for kind in kinds]
    total = sum(cost(usage, prices) for usage in usages) if prices else None
    per_1000 = None if total is None else 1000 * total / len(usages)
    return Metrics(len(usages), means[0], means[1], means[2], per_1000, prices, latency(fresh, alpha))


def cost(usage: Usage, prices: TokenPrices) -> float:
    """US dollars. Cached tokens are part of the input."""
    cached = min(usage.cached, usage.input)
    for_cached = prices.input if prices.cached is None else prices.cached
    spent = (usage.input - cached) * prices.input + cached * for_cached + usage.output * prices.output
    return spent / 1_000_000


def latency(fresh: Sequence[Answer], alpha: float = ALPHA) -> Latency | None:
    """None without fresh answers."""
    times = sorted(answer.milliseconds for answer in fresh)
    if not times:
        return None
    has_p95 = len(times) >= FEWEST_FOR_P95
    return Latency(
        len(times),
        Quantile(*quantile(times, 0.5, alpha)),
        Quantile(*quantile(times, 0.95, alpha)) if has_p95 else None,
    )

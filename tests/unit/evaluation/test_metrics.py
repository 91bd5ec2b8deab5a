"""Tokens, cost and latency of answers."""

from __future__ import annotations

import random

import numpy as np
import pytest

from ftops.catalog import TokenPrices
from ftops.evaluation.answers import Answer, Usage
from ftops.evaluation.metrics import FEWEST_FOR_P95, Metrics, cost, latency, measured
from ftops.evaluation.statistics import quantile

PRICES = TokenPrices(input=2.0, output=8.0, cached=0.5)


def answer(input: int = 100, cached: int = 0, output: int = 10, milliseconds: float = 1.0) -> Answer:
    return Answer(usage=Usage(input, cached, output), milliseconds=milliseconds)


@pytest.mark.parametrize(
    ("usage", "prices", "expected"),
    [
        (Usage(1_000_000, 0, 0), PRICES, 2.0),
        (Usage(0, 0, 1_000_000), PRICES, 8.0),
        (Usage(1_000_000, 1_000_000, 0), PRICES, 0.5),
        (Usage(1000, 600, 100), PRICES, (400 * 2 + 600 * 0.5 + 100 * 8) / 1e6),
        (Usage(1000, 600, 100), TokenPrices(2.0, 8.0), (1000 * 2 + 100 * 8) / 1e6),
        (Usage(1000, 600, 100), TokenPrices(2.0, 8.0, 0.0), (400 * 2 + 100 * 8) / 1e6),
        (Usage(10, 99, 0), PRICES, 10 * 0.5 / 1e6),
    ],
)
def test_cached_tokens_have_a_price_of_their_own(usage: Usage, prices: TokenPrices, expected: float) -> None:
    assert cost(usage, prices) == pytest.approx(expected)


def test_means_are_over_the_answers_that_were_counted() -> None:
    found = measured([answer(100, 0, 10), answer(300, 100, 20), answer(0, 0, 0)], [], PRICES)
    assert (found.counted, found.input, found.cached, found.output) == (2, 200, 50, 15)
    assert found.cost_per_1000 == pytest.approx(1000 * (300 * 2 + 100 * 0.5 + 30 * 8) / 2 / 1e6)
    assert found.latency is None


def test_what_is_unknown_is_not_zero() -> None:
    assert measured([answer()], [], None).cost_per_1000 is None
    assert measured([answer(0, 0, 0)], [], PRICES).cost_per_1000 is None
    assert measured([], [], None) == Metrics()


def test_p95_needs_forty_answers() -> None:
    times = [float(i) for i in range(1, FEWEST_FOR_P95 + 1)]
    random.Random(1).shuffle(times)
    few = latency([answer(milliseconds=t) for t in times[1:]])
    assert few is not None and few.p95 is None
    found = latency([answer(milliseconds=t) for t in times])
    assert found is not None and found.p95 is not None
    assert (found.answers, found.median.value, found.p95.value) == (40, 20, 38)
    assert found.p95.interval is not None
    assert found.p95.interval.low < 38 < found.p95.interval.high <= 40


def test_nine_answers_have_no_interval_and_none_no_latency() -> None:
    found = latency([answer(milliseconds=float(t)) for t in range(9)])
    assert found is not None and found.median.interval is None
    assert latency([]) is None


def test_the_same_answers_have_the_same_interval_in_any_order() -> None:
    answers = [answer(milliseconds=float(t * t % 97)) for t in range(60)]
    assert measured(answers, answers, PRICES) == measured(answers[::-1], answers[::-1], PRICES)


@pytest.mark.parametrize("share", [0.5, 0.95])
@pytest.mark.parametrize("count", [10, 47, 400])
def test_the_interval_is_that_of_a_bootstrap(share: float, count: int) -> None:
    """Drawn with replacement, one draw after the other."""
    values = np.sort(np.random.default_rng(count).lognormal(5, 0.6, count))
    rank = max(1, int(np.ceil(share * count)))
    draws = np.random.default_rng(7).choice(values, (20_000, count))
    low, high = np.quantile(np.sort(draws, axis=1)[:, rank - 1], [0.025, 0.975], method="nearest")
    value, interval = quantile(list(values), share)
    assert value == values[rank - 1]
    assert interval is not None
    places = [int(np.searchsorted(values, bound)) for bound in (low, high)]
    found = [int(np.searchsorted(values, bound)) for bound in interval]
    assert np.abs(np.subtract(places, found)).max() <= max(1, count // 200), "by ranks"


def test_most_intervals_contain_the_true_median() -> None:
    random_ = np.random.default_rng(3)
    hits = 0
    for _ in range(400):
        interval = quantile(sorted(random_.exponential(1.0, 50)), 0.5, draws=1000)[1]
        assert interval is not None
        hits += interval.low <= np.log(2) <= interval.high
    assert 0.9 < hits / 400 < 0.99

"""The statistics, against scipy, statsmodels and published examples."""

from __future__ import annotations

import itertools
import warnings
from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ftops.evaluation.statistics import (
    Pairs,
    bootstrap,
    cohens_kappa,
    detectable_difference,
    holm,
    mcnemar,
    newcombe,
    power,
    sign_flip,
    wilson,
)


@cache
def library(name: str) -> Any:
    """Loaded by the tests, as each worker collects them all, and this takes seconds."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip(name)


def test_wilson_equals_statsmodels() -> None:
    for trials, alpha in itertools.product((1, 2, 3, 7, 20, 50, 333, 10_000), (0.01, 0.05, 0.2)):
        for successes in {0, 1, trials // 3, trials // 2, trials - 1, trials}:
            expected = library("statsmodels.stats.proportion").proportion_confint(
                successes, trials, alpha, "wilson"
            )
            assert wilson(successes, trials, alpha) == pytest.approx(expected, abs=1e-12)


def test_nothing_is_known_without_trials() -> None:
    assert wilson(0, 0) == (0, 1)
    assert newcombe(Pairs(0, 0, 0, 0)) == (-1, 1)


def test_mcnemar_equals_the_binomial_test() -> None:
    for gained, lost in itertools.product(range(0, 41, 3), range(41)):
        expected = library("scipy.stats").binomtest(gained, gained + lost).pvalue if gained + lost else 1.0
        assert mcnemar(gained, lost) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(("gained", "lost"), [(1000, 1100), (5000, 5000), (30_000, 10), (0, 2000)])
def test_mcnemar_of_many(gained: int, lost: int) -> None:
    expected = library("scipy.stats").binomtest(gained, gained + lost).pvalue
    assert mcnemar(gained, lost) == pytest.approx(expected, rel=1e-6, abs=1e-300)


@pytest.mark.parametrize(
    ("pairs", "interval"),
    [
        (
            Pairs(14, 5, 0, 22),
            (0.011, 0.226),
        ),  # Altman et al., Statistics with Confidence, 2nd ed., table 6.2
        (Pairs(1, 1, 7, 12), (-0.507, -0.026)),  # Fagerland et al. 2014: airway hyper-responsiveness
    ],
)
def test_newcombe_of_published_examples(pairs: Pairs, interval: tuple[float, float]) -> None:
    assert newcombe(pairs) == pytest.approx(interval, abs=5e-4)


@given(*[st.integers(0, 60)] * 4)
def test_newcombe_holds_the_difference_and_turns_with_the_models(a: int, b: int, c: int, d: int) -> None:
    pairs = Pairs(a, b, c, d)
    low, high = newcombe(pairs)
    assert -1 <= low <= pairs.difference + 1e-12
    assert pairs.difference - 1e-12 <= high <= 1
    assert newcombe(Pairs(a, c, b, d)) == pytest.approx((-high, -low), abs=1e-12)


def test_test_and_interval_may_differ() -> None:
    """Verdicts go by the p-value alone for that reason."""
    assert mcnemar(0, 5) == 0.0625
    low, high = newcombe(Pairs(15, 0, 5, 0))
    assert (round(low, 2), round(high, 2)) == (-0.47, -0.04)


SCORES = [
    [0.5, -0.25, 1.0, 0.0, 0.75],
    [1, 1, 1, 1, 1, 1],
    [0.1] * 9 + [-0.9],
    [0.3, -0.3, 0.2, -0.2],
    list(np.random.default_rng(1).normal(0.3, 1, 12)),
]


@pytest.mark.parametrize("differences", SCORES)
def test_few_sign_flips_equal_the_exact_permutation_test(differences: list[float]) -> None:
    values = np.array(differences)
    expected = library("scipy.stats").permutation_test(
        (values, np.zeros(len(values))),
        lambda x, y, axis: np.sum(x - y, axis=axis),
        vectorized=True,
        permutation_type="samples",
        n_resamples=np.inf,
    )
    assert sign_flip(differences) == pytest.approx(expected.pvalue, abs=1e-12)


def test_many_sign_flips_come_near_the_exact_binomial() -> None:
    for gained, lost in ((30, 14), (25, 25), (40, 20)):
        drawn = sign_flip([1.0] * gained + [-1.0] * lost + [0.0] * 50, seed=3)
        assert drawn == pytest.approx(mcnemar(gained, lost), abs=0.01)


def test_sign_flips_are_of_clusters() -> None:
    """Ten paraphrases of each of five prompts don't count as fifty."""
    differences, clusters = [1.0] * 50, [i // 10 for i in range(50)]
    assert sign_flip(differences, clusters) == 2 / 2**5
    assert sign_flip(differences) < 1e-4


def test_nothing_differs() -> None:
    assert sign_flip([]) == sign_flip([0.0, 0.0]) == 1.0


@pytest.mark.parametrize("values", [np.random.default_rng(5).normal(1, 2, 300), np.arange(80) % 4])
def test_bootstrap_comes_near_scipy(values: np.ndarray) -> None:
    expected = library("scipy.stats").bootstrap(
        (values,), np.mean, n_resamples=9999, method="percentile", rng=1
    )
    found = bootstrap(values, draws=9999)
    assert found == pytest.approx(tuple(expected.confidence_interval), abs=0.05)


def test_drawing_equal_clusters_together_changes_only_the_draws() -> None:
    values = np.random.default_rng(3).integers(0, 2, 1200).astype(float)
    clusters = [i // (2 + i % 2) for i in range(1200)]
    noise = np.random.default_rng(4).normal(0, 1e-9, 1200)  # makes every cluster different
    together, alone = bootstrap(values, clusters, draws=9999), bootstrap(values + noise, clusters, draws=9999)
    assert together == pytest.approx(alone, abs=3e-3)
    assert sign_flip(values - 0.48, clusters) == pytest.approx(
        sign_flip(values - 0.48 + noise, clusters), abs=0.02
    )


def test_bootstrap_is_the_same_each_time_and_refuses_few_clusters() -> None:
    values = [float(i % 7) for i in range(40)]
    assert bootstrap(values, seed=2) == bootstrap(values, seed=2)
    assert bootstrap(values, seed=2) != bootstrap(values, seed=3)
    assert bootstrap(values, [i % 9 for i in range(40)]) is None
    assert bootstrap(values[:9]) is None


def test_clusters_widen_the_interval() -> None:
    values = [float(i // 10 % 2) for i in range(200)]
    alone, together = bootstrap(values), bootstrap(values, [i // 10 for i in range(200)])
    assert alone is not None
    assert together is not None
    assert together[1] - together[0] > 2 * (alone[1] - alone[0])


@settings(max_examples=40)
@given(st.lists(st.floats(0, 1), max_size=40))
def test_holm_equals_statsmodels(p_values: list[float]) -> None:
    expected = (
        library("statsmodels.stats.multitest").multipletests(p_values, method="holm")[1] if p_values else []
    )
    assert holm(p_values) == pytest.approx(list(expected), abs=1e-12)


@pytest.mark.parametrize(("prompts", "points"), [(20, 37), (50, 16), (100, 8)])
def test_what_can_be_shown_if_all_changes_go_one_way(prompts: int, points: int) -> None:
    assert 100 * (detectable_difference(prompts) or 0) == pytest.approx(points, abs=1)


@pytest.mark.parametrize(("prompts", "points"), [(50, 18), (100, 13), (200, 9), (500, 6)])
def test_what_can_be_shown_if_a_fifth_changes(prompts: int, points: int) -> None:
    assert 100 * (detectable_difference(prompts, 0.2) or 0) == pytest.approx(points, abs=1)


def test_five_prompts_show_nothing() -> None:
    """Five of five gained give p = 0.0625."""
    assert detectable_difference(5) is None
    assert detectable_difference(0) is None


@pytest.mark.parametrize(("prompts", "gained", "lost"), [(20, 0.4, 0.0), (40, 0.3, 0.1), (60, 0.15, 0.05)])
def test_power_equals_the_sum_over_all_outcomes(prompts: int, gained: float, lost: float) -> None:
    same = 1 - gained - lost
    outcomes = [
        (g, m - g, prompts - m) for m in range(prompts + 1) for g in range(m + 1) if mcnemar(g, m - g) <= 0.05
    ]
    expected = library("scipy.stats").multinomial.pmf(outcomes, prompts, [gained, lost, same]).sum()
    assert power(prompts, gained, lost) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize(
    ("table", "kappa"),
    [
        # both yes, only the first, only the second, both no: the examples of Wikipedia's "Cohen's kappa"
        ((20, 5, 10, 15), 0.4),
        ((45, 15, 25, 15), 0.1304),
        ((25, 35, 5, 35), 0.2593),
        ((10, 0, 0, 10), 1.0),
        ((0, 10, 10, 0), -1.0),
        ((10, 0, 0, 0), None),
        ((0, 0, 0, 0), None),
    ],
)
def test_cohens_kappa_of_published_tables(table: tuple[int, ...], kappa: float | None) -> None:
    pairs = [("yes", "yes"), ("yes", "no"), ("no", "yes"), ("no", "no")]
    rated = [pair for pair, count in zip(pairs, table, strict=True) for _ in range(count)]
    found = cohens_kappa([a for a, _ in rated], [b for _, b in rated])
    assert found == (None if kappa is None else pytest.approx(kappa, abs=5e-5))


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("abc")), min_size=1))
def test_cohens_kappa_equals_statsmodels(pairs: list[tuple[str, str]]) -> None:
    raters = library("statsmodels.stats.inter_rater")
    table = [[sum(pair == (a, b) for pair in pairs) for b in "abc"] for a in "abc"]
    found = cohens_kappa([a for a, _ in pairs], [b for _, b in pairs])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = float(raters.cohens_kappa(table, return_results=False))
    assert np.isnan(expected) if found is None else found == pytest.approx(expected)

"""Statistics of evaluations: intervals and tests for shares, and for two models asked the same prompts.

Shares are between 0 and 1. Two models are compared on pairs: `gained` counts the prompts that only the
candidate got right, `lost` those that only the baseline got right.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import cache
from math import ceil, lgamma, sqrt
from statistics import NormalDist
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

ALPHA = 0.05
POWER = 0.8
DRAWS = 20_000
"""Random draws of a permutation test or a bootstrap."""
EXACT = 14
"""Up to so many clusters, all sign flips are tried instead of random ones."""
FEWEST_CLUSTERS = 10
"""A bootstrap of fewer has no useful interval."""
FEW_KINDS = 100
"""Up to so many different clusters, equal ones are drawn together: the distribution is the same."""
BLOCK = 200_000
"""Numbers drawn at once: as many as fit into the caches of a processor."""

Values = Sequence[float] | NDArray[np.float64]


class Interval(NamedTuple):
    low: float
    high: float


class Pairs(NamedTuple):
    """What two models did with the same prompts, counted."""

    both: int
    gained: int
    lost: int
    neither: int

    @property
    def prompts(self) -> int:
        return sum(self)

    @property
    def difference(self) -> float:
        """Share of the candidate minus share of the baseline; 0 without prompts."""
        return (self.gained - self.lost) / self.prompts if self.prompts else 0.0


def wilson(successes: int, trials: int, alpha: float = ALPHA) -> Interval:
    """Score interval of a share (Wilson 1927). Without trials nothing is known: 0 to 1."""
    if not trials:
        return Interval(0.0, 1.0)
    z = NormalDist().inv_cdf(1 - alpha / 2)
    share, weight = successes / trials, z * z / trials
    middle = (share + weight / 2) / (1 + weight)
    half = z * sqrt(share * (1 - share) / trials + weight / (4 * trials)) / (1 + weight)
    low = 0.0 if successes == 0 else max(0.0, middle - half)
    high = 1.0 if successes == trials else min(1.0, middle + half)
    return Interval(low, high)


def mcnemar(gained: int, lost: int) -> float:
    """Two-sided p-value of the exact McNemar test: a fair coin for each prompt on which the two differ."""
    flips, fewer = gained + lost, min(gained, lost)
    tail = term = 1
    for i in range(fewer):
        term = term * (flips - i) // (i + 1)
        tail += term
    return min(1.0, float(2 * tail / 2**flips))


def newcombe(pairs: Pairs, alpha: float = ALPHA) -> Interval:
    """Interval of the difference of two paired shares (Newcombe 1998, method 10)."""
    n, (both, gained, lost, neither) = pairs.prompts, pairs
    if not n:
        return Interval(-1.0, 1.0)
    first, second = (both + gained) / n, (both + lost) / n
    low1, high1 = wilson(both + gained, n, alpha)
    low2, high2 = wilson(both + lost, n, alpha)
    margins = (both + gained) * (lost + neither) * (both + lost) * (gained + neither)
    cross = both * neither - gained * lost
    corrected = max(cross - n / 2, 0.0) if cross > 0 else cross
    phi = corrected / sqrt(margins) if margins else 0.0
    below = _combined(first - low1, high2 - second, phi)
    above = _combined(high1 - first, second - low2, phi)
    return Interval(max(-1.0, first - second - below), min(1.0, first - second + above))


def _combined(a: float, b: float, correlation: float) -> float:
    return sqrt(max(0.0, a * a - 2 * correlation * a * b + b * b))


def sign_flip(differences: Values, clusters: Sequence[object] = (), seed: int = 0) -> float:
    """Two-sided p-value of a sign-flip permutation test of paired scores.

    `differences` has one score difference for each prompt; `clusters` names what each prompt belongs to, so
    that paraphrases count once. The signs of whole clusters are flipped.
    """
    sums = _sums(np.asarray(differences, dtype=float), clusters)
    sums = sums[sums != 0]
    if not len(sums):
        return 1.0
    observed = abs(sums.sum())
    tolerance = 1e-9 * np.abs(sums).sum()
    if len(sums) <= EXACT:
        flips = np.arange(2 ** len(sums))[:, None] >> np.arange(len(sums)) & 1
        return float(np.mean(np.abs((1 - 2 * flips) @ sums) >= observed - tolerance))
    random = np.random.default_rng(seed)
    kinds, counts = np.unique(np.abs(sums), return_counts=True)
    if len(kinds) <= FEW_KINDS:
        positive = random.binomial(counts, 0.5, (DRAWS, len(kinds)))
        extreme = int((np.abs((2 * positive - counts) @ kinds) >= observed - tolerance).sum())
        return (extreme + 1) / (DRAWS + 1)
    extreme = int((np.abs(_flipped(sums, random)) >= observed - tolerance).sum())
    return (extreme + 1) / (DRAWS + 1)


def _flipped(sums: NDArray[np.float64], random: np.random.Generator) -> NDArray[np.float64]:
    """The total of all sums with random signs, for each draw. A random byte chooses the signs of eight sums,
    from a table of their 256 totals."""
    eights = np.pad(sums, (0, -len(sums) % 8)).reshape(-1, 8)
    signs = 1 - 2 * (np.arange(256)[:, None] >> np.arange(8) & 1)
    totals, first = (eights @ signs.T).ravel(), np.arange(len(eights)) * 256
    return np.concatenate(
        [
            totals.take(first + random.integers(0, 256, (count, len(eights)), dtype=np.uint8)).sum(axis=1)
            for count in _blocks(DRAWS, len(eights))
        ]
    )


def _blocks(draws: int, width: int) -> list[int]:
    """How many draws to make at once."""
    step = max(1, BLOCK // width)
    return [min(step, draws - start) for start in range(0, draws, step)]


def _sums(values: NDArray[np.float64], clusters: Sequence[object]) -> NDArray[np.float64]:
    if not clusters:
        return values
    numbers: dict[object, int] = {}
    index = [numbers.setdefault(cluster, len(numbers)) for cluster in clusters]
    return np.asarray(np.bincount(index, values, len(numbers)), dtype=float)


def bootstrap(
    values: Values,
    clusters: Sequence[object] = (),
    alpha: float = ALPHA,
    seed: int = 0,
    draws: int = 2_000,
) -> Interval | None:
    """Percentile interval of the mean, with whole clusters drawn again. The same values and seed give the
    same interval. None if there are fewer than FEWEST_CLUSTERS clusters."""
    array = np.asarray(values, dtype=float)
    pairs = np.stack([_sums(array, clusters), _sums(np.ones(len(array)), clusters)], axis=1)
    if len(pairs) < FEWEST_CLUSTERS:
        return None
    sums, sizes = _drawn(pairs, draws, np.random.default_rng(seed)).T
    low, high = np.quantile(sums / sizes, [alpha / 2, 1 - alpha / 2])
    return Interval(float(low), float(high))


def _drawn(rows: NDArray[np.float64], draws: int, random: np.random.Generator) -> NDArray[np.float64]:
    """The sums of as many rows as there are, drawn with replacement, for each draw."""
    kinds, counts = np.unique(rows, axis=0, return_counts=True)
    if len(kinds) <= FEW_KINDS:
        return np.asarray(random.multinomial(len(rows), counts / len(rows), draws) @ kinds)
    columns = np.ascontiguousarray(rows.T)
    shapes = [(count, len(rows)) for count in _blocks(draws, len(rows))]
    chosen = (random.integers(0, len(rows), shape, dtype=np.int32) for shape in shapes)
    return np.concatenate([columns.take(block, axis=1).sum(axis=2).T for block in chosen])


def cohens_kappa(first: Sequence[object], second: Sequence[object]) -> float | None:
    """Agreement of two raters beyond chance (Cohen 1960). None if they can't agree by more than chance: both
    always say the same one thing, or nothing."""
    n, agreed = len(first), sum(a == b for a, b in zip(first, second, strict=True))
    ours, theirs = Counter(first), Counter(second)
    by_chance = sum(count * theirs[said] for said, count in ours.items())
    return (n * agreed - by_chance) / (n * n - by_chance) if by_chance < n * n else None


def quantile(
    values: Sequence[float], share: float, alpha: float = ALPHA, seed: int = 0, draws: int = DRAWS
) -> tuple[float, Interval | None]:
    """The quantile of sorted values by its nearest rank, and its seeded bootstrap interval; None if there are
    fewer than FEWEST_CLUSTERS values."""
    count = len(values)
    rank = max(1, ceil(share * count))
    value = values[rank - 1]
    if count < FEWEST_CLUSTERS:
        return value, None
    # Where the value of this rank comes from, if as many values are drawn with replacement.
    places = np.random.default_rng(seed).beta(rank, count + 1 - rank, draws) * count
    low, high = np.quantile(places, [alpha / 2, 1 - alpha / 2])
    return value, Interval(values[int(low)], values[min(int(high), count - 1)])


def holm(p_values: Sequence[float]) -> tuple[float, ...]:
    """The p-values of a family of tests, adjusted (Holm 1979), in their order."""
    adjusted, largest = [0.0] * len(p_values), 0.0
    for rank, i in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[i]))
        adjusted[i] = largest
    return tuple(adjusted)


# Before anything is spent


def power(prompts: int, gained: float, lost: float, alpha: float = ALPHA) -> float:
    """Probability that the exact McNemar test finds a difference, if so large shares of all prompts are
    gained and lost."""
    changed = gained + lost
    if not prompts or changed <= 0:
        return 0.0
    total = 0.0
    for m, chance in enumerate(_binomial(prompts, changed)):
        if chance > _NEGLIGIBLE and (fewer := _critical(m, alpha)) >= 0:
            wins = _binomial(m, gained / changed)
            total += chance * float(wins[: fewer + 1].sum() + wins[m - fewer :].sum())
    return min(1.0, total)


def detectable_difference(prompts: int, changed: float | None = None, alpha: float = ALPHA) -> float | None:
    """The smallest difference that the test finds with a probability of POWER; None if there is none.

    `changed`: the share of the prompts on which the two models differ; None: they differ in one direction
    only, which is the best case.
    """
    most = 1.0 if changed is None else changed
    if power(prompts, *_shares(most, changed), alpha) < POWER:
        return None
    low, high = 0.0, min(most, 1 / prompts)
    while power(prompts, *_shares(high, changed), alpha) < POWER:
        low, high = high, min(most, 2 * high)
    while high - low > high / 100:
        middle = (low + high) / 2
        enough = power(prompts, *_shares(middle, changed), alpha) >= POWER
        low, high = (low, middle) if enough else (middle, high)
    return high


def _shares(difference: float, changed: float | None) -> tuple[float, float]:
    """Gained and lost."""
    if changed is None:
        return difference, 0.0
    return (changed + difference) / 2, (changed - difference) / 2


_NEGLIGIBLE = 1e-7
"""A probability that is far below what is shown."""


@cache
def _critical(flips: int, alpha: float) -> int:
    """The largest minority that is still significant; -1 if none is."""
    tails = 2 * np.cumsum(_binomial(flips, 0.5)[: flips // 2 + 1])
    return int((tails <= alpha * (1 + 1e-9)).sum()) - 1


def _binomial(trials: int, share: float) -> NDArray[np.float64]:
    """Probabilities of 0 to `trials` successes."""
    if share <= 0 or share >= 1:
        chances = np.zeros(trials + 1)
        chances[trials if share >= 1 else 0] = 1.0
        return chances
    k = np.arange(trials + 1)
    logs = _log_factorials(trials)
    logs = logs[trials] - logs[k] - logs[trials - k] + k * np.log(share) + (trials - k) * np.log1p(-share)
    return np.asarray(np.exp(logs))


@cache
def _log_factorials(largest: int) -> NDArray[np.float64]:
    return np.asarray([lgamma(i + 1) for i in range(largest + 1)])

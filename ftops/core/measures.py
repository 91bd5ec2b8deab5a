"""Measures: the metrics by which models are compared, and which of several counts. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

_MOST = 1e100
"""No value of a metric is greater: sums and differences of such values stay finite."""
_MOST_STEPS = 2**53


def step_number(value: object) -> int | None:
    """The number of a step; None for what is none, such as NaN."""
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value <= _MOST_STEPS:
        return None
    return int(value)


class Measure(NamedTuple):
    """A metric by which models are compared."""

    name: str
    is_reward: bool

    def value(self, metrics: Mapping[str, Any]) -> float | None:
        """Its value; None if there is none. The service reports a negative loss if it has none."""
        value = metrics.get(self.name)
        if not isinstance(value, int | float) or isinstance(value, bool) or not -_MOST <= value <= _MOST:
            return None
        return float(value) if self.is_reward or value >= 0 else None

    def best(self, values: Iterable[float]) -> float:
        return max(values) if self.is_reward else min(values)

    def rank(self, value: float) -> float:
        """Lower is better."""
        return -value if self.is_reward else value


_LOSSES = ("full_valid_loss", "valid_loss")
_DATA = ("full_valid", "valid", "train")


def deciding(rows: Sequence[Mapping[str, Any]], name: str = "", mode: str = "") -> Measure | None:
    """The measure that says which of several measurements is the best: the one of this name, of which the
    least or the greatest value is best by the mode `min` or `max`; without a mode, the greatest of rewards
    and accuracies. Without a name, a reward counts more than a loss, all
    validation data more than a part of it; only rewards of the training data count, since a low loss on them
    says little."""
    if name:
        is_higher = "reward" in name or "accuracy" in name
        return Measure(name, mode == "max" if mode else is_higher)
    names = {str(name) for row in rows for name in row}
    measures = [Measure(name, True) for name in sorted(names, key=_rank) if _rank(name)[0] < len(_DATA)]
    measures += [Measure(name, False) for name in _LOSSES]
    return next((m for m in measures if any(m.value(row) is not None for row in rows)), None)


def _rank(name: str) -> tuple[int, bool, str]:
    """Of the spellings of a mean reward, such as `full_valid_mean_reward` and `valid_reward_mean`."""
    found = [place for place, data in enumerate(_DATA) if "reward" in name and data in name]
    return min(found, default=len(_DATA)), "mean" not in name, name

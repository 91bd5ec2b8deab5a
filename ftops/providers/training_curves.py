"""Training curves: the columns of a result file by what they measure, and a verdict. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from math import sqrt
from statistics import fmean

from msgspec import Struct

from ftops.core.measures import Measure, step_number
from ftops.core.plurals import plural
from ftops.providers.training_results import Results

ON_DATA = ("train", "valid", "full_valid")
_PREFIXES: Mapping[str, str] = {
    "full_valid_": "full_valid",
    "full_validation_": "full_valid",
    "validation_": "valid",
    "valid_": "valid",
    "train_": "train",
}
"""Prefix of a column → the data on which it is measured. The longest come first."""
_OTHER_NAMES = {"reward_mean": "mean_reward"}
_ORDER = ("loss", "mean_reward", "reward_mean", "mean_token_accuracy")
_FULL = 2
"""With fewer evaluations on all validation data, those on a part of them are judged."""
_NOISY_WINDOW = 3
_CHANGE = 0.01
_RISE = 0.02
_WORSE_FOR = 2
_ON_TRAIN = " It is measured on the training data, which says nothing of overfitting."
_ADVICE = ("more epochs may help", "a validation dataset shows whether more epochs help")
"""What follows from a curve that gets better: on validation data, and on training data."""

Points = tuple[tuple[int, float], ...]


class Curve(Struct, frozen=True):
    """One quantity by step, on one kind of data: `quantity` is the column without its prefix."""

    column: str
    quantity: str
    data: str
    points: Points


class Verdict(Struct, frozen=True):
    """How training went. `kind` is `falling`, `rising`, `flat`, `overfitting`, `worse` or `unclear`; `change`
    is relative, over `evaluations`; `since` is the step of the best one."""

    kind: str
    column: str
    text: str
    rule: str
    since: int | None = None
    change: float | None = None
    evaluations: int = 0


def curves_of(results: Results) -> list[Curve]:
    """The curves, losses and rewards first. Counts of errors are none."""
    found = [curve for name in results.columns if (curve := _curve(name, results))]
    ranks = {curve.quantity: number for number, curve in enumerate(found)}
    ranks |= {quantity: number - len(_ORDER) for number, quantity in enumerate(_ORDER)}
    return sorted(found, key=lambda one: (ranks[one.quantity], ON_DATA.index(one.data)))


def metric_name(column: str) -> str:
    """One name for what result files and events call differently: `valid_mean_token_accuracy`, also for
    `validation_mean_token_accuracy`; `valid_mean_reward`, also for `valid_reward_mean`."""
    prefix = next((prefix for prefix in _PREFIXES if column.startswith(prefix)), None)
    if prefix is None:
        return column
    quantity = column.removeprefix(prefix)
    return f"{_PREFIXES[prefix]}_{_OTHER_NAMES.get(quantity, quantity)}"


def panels(curves: Sequence[Curve]) -> list[list[Curve]]:
    """Curves of one quantity together."""
    return [list(group) for _, group in groupby(curves, key=lambda one: one.quantity)]


def smoothed(points: Points, window: int) -> Points:
    """Each value as the mean of the last `window` ones."""
    values = [value for _, value in points]
    return tuple((step, fmean(values[max(0, n + 1 - window) : n + 1])) for n, (step, _) in enumerate(points))


def window_of(curve: Curve) -> int:
    """Over how many values a curve is smoothed: those of single batches are noisy."""
    return {"train": max(1, len(curve.points) // 20), "valid": _NOISY_WINDOW}.get(curve.data, 1)


def _judged_window(curve: Curve) -> int:
    """Of how many values each that is judged is the mean: of training, which is measured on a batch of a few
    examples, as many as those over which the change is stated."""
    return max(1, len(curve.points) // 3) if curve.data == "train" else window_of(curve)


def verdict_of(curves: Sequence[Curve], best: int | None = None) -> Verdict | None:
    """By the first quantity, which is the loss or the reward; None if there is none. `best` is the step of
    the best checkpoint."""
    if not curves:
        return None
    found = {curve.data: curve for curve in next(iter(panels(curves)))}
    full, valid, train = found.get("full_valid"), found.get("valid"), found.get("train")
    judged = full if full and (len(full.points) >= _FULL or not valid) else valid or train
    return _judged(judged, train, best) if judged else None


def _judged(curve: Curve, train: Curve | None, checkpoint: int | None) -> Verdict:
    window = _judged_window(curve)
    unfilled = window - 1 if curve.data == "valid" else 0
    points = smoothed(curve.points, window)[unfilled:]
    needed = _FULL if curve.data == "full_valid" else _WORSE_FOR + 1
    if len(points) < needed:
        few = f"unclear: only {plural(len(curve.points), 'value')} of {curve.column}"
        rule = f"A verdict by {curve.column} needs {needed + unfilled} evaluations."
        return Verdict("unclear", curve.column, few, rule)
    sign = -1.0 if _is_reward(curve) else 1.0
    values = [sign * value for _, value in points]
    best = values.index(min(values))
    after = len(values) - 1 - best
    rise = _change(values[best], values[-1])
    is_worse = after >= _WORSE_FOR and curve.data != "train" and rise >= _RISE
    span = after if is_worse else min(len(values) - 1, max(_WORSE_FOR, len(values) // 3))
    how = "" if window == 1 else f" Each value is the mean of {window}."
    if curve.data != "full_valid" and (doubt := _noise(curve, values, span, window, how)):
        return doubt
    if not is_worse:
        return _lately(curve, values, span, window, how)
    since = points[best][0]
    if checkpoint is not None and checkpoint >= curve.points[-1][0]:
        worse = f"{curve.column} got worse by {rise:.1%} since step {since}"
        text = f"unclear: {worse}, but the best checkpoint is the last"
        rule = (
            f"By {curve.column}: it isn't called worse if the best checkpoint is that of the last step.{how}"
        )
        return Verdict("unclear", curve.column, text, rule, since, sign * rise, after)
    return _worse(curve, train, since, sign * rise, after, how)


def _is_reward(curve: Curve) -> bool:
    return "reward" in curve.quantity or "accuracy" in curve.quantity


def _moved(curve: Curve, values: Sequence[float], span: int, window: int, verb: str) -> str:
    """How the last value differs from the one `span` values before. Of the training data, both are means of
    `window` values, which don't overlap."""
    before, now = values[-1 - span], values[-1]
    change = _change(before, now)
    if curve.data == "train" and window > 1:
        is_above = (change > 0) != _is_reward(curve)
        return (
            f"the mean of the last {window} values of {curve.column}, {abs(now):.4g}, is {abs(change):.1%} "
            f"{'above' if is_above else 'below'} that of the {span} before"
        )
    unit = "value" if curve.data == "train" else "evaluation"
    over = f"since the {unit} before" if span == 1 else f"over the last {span} {unit}s"
    return f"{_named(curve, window)} {verb} by {abs(change):.1%} {over}"


def _named(curve: Curve, window: int) -> str:
    return curve.column if window == 1 else f"{curve.column} (mean of {window})"


def _noise(curve: Curve, values: Sequence[float], span: int, window: int, how: str) -> Verdict | None:
    """Unclear, if the means changed by less than single values differ from the middle of their neighbours."""
    raw = [value for _, value in curve.points[len(values) - 1 - span :]]
    spread = fmean(abs(raw[n] - (raw[n - 1] + raw[n + 1]) / 2) for n in range(1, len(raw) - 1))
    before, now = values[-1 - span], values[-1]
    means = window if curve.data == "train" else 1
    if abs(now - before) >= spread / sqrt(means) or spread < _CHANGE * abs(before):
        return None
    change = _change(before, now)
    text = (
        f"unclear, because of noise: {_moved(curve, values, span, window, 'changed')}, and "
        f"single values vary by {spread / max(abs(before), 1e-9):.1%}"
    )
    rule = (
        f"By {curve.column}: a change that is smaller than the mean distance of a value from the middle of "
        f"its neighbours{f', divided by the square root of {means},' if means > 1 else ''} is noise.{how}"
        f"{_ON_TRAIN * (curve.data == 'train')}"
    )
    change *= -1.0 if _is_reward(curve) else 1.0
    return Verdict("unclear", curve.column, text, rule, None, change, span)


def _lately(curve: Curve, values: Sequence[float], span: int, window: int, how: str) -> Verdict:
    """Of a curve that isn't worse than its best value for long, by its last evaluations."""
    is_reward = _is_reward(curve)
    change = _change(values[-1 - span], values[-1])
    is_train = curve.data == "train"
    on_train = _ON_TRAIN * is_train
    rule = f"By {curve.column}: a change of less than {_CHANGE:.0%} counts as flat.{how}{on_train}"
    better = "rising" if is_reward else "falling"
    kind = "flat" if abs(change) < _CHANGE else better if change < 0 else "unclear"
    verb = {"rising": "rose", "falling": "fell", "flat": "changed", "unclear": "got worse"}[kind]
    moved = _moved(curve, values, span, window, verb)
    text = f"still {kind}: {moved}; {_ADVICE[is_train]}" if kind == better else f"{kind}: {moved}"
    return Verdict(kind, curve.column, text, rule, None, -change if is_reward else change, span)


def _worse(curve: Curve, train: Curve | None, since: int, change: float, after: int, how: str) -> Verdict:
    """Of a curve that got worse after its best value: overfitting, unless training got worse, too."""
    sign = 1.0 if change > 0 else -1.0
    later = (
        [sign * value for step, value in smoothed(train.points, window_of(train)) if step >= since]
        if train
        else []
    )
    is_learning = len(later) < 2 or later[-1] <= later[0]
    kind, name = ("overfitting", "overfitting") if is_learning else ("worse", "getting worse")
    word = "rose" if change > 0 else "fell"
    text = f"{name} since step {since}: {curve.column} {word} by {abs(change):.1%} over {after} evaluations"
    rule = (
        f"By {curve.column}: {_WORSE_FOR} evaluations or more after the best one, the last of them at least "
        f"{_RISE:.0%} worse{', while the training data got no worse' if is_learning else ''}.{how}"
    )
    return Verdict(kind, curve.column, text, rule, since, change, after)


def _change(before: float, now: float) -> float:
    """Relative; positive is an increase."""
    return (now - before) / max(abs(before), 1e-9)


def _curve(column: str, results: Results) -> Curve | None:
    prefix = next((prefix for prefix in _PREFIXES if column.startswith(prefix)), None)
    if prefix is None or column.endswith("_count"):
        return None
    measure = Measure(column, not column.endswith("loss"))
    points = tuple(
        (step, value)
        for row in results.rows
        if (step := step_number(row.get("step"))) is not None and (value := measure.value(row)) is not None
    )
    return Curve(column, column.removeprefix(prefix), _PREFIXES[prefix], points) if points else None

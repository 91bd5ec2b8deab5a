"""Gates: what a deployment requires of an evaluation, and what of it the result doesn't fulfil. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from ftops.core.suggestions import did_you_mean, nearest

VERDICTS = ("better", "not_worse")
BOUNDS = ("at_least", "at_most")
METRICS = (
    "score",
    "difference",
    "accuracy",
    "graders",
    "slices",
    "functions",
    "input_tokens",
    "cached_tokens",
    "output_tokens",
    "cost_per_1000",
    "kappa",
)
"""The first part of a metric's path; the others are names of graders, slices or functions."""
_SHARES = frozenset({"score", "accuracy", "graders", "slices", "functions"})
"""Metrics that are shares of right answers."""
_NAMED = frozenset({"graders", "slices", "functions", "kappa"})
"""Metrics whose paths go on."""
_TOO_LARGE = 1e15
_BETWEEN = {
    **dict.fromkeys(_SHARES, (0.0, 1.0)),
    **dict.fromkeys(("difference", "kappa"), (-1.0, 1.0)),
    **dict.fromkeys(("input_tokens", "cached_tokens", "output_tokens", "cost_per_1000"), (0.0, _TOO_LARGE)),
}
"""By the first part of a metric's path: the lowest and the highest value that it can have."""
_NOT_WORSE = frozenset({"better", "no measurable change", "worse, within noise"})


Ranges = Mapping[str, tuple[float, float]]
"""By metric: the lowest and the highest value that it can still have."""


class Fault(NamedTuple):
    """An error in `require`, at the value of `key`; `is_key`: in the key itself."""

    key: str
    summary: str
    hint: str = ""
    is_key: bool = False


def faults_of(require: Mapping[str, Any]) -> Iterator[Fault]:
    """What is wrong with `require`."""
    for key, value in require.items():
        head = key.partition(".")[0]
        if key == "verdict":
            if value not in VERDICTS:
                summary = f"`verdict` must be {' or '.join(f'`{one}`' for one in VERDICTS)}"
                yield Fault(key, summary, did_you_mean(str(value), VERDICTS))
        elif key == "non_inferior":
            if not _is_number(value) or not 0 <= value <= 1:
                hint = "write 0.02 if the candidate may be worse by 2 points"
                yield Fault(key, "`non_inferior` must be a share between 0 and 1", hint)
        elif head not in METRICS or (head != key and head not in _NAMED):
            known = ("verdict", "non_inferior", *METRICS)
            near = nearest(head, known)
            hint = f"write `graders.{key}` if it is a grader; other metrics are {', '.join(known)}"
            hint = f"Did you mean `{near}`?" if near else hint
            yield Fault(key, f"there is no metric `{key}`", hint, is_key=True)
        elif head in _NAMED and key.rstrip(".") == head:
            yield Fault(key, f"`{head}` needs a name", f"write `{head}.NAME`", is_key=True)
        elif not _is_bounds(value):
            hint = f"write `{key}: {{at_least: {value if _is_number(value) else 0.9}}}`"
            yield Fault(key, f"`{key}` must have `at_least` or `at_most`", hint)
        else:
            yield from _bounds_faults(key, value, *_BETWEEN[head])


def _bounds_faults(key: str, value: Mapping[str, float], low: float, high: float) -> Iterator[Fault]:
    """Bounds that no value can meet, or that can't decide anything because every value does."""
    if any(not low <= bound <= high for bound in value.values()):
        limits = f"between {low:g} and {high:g}" if high < _TOO_LARGE else "0 or more"
        yield Fault(key, f"the bounds of `{key}` must be {limits}", "write 0.9 for 90 %" if high == 1 else "")
    elif len(value) == len(BOUNDS) and value["at_least"] > value["at_most"]:
        yield Fault(key, f"no `{key}` is at least {value['at_least']:g} and at most {value['at_most']:g}")


def is_curtailed(key: str) -> bool:
    """Whether what is required can be decided before all is answered: a bound on a share of right answers."""
    return key.partition(".")[0] in _SHARES


def is_decided(require: Mapping[str, Any], ranges: Ranges) -> bool:
    """Whether values in these ranges all pass, or none of them does."""
    parts = list(_parts(require, ranges))
    return any(part.reason for part in parts) or all(part.is_met for part in parts)


def unmet(require: Mapping[str, Any], result: Mapping[str, Any]) -> list[str]:
    """What isn't fulfilled, in words; empty if the gate passes. What isn't known counts as not fulfilled."""
    if result.get("is_partial"):
        parts = list(_parts(require, result.get("ranges") or {}))
        unknown = [f"{part.key} isn't known: not all prompts were asked" for part in parts if not part.is_met]
        return [part.reason for part in parts if part.reason] or unknown
    if not result.get("is_complete"):
        return ["the evaluation is incomplete: some answers are missing or can't be graded"]
    return [reason for key, value in require.items() if (reason := _unmet(key, value, result))]


def described(require: Mapping[str, Any]) -> str:
    """`better than the baseline, accuracy at least 0.9`. A saved plan may have the keys in another order."""
    order = ("verdict", "non_inferior", *METRICS)
    keys = sorted(require, key=lambda key: (order.index(key.partition(".")[0]), key))
    return ", ".join(_described(key, require[key]) for key in keys)


def _described(key: str, value: Any) -> str:
    if key == "verdict":
        return (
            "better than the baseline" if value == "better" else "not significantly worse than the baseline"
        )
    if key == "non_inferior":
        return f"at most {100 * value:g} points worse than the baseline"
    return " and ".join(
        f"{key} {bound.replace('_', ' ')} {value[bound]:g}" for bound in BOUNDS if bound in value
    )


def _unmet(key: str, value: Any, result: Mapping[str, Any]) -> str:
    if key == "verdict":
        verdict = str(result.get("verdict") or "none")
        passed = verdict == "better" if value == "better" else verdict in _NOT_WORSE
        return "" if passed else f"{_described(key, value)} is required; the verdict is: {verdict}"
    if key == "non_inferior":
        low = result.get("difference_low")
        if low is None:
            return "the difference has no interval: there are too few prompts, or no baseline"
        return (
            "" if low >= -value else f"it may be {-100 * low:.4g} points worse, {100 * value:g} are allowed"
        )
    actual = metric(result, key)
    if actual is None:
        return f"{key} isn't known"
    missed = (
        f"{key} is {actual:.6g}, {bound.replace('_', ' ')} {value[bound]:g} is required"
        for bound in BOUNDS
        if bound in value and (actual < value[bound] if bound == "at_least" else actual > value[bound])
    )
    return "; ".join(missed)


class _Part(NamedTuple):
    """A bound, whether it is surely met, and why it surely isn't."""

    key: str
    is_met: bool
    reason: str = ""


def _parts(require: Mapping[str, Any], ranges: Ranges) -> Iterator[_Part]:
    for key, value in require.items():
        if key not in ranges or not isinstance(value, Mapping):
            yield _Part(key, False)
            continue
        low, high = ranges[key]
        if (bound := value.get("at_least")) is not None:
            said = f"{key} is at most {high:.6g}, at least {bound:g} is required"
            yield _Part(key, low >= bound, said if high < bound else "")
        if (bound := value.get("at_most")) is not None:
            said = f"{key} is at least {low:.6g}, at most {bound:g} is required"
            yield _Part(key, high <= bound, said if low > bound else "")


def metric(result: Mapping[str, Any], path: str) -> float | None:
    """The value of `accuracy` or `slices.NAME.accuracy`. Names may contain dots."""
    if path in ("score", "difference"):
        return _number(result.get(path))
    head, _, rest = path.partition(".")
    found: Any = result.get("metrics", {}).get(head)
    if isinstance(found, Mapping):
        name, dot, last = rest.rpartition(".")
        found = found.get(rest)
        if found is None and dot:
            one = result["metrics"][head].get(name)
            found = one.get(last) if isinstance(one, Mapping) else None
        elif isinstance(found, Mapping):
            found = found.get("accuracy")
    return _number(found)


def _number(value: Any) -> float | None:
    return float(value) if _is_number(value) else None


def _is_number(value: Any) -> bool:
    """NaN is none: it is neither less nor more than a bound."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < _TOO_LARGE


def _is_bounds(value: Any) -> bool:
    return (
        isinstance(value, Mapping)
        and bool(value)
        and all(key in BOUNDS and _is_number(bound) for key, bound in value.items())
    )

"""Checks of sweeps: `best` and `stop` of jobs with `for_each`."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

from ftops.config.loader.for_each import Declared, Draft
from ftops.config.loader.source import Keys
from ftops.config.sweeps import keys_among
from ftops.core.errors import Diagnostic
from ftops.core.resource_types import kind_of
from ftops.core.suggestions import did_you_mean, some

_SHOWN_KEYS = 6


def check_sweeps(declared: Declared, findings: list[Diagnostic]) -> None:
    """Findings about `best` and `stop`, once for all jobs of a sweep."""
    sweeps: dict[tuple[str, str], list[Draft]] = {}
    for draft in declared.drafts:
        is_set = kind_of(draft.address).trains and (draft.block.best or draft.block.stop)
        if is_set and draft.address.key is not None:
            sweeps.setdefault(draft.address[:2], []).append(draft)
    for name, drafts in sweeps.items():
        first = drafts[0]
        if first.block.best and first.block.best.among is not None:
            disabled = {a.key for a in declared.disabled if a[:2] == name}
            keys = [str(key) for key in declared.keys[name]]
            _check_among(first, keys, [key for key in keys if key not in disabled], findings)
        if first.block.stop:
            _check_stop(first, drafts, findings)


NO_METRIC = (
    "Jobs are compared by a metric of the final model on the validation data.",
    "Give the jobs a `validation` dataset, or name another metric, such as `best: {metric: train_loss}`.",
)


def without_metric(drafts: Iterable[Draft], metric: str) -> Draft | None:
    """The first job that won't have the metric by which jobs are compared, because it has no validation data.
    Without a name, jobs of another method may have a reward on the training data."""
    if metric and not metric.startswith(("valid", "full_valid")):
        return None
    lacking = (draft for draft in drafts if draft.block.validation is None)
    return next((draft for draft in lacking if metric or draft.block.method == "supervised"), None)


def _check_among(draft: Draft, keys: Collection[str], enabled: Collection[str], findings: Any) -> None:
    base, among = draft.address._replace(key=None), draft.block.best.among
    is_list = isinstance(draft.entry.value("best", "among"), list)
    start: Keys = ("best", "among")
    unknown = [index for index, one in enumerate(among) if not keys_among(keys, [one])]
    for index in unknown:
        one, path = among[index], ((*start, index) if is_list else start)
        if any(sign in one for sign in "*?["):
            summary = f"`{one}` matches no key of {base}"
            hint = f"Its keys are {some((f'`{key}`' for key in keys), _SHOWN_KEYS)}."
        else:
            summary, hint = f'{base} has no key "{one}"', did_you_mean(one, keys)
        detail = "`among` names the jobs of which the best one is chosen, by their keys or by patterns."
        draft.entry.report(findings, path, summary, detail, hint)
    if not unknown and not (among and keys_among(enabled, among)):
        summary, hint = f"`among` leaves no job of {base} to choose", "Name a key, or remove `among`."
        draft.entry.report(
            findings, start, summary, "All jobs that it names are disabled." * bool(among), hint
        )


def _check_stop(draft: Draft, drafts: Iterable[Draft], findings: list[Diagnostic]) -> None:
    stop, entry, base = draft.block.stop, draft.entry, draft.address._replace(key=None)
    if len({repr(one.block.stop and one.block.stop.as_data()) for one in drafts}) > 1:
        summary, detail = f"the jobs of {base} have different `stop`", "It says how all of them are compared."
        entry.report(findings, ("stop",), summary, detail, "Write the same for all of them.")
    if stop.factor is not None and stop.rule != "halving":
        detail = "It says how many jobs go on at each rung of `rule: halving`."
        entry.report(
            findings, ("stop", "factor"), "`factor` needs `rule: halving`", detail, "Remove it.", key=True
        )
    named = stop.metric or (draft.block.best and draft.block.best.metric) or ""
    if not stop.budget and (lacking := without_metric(drafts, named)):
        summary = f"`stop` has no effect: {lacking.address} has no `validation`"
        entry.report(findings, ("stop",), summary, *NO_METRIC)
    if stop.budget and (stop.budget.tokens is None) == (stop.budget.dollars is None):
        summary, detail = "`budget` needs either `tokens` or `dollars`", "It has one limit."
        entry.report(
            findings, ("stop", "budget"), summary, detail, "Write `budget: {dollars: 20}`.", key=True
        )

"""Named hyperparameters: values that jobs share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from ftops.config import schema
from ftops.config.loader.expressions import Evaluator, Scope, Use
from ftops.config.loader.files import Entry
from ftops.config.loader.phases import INPUTS
from ftops.config.loader.settings import check_name
from ftops.config.loader.validate import read_block
from ftops.core.errors import Diagnostic
from ftops.core.suggestions import did_you_mean


class NamedSet(NamedTuple):
    """A set as read; `values` is None where it has findings of its own."""

    values: Mapping[str, Any] | None
    uses: list[Use]


def read_sets(entries: Mapping[str, Entry], scope: Scope) -> dict[str, NamedSet]:
    """Every named set."""
    return {entry.name: _read(entry, scope) for entry in entries.values()}


def _read(entry: Entry, scope: Scope) -> NamedSet:
    check_name(entry, "a set of hyperparameters", scope.findings)
    evaluator = Evaluator(entry, scope, INPUTS)
    data = evaluator.evaluate(entry.data if entry.data is not None else {})
    block = read_block(schema.Hyperparameters, data, entry, scope.findings)
    return NamedSet(block.as_data() if block else None, evaluator.uses)


def combine(
    own: schema.JobHyperparameters, sets: Mapping[str, NamedSet], entry: Entry, findings: list[Diagnostic]
) -> tuple[dict[str, Any], list[Use]]:
    """The hyperparameters of a job: those of the named set, its own over them, without `auto`."""
    values = own.as_data()
    name = values.pop("use", None)
    uses: list[Use] = []
    if name is not None and name not in sets:
        hint = did_you_mean(name, sets, nothing="Declare it under the top-level key `hyperparameters`.")
        place = entry.place(("hyperparameters", "use"))
        summary = f"there are no hyperparameters named `{name}`"
        findings.append(Diagnostic(summary, "A plain name refers to named hyperparameters.", hint, place))
    elif name is not None:
        values = {**(sets[name].values or {}), **values}
        uses = sets[name].uses
    return {key: value for key, value in sorted(values.items()) if value != "auto"}, uses

"""`outputs`: values for other programs."""

from __future__ import annotations

from typing import Any

from ftops import spec
from ftops.address import Secret, Template
from ftops.config import Output
from ftops.fields import Unknown
from ftops.loader.evaluate import INPUTS, Evaluator, Scope, Use
from ftops.loader.settings import check_name
from ftops.loader.source import Entry
from ftops.loader.validate import read_block


def read_output(entry: Entry, scope: Scope) -> tuple[Output | None, list[Use]]:
    """One output, short (a value) or long (a mapping with `value`), and its references."""
    check_name(entry, "an output", scope.findings)
    evaluator = Evaluator(entry, scope, INPUTS)
    data = evaluator.evaluate(entry.data)
    if isinstance(data, Unknown):
        return None, []
    is_long = isinstance(data, dict) and bool({"value", "description", "sensitive"} & data.keys())
    block = read_block(
        spec.OutputBlock, data if is_long else {"value": data}, entry, scope.findings, own=not is_long
    )
    if block is None:
        return None, evaluator.uses
    sensitive = block.sensitive or _holds_secret(block.value)
    return Output(entry.name, block.value, block.description, sensitive, entry.mark()), evaluator.uses


def _holds_secret(value: Any) -> bool:
    if isinstance(value, dict):
        return any(_holds_secret(item) for item in value.values())
    if isinstance(value, list):
        return any(_holds_secret(item) for item in value)
    if isinstance(value, Template):
        return any(isinstance(part, Secret) for part in value.parts)
    return isinstance(value, Secret)

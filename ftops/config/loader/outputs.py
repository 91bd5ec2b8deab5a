"""`outputs`: values for other programs."""

from __future__ import annotations

from typing import Any

from ftops.config import schema
from ftops.config.config import Output
from ftops.config.loader.expressions import Evaluator, Scope, Use
from ftops.config.loader.files import Entry
from ftops.config.loader.phases import INPUTS
from ftops.config.loader.settings import check_name
from ftops.config.loader.validate import read_block
from ftops.config.schema.field_types import UNKNOWN, has_unknown
from ftops.core.address import Secret, Template


def read_output(entry: Entry, scope: Scope) -> tuple[Output | None, list[Use]]:
    """One output, short (a value) or long (a mapping with `value`), and its references."""
    check_name(entry, "an output", scope.findings)
    evaluator = Evaluator(entry, scope, INPUTS)
    data = evaluator.evaluate(entry.data)
    is_long = isinstance(data, dict) and bool({"value", "description", "sensitive"} & data.keys())
    block_data, written = (data, entry.data.get("value")) if is_long else ({"value": data}, entry.data)
    if has_unknown(data):
        return None, []
    is_null = block_data.get("value") is None and written is not None
    if is_null:  # an expression came to nothing, which isn't the same as to say nothing
        block_data = {**block_data, "value": UNKNOWN}
    block = read_block(schema.OutputBlock, block_data, entry, scope.findings, own=not is_long)
    if block is None:
        return None, evaluator.uses
    value = None if is_null else block.value
    sensitive = block.sensitive or _holds_secret(value)
    return Output(entry.name, value, block.description, sensitive, entry.mark()), evaluator.uses


def _holds_secret(value: Any) -> bool:
    if isinstance(value, dict):
        return any(_holds_secret(item) for item in value.values())
    if isinstance(value, list):
        return any(_holds_secret(item) for item in value)
    if isinstance(value, Template):
        return any(isinstance(part, Secret) for part in value.parts)
    return isinstance(value, Secret)

"""Output values: the outputs of a spec, as far as their references are known."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from ftops.config.config import Output
from ftops.core.address import Reference, Secret, Value, fill, references, secrets


class OutputValue(NamedTuple):
    """`value` keeps the references that aren't known. A sensitive value is never recorded."""

    value: Value
    sensitive: bool
    lacking: tuple[Reference, ...] = ()
    """References to attributes that a ready object doesn't have. In place of them the value has null."""


def evaluate(
    declared: Iterable[Output],
    look_up: Callable[[Reference | Secret], Value],
    is_ready: Callable[[Reference], bool],
) -> dict[str, OutputValue]:
    """Output values by name. An output with a secret is always sensitive. `is_ready`: whether all attributes
    of the object of a reference are known."""
    return {output.name: _evaluated(output, look_up, is_ready) for output in declared}


def _evaluated(
    output: Output, look_up: Callable[[Reference | Secret], Value], is_ready: Callable[[Reference], bool]
) -> OutputValue:
    lacking: list[Reference] = []

    def filled(value: Value) -> Value:
        if isinstance(value, dict):
            return {key: filled(item) for key, item in value.items()}
        if isinstance(value, list):
            return [filled(item) for item in value]
        result = fill(value, look_up)
        missing = [reference for reference in references(result) if is_ready(reference)]
        lacking.extend(missing)
        return None if missing else result

    value = filled(output.value)
    return OutputValue(value, output.sensitive or names_secret(output.value), tuple(lacking))


def null_warnings(values: Mapping[str, OutputValue]) -> list[str]:
    """Warnings about references that have no value."""
    return [
        f"output {name} is null in place of {reference}: {reference.address} exists, but the service "
        f"reported no {reference.attribute}"
        for name, output in sorted(values.items())
        for reference in output.lacking
    ]


def names_secret(value: Value) -> bool:
    """Whether a value contains a secret."""
    return bool(secrets(value))

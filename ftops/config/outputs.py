"""Output values of a spec, as far as they are known."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from ftops.config.config import Output
from ftops.core.address import Address, Reference, Secret, Value, fill, references, secrets


class OutputValue(NamedTuple):
    """`value` still holds references where they aren't known. A sensitive one is never recorded."""

    value: Value
    sensitive: bool
    lacking: tuple[Reference, ...] = ()
    """References to what an object that is ready doesn't have; the value is null where one of them stands."""


def evaluate(
    declared: Iterable[Output],
    look_up: Callable[[Reference | Secret], Value],
    is_ready: Callable[[Address], bool],
) -> dict[str, OutputValue]:
    """By name. An output that names a secret is sensitive, whether it says so or not. `is_ready`: no more
    becomes known of the object."""
    return {output.name: _evaluated(output, look_up, is_ready) for output in declared}


def _evaluated(
    output: Output, look_up: Callable[[Reference | Secret], Value], is_ready: Callable[[Address], bool]
) -> OutputValue:
    lacking: list[Reference] = []

    def filled(value: Value) -> Value:
        if isinstance(value, dict):
            return {key: filled(item) for key, item in value.items()}
        if isinstance(value, list):
            return [filled(item) for item in value]
        found = fill(value, look_up)
        missing = [reference for reference in references(found) if is_ready(reference.address)]
        lacking.extend(missing)
        return None if missing else found

    value = filled(output.value)
    return OutputValue(value, output.sensitive or names_secret(output.value), tuple(lacking))


def null_warnings(values: Mapping[str, OutputValue]) -> list[str]:
    """Why outputs are null, or parts of them."""
    return [
        f"output {name} is null where {reference} stands: {reference.address} exists, but the service "
        f"reported no {reference.attribute}"
        for name, output in sorted(values.items())
        for reference in output.lacking
    ]


def names_secret(value: Value) -> bool:
    """Whether a secret stands anywhere in it."""
    return any(True for _ in secrets(value))

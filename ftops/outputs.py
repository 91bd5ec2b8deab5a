"""Outputs of a spec: what they come to, as far as it is known."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

from ftops.address import Reference, Secret, Template, Value, fill
from ftops.config import Output


class OutputValue(NamedTuple):
    """`value` still holds references where they aren't known. A sensitive one is never recorded."""

    value: Value
    sensitive: bool


def evaluate(
    declared: Iterable[Output], look_up: Callable[[Reference | Secret], Value]
) -> dict[str, OutputValue]:
    """By name. An output that names a secret is sensitive, whether it says so or not."""
    return {
        output.name: OutputValue(fill(output.value, look_up), output.sensitive or names_secret(output.value))
        for output in declared
    }


def names_secret(value: Value) -> bool:
    """Whether a secret stands anywhere in it."""
    if isinstance(value, Template):
        return any(isinstance(p, Secret) for p in value.parts)
    if isinstance(value, dict):
        return any(names_secret(v) for v in value.values())
    if isinstance(value, list):
        return any(names_secret(v) for v in value)
    return isinstance(value, Secret)

"""Targets: the calls that training data teaches, made from the schemas of the functions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from fractions import Fraction
from functools import cached_property
from hashlib import sha256
from typing import Any

from msgspec import Struct

from ftops.core.errors import Diagnostic, SpecError
from ftops.dataset.files.jsonl_io import canonical
from ftops.evaluation.schemas import Schema, json_validator, resolver_of
from ftops.generation.schema_values import ABSENT, Choice, FunctionValues, as_number, limits


class Target(Struct, frozen=True, dict=True):
    """A call that answers a request."""

    function: str
    arguments: Mapping[str, Any] = {}

    @cached_property
    def key(self) -> str:
        """By the call alone: whatever asks for it is kept together."""
        return sha256(canonical([self.function, self.arguments])).hexdigest()[:16]


def targets_of(schemas: Mapping[str, Schema], choice: Choice) -> list[Target]:
    """The calls of all functions, in their order. Raises SpecError with every function that has none."""
    found: list[Target] = []
    faults = []
    for name, schema in schemas.items():
        try:
            values = FunctionValues(name, schema, choice)
            arguments = values.arguments()
        except ValueError as error:
            faults.append(Diagnostic(f"the schema of `{name}` can't be used", str(error), "correct it"))
            continue
        found += [Target(name, each) for each in arguments]
        if not arguments:
            faults.append(_no_call(name, values.parameters()))
    if faults:
        raise SpecError(faults)
    return found


def _no_call(name: str, parameters: Mapping[str, Sequence[Any]]) -> Diagnostic:
    empty = [parameter for parameter, values in parameters.items() if not values]
    summary = f"no call of `{name}` can be made"
    if not empty:
        return Diagnostic(summary, "No arguments are valid against its whole schema.", "correct the schema")
    what = ", ".join(f"`{parameter}`" for parameter in empty)
    hint = f"list some in the spec: `generate: {{words: {{{empty[0]}: […]}}}}`"
    return Diagnostic(summary, f"Its schema gives no values for {what}.", hint)


def free_parameters(schemas: Mapping[str, Schema], choice: Choice) -> list[tuple[str, str]]:
    """Functions and required parameters that need words."""
    found = []
    for name, schema in schemas.items():
        with suppress(ValueError):  # `targets_of` reports it
            parameters = FunctionValues(name, schema, choice).parameters()
            found += [
                (name, parameter) for parameter, values in parameters.items() if values in ([], [ABSENT])
            ]
    return found


def out_of_range(schemas: Mapping[str, Schema], targets: Sequence[Target]) -> Iterator[Target]:
    """Calls with a number just outside of what the schema allows."""
    first: dict[tuple[str, str], Target] = {}
    for target in targets:
        for parameter in target.arguments:
            first.setdefault((target.function, parameter), target)
    for (name, parameter), target in first.items():
        validator, resolver = json_validator(schemas[name]), resolver_of(schemas[name])
        part = resolver.resolve(schemas[name])["properties"].get(parameter)
        for value in _outside(resolver.resolve(part)):
            arguments = {**target.arguments, parameter: value}
            if not validator.is_valid(arguments):
                yield Target(name, arguments)


def _outside(schema: Schema) -> Iterator[float]:
    if schema.get("type") not in ("integer", "number") or "enum" in schema:
        return
    step = Fraction(str(schema.get("multipleOf", 1)))
    low, high = limits(schema, step)
    if low is not None:
        yield as_number(-high if low >= 0 and high is not None and high > 0 else low - step)
    if high is not None:
        yield as_number(high + step)
        yield as_number(high * 10 if high > 0 else high + 10 * step)

"""Values of JSON Schemas that training data should contain: all of an enum, and both ends of a range."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from math import ceil, floor
from typing import Any

from msgspec import Struct

from ftops.dataset.files.jsonl_io import canonical
from ftops.evaluation.schemas import Schema, json_validator, resolver_of
from ftops.generation.draws import draw
from ftops.generation.pairwise import pairwise

ABSENT = object()
"""In place of the value of an optional parameter that is left out."""
DEEPEST = 6
"""Levels of objects and arrays; a schema may contain itself."""
MOST_VALUES = 2_000
"""Of one parameter."""
PLACEHOLDER = "\ue000"
"""The start of what stands for a text that isn't known yet, and takes part in counting only."""
_LIMITS = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")
_LARGEST_WHOLE = 2**53
_REACH = 100
"""How far values go if a number has no upper or lower limit."""


class Choice(Struct, frozen=True):
    """What is chosen where a schema leaves it open. `words` has values by name of a parameter, or by
    `function.parameter`; `numbers` is how many values a number gets."""

    words: Mapping[str, Sequence[Any]] = {}
    numbers: int = 3
    seed: int = 1


class FunctionValues:
    """Of the parameters of one function. Raises ValueError if the schema can't be used."""

    def __init__(self, function: str, schema: Schema, choice: Choice) -> None:
        self._function = function
        self._root = schema
        self._choice = choice
        self._schemas = resolver_of(schema)
        self._validator = json_validator(schema)

    def parameters(self) -> dict[str, list[Any]]:
        """By parameter: all of its values; ABSENT is one of those of an optional parameter."""
        return self._properties(self._schemas.resolve(self._root), self._function, 0)

    def arguments(self) -> list[dict[str, Any]]:
        """Arguments of calls, in which every two values of two parameters occur together, as far as the
        schema of the whole function allows it."""
        return [
            row for row in _rows(self.parameters()) if _is_open(row.values()) or self._validator.is_valid(row)
        ]

    def _properties(self, schema: Schema, path: str, depth: int) -> dict[str, list[Any]]:
        properties, required = schema.get("properties") or {}, schema.get("required") or ()
        return {
            name: self._values(part, f"{path}.{name}", depth) + ([] if name in required else [ABSENT])
            for name, part in properties.items()
        }

    def _values(self, schema: Any, path: str, depth: int) -> list[Any]:
        words = self._choice.words.get(path, self._choice.words.get(path.rpartition(".")[2]))
        if words is None:
            parts = self._schemas.alternatives(schema)
            words = [value for part in parts for value in self._by_type(part, path, depth)]
        validator = json_validator({**self._definitions(), **self._schemas.resolve(schema)})
        values = _unlike(words)[:MOST_VALUES]
        return [value for value in values if _is_open([value]) or validator.is_valid(value)]

    def _definitions(self) -> Schema:
        return {key: self._root[key] for key in ("$defs", "definitions") if key in self._root}

    def _by_type(self, schema: Schema, path: str, depth: int) -> Iterable[Any]:
        if "const" in schema:
            return [schema["const"]]
        if "enum" in schema:
            return list(schema["enum"])
        types = schema.get("type", "object" if "properties" in schema else None)
        found: list[Any] = []
        for name in types if isinstance(types, list) else [types]:
            if depth < DEEPEST:
                found += self._of_type(name, schema, path, depth + 1)
        return found

    def _of_type(self, name: Any, schema: Schema, path: str, depth: int) -> Iterable[Any]:
        match name:
            case "boolean":
                return [True, False]
            case "null":
                return [None]
            case "number" | "integer":
                return _numbers(schema, name == "integer", self._choice, path)
            case "array":
                return self._arrays(schema, path, depth)
            case "object" if "properties" in schema:
                return _rows(self._properties(schema, path, depth))
        return [*schema.get("examples", ()), *([schema["default"]] if "default" in schema else ())]

    def _arrays(self, schema: Schema, path: str, depth: int) -> Iterable[list[Any]]:
        """Every item in an array of the least length, and one longer array."""
        if first := schema.get("prefixItems"):
            columns = {str(i): self._values(part, f"{path}.{i}", depth) for i, part in enumerate(first)}
            return [list(row.values()) for row in _rows(columns)]
        items = self._values(schema.get("items") or {}, f"{path}.item", depth)
        least = max(1, int(schema.get("minItems", 0)))
        most = min(least + 2, int(schema.get("maxItems", least + 2)))
        if least > MOST_VALUES:
            raise ValueError(f"an array of {least:,} items is too long")
        if schema.get("uniqueItems"):
            most = min(most, len(items))
        if not items or most < least:
            return [[]] if schema.get("maxItems") == 0 else []
        turns = [[items[(i + j) % len(items)] for j in range(least)] for i in range(len(items))]
        return [*turns, [items[i % len(items)] for i in range(most)]]


def _rows(parameters: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
    columns = list(parameters.values())
    return [
        {
            name: value
            for name, values, i in zip(parameters, columns, row, strict=True)
            if (value := values[i]) is not ABSENT
        }
        for row in pairwise([len(values) for values in columns])
    ]


def _numbers(schema: Schema, is_whole: bool, choice: Choice, path: str) -> list[float]:
    """Both ends, and between them others that are the same for the same seed."""
    step = _exact(schema.get("multipleOf", 1 if is_whole else 0.01))
    low, high = limits(schema, step)
    if low is None:
        low = Fraction(0) if high is None or high > 0 else high - _REACH
    if high is None:
        high = low + _REACH
    first, last = ceil(low / step), floor(high / step)
    if last < first:
        return [] if is_whole or "multipleOf" in schema else [as_number(low)]
    wanted = {first, last} if choice.numbers > 1 else {(first + last) // 2}
    turn = 0
    while len(wanted) < min(choice.numbers, last - first + 1):
        wanted.add(first + draw(choice.seed, path, turn) % (last - first + 1))
        turn += 1
    return [as_number(i * step) for i in sorted(wanted)]


def limits(schema: Schema, step: Fraction) -> tuple[Fraction | None, Fraction | None]:
    """The least and the largest value; None if there is no limit."""
    found = {key: _exact(schema[key]) for key in _LIMITS if key in schema}
    lows = [found.get("minimum"), *(n + step for key, n in found.items() if key == "exclusiveMinimum")]
    highs = [found.get("maximum"), *(n - step for key, n in found.items() if key == "exclusiveMaximum")]
    return (
        max((n for n in lows if n is not None), default=None),
        min((n for n in highs if n is not None), default=None),
    )


def _exact(number: float) -> Fraction:
    """As it is written: 0.1 is a tenth."""
    return Fraction(str(number))


def as_number(value: Fraction) -> float:
    """Whole, if it is and JSON of other programs can hold it."""
    return int(value) if value.denominator == 1 and abs(value) < _LARGEST_WHOLE else _float(value)


def _float(value: Fraction) -> float:
    try:
        return float(value)
    except OverflowError:
        return sys.float_info.max if value > 0 else -sys.float_info.max


def _is_open(values: Iterable[Any]) -> bool:
    return any(isinstance(value, str) and value.startswith(PLACEHOLDER) for value in values)


def _unlike(values: Iterable[Any]) -> list[Any]:
    return list({canonical(value): value for value in values}.values())

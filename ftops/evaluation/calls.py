"""Function calls that a model made, compared with the expected ones."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

from ftops.dataset.formats.jsonl import decode, is_too_deep
from ftops.evaluation.schemas import ANY, Schema
from ftops.evaluation.values import EXACT, Miss, Rule, Values


class Call(Struct, frozen=True):
    """As the service returns it: `arguments` is the text that the model wrote."""

    name: str
    arguments: str


class ExpectedCall(Struct, frozen=True):
    """`arguments` has values or operators by parameter; None: any arguments are right."""

    name: str
    arguments: Mapping[str, Any] | None = None


def compare_calls(
    expected: Sequence[ExpectedCall],
    actual: Sequence[Call],
    schemas: Mapping[str, Schema],
    rule: Rule = EXACT,
) -> Miss | None:
    """None if each expected call was made once and nothing else was. Parallel calls are assigned so that as
    many as possible match, not in their order, unless the rule is strict."""
    if not actual and expected:
        return Miss("no_call", detail=f"expected {names(expected)}")
    if len(actual) != len(expected):
        return Miss("wrong_count", detail=f"expected {names(expected) or 'no call'}, got {names(actual)}")
    if len(expected) == 1 or rule.order == "strict":
        pairs = zip(expected, actual, strict=True)
        return next((miss for e, a in pairs if (miss := _compare(e, a, schemas, rule))), None)
    misses = [[_compare(e, a, schemas, rule) for a in actual] for e in expected]
    taken = _assignment(misses)
    unmatched = [j for j in range(len(actual)) if j not in taken.values()]
    for i, call in enumerate(expected):
        if i not in taken:
            nearest = min(unmatched, key=lambda j: actual[j].name != call.name)
            return misses[i][nearest]
    return None


def names(calls: Sequence[ExpectedCall] | Sequence[Call]) -> str:
    return ", ".join(call.name for call in calls)


def _assignment(misses: Sequence[Sequence[Miss | None]]) -> dict[int, int]:
    """A largest matching of rows to columns without a miss, by augmenting paths."""
    holder: dict[int, int] = {}

    def place(row: int, seen: set[int]) -> bool:
        for column, miss in enumerate(misses[row]):
            if miss is None and column not in seen:
                seen.add(column)
                if column not in holder or place(holder[column], seen):
                    holder[column] = row
                    return True
        return False

    for row in range(len(misses)):
        place(row, set())
    return {row: column for column, row in holder.items()}


def _compare(expected: ExpectedCall, actual: Call, schemas: Mapping[str, Schema], rule: Rule) -> Miss | None:
    if expected.name != actual.name:
        return Miss("wrong_function", detail=f"expected {expected.name}, got {actual.name}")
    if rule.match == "name" or expected.arguments is None:
        return None
    try:
        arguments = parse_arguments(actual.arguments)
    except ValueError as error:
        return Miss("invalid_json", actual.name, str(error))
    values = Values(schemas.get(expected.name, ANY), rule)
    return values.compare_arguments(expected.arguments, arguments, actual.name)


def parse_arguments(text: str) -> Any:
    """The value of a JSON text. Raises ValueError, also for NaN, Infinity, a key that occurs twice, and half
    of a surrogate pair."""
    try:
        value = decode(text)
        if is_too_deep(value):
            raise RecursionError
        if "\\ud" in text.lower():
            json.dumps(value, ensure_ascii=False).encode()
        return value
    except json.JSONDecodeError as error:
        raise ValueError(str(error)) from error
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    except ValueError as error:
        what = "it has a key twice, half of a surrogate pair, or a number that JSON doesn't have"
        raise ValueError(what) from error

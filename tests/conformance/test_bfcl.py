"""Function calls graded by ftops and by the Berkeley Function Calling Leaderboard."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from copy import deepcopy
from itertools import islice, permutations
from typing import Any

import pytest

from ftops.evaluation.calls import Call, ExpectedCall, compare_calls
from ftops.evaluation.expectations import Expected, problems
from ftops.evaluation.values import Rule
from tests.conformance.bfcl import CATEGORIES, Calls, Case, cases, checker, expected, given, needed, schema

RULE = Rule(strings="loose")
MOST_ORDERS = 24
"""Of expected calls, one of which may suit a checker that takes the first that fits."""


def answers(case: Case) -> Iterator[tuple[str, Calls]]:
    """Right ones, and each with one thing changed."""
    right = [
        {name: {k: given(v) for k, v in arguments.items()} for name, arguments in call.items()}
        for call in case.truth
    ]
    yield "first", right
    yield (
        "last",
        [
            {name: {k: given(v, -1) for k, v in arguments.items()} for name, arguments in call.items()}
            for call in case.truth
        ],
    )
    yield (
        "required only",
        [
            {
                name: {k: given(v) for k, v in arguments.items() if "" not in v}
                for name, arguments in call.items()
            }
            for call in case.truth
        ],
    )
    yield "reversed", list(reversed(right))
    yield "none", []
    yield "one more", [*right, right[0]]
    for change in CHANGES:
        changed = deepcopy(right)
        [(name, arguments)] = changed[-1].items()
        if CHANGES[change](arguments):
            yield change, changed
    other = deepcopy(right)
    [(name, arguments)] = other[0].items()
    yield "other function", [{name + "_": arguments}, *other[1:]]


def _each(kind: type, make: Any) -> Any:
    def change(arguments: dict[str, Any]) -> bool:
        for key, value in arguments.items():
            if type(value) is kind:
                arguments[key] = make(value)
                return True
        return False

    return change


def _drop(arguments: dict[str, Any]) -> bool:
    return bool(arguments) and arguments.popitem() is not None


def _add(arguments: dict[str, Any]) -> bool:
    arguments["not_a_parameter"] = 1
    return True


CHANGES: dict[str, Any] = {
    "dropped": _drop,
    "added": _add,
    "text in capitals": _each(str, str.upper),
    "text with punctuation": _each(str, lambda text: f" {text}. "),
    "other text": _each(str, lambda text: text + " or not"),
    "integer as float": _each(int, float),
    "integer as text": _each(int, str),
    "integer as boolean": _each(int, bool),
    "other integer": _each(int, lambda number: number + 7919),
    "float as text": _each(float, str),
    "other float": _each(float, lambda number: number + 0.1234),
    "boolean as integer": _each(bool, int),
    "other boolean": _each(bool, lambda value: not value),
    "boolean as text": _each(bool, str),
    "list reversed": _each(list, lambda items: list(reversed(items))),
    "longer list": _each(list, lambda items: [*items, *items[:1]]),
    "list as text": _each(list, str),
    "text as list": _each(str, lambda text: [text]),
    "empty list": _each(list, lambda items: []),
    "object with more": _each(dict, lambda value: {**value, "not_a_key": 1}),
    "empty object": _each(dict, lambda value: {}),
    "null": _each(str, lambda text: None),
}


def ours(case: Case, calls: Calls, *, without: tuple[str, ...] = ()) -> bool:
    schemas = {f["name"]: schema(f["parameters"], without) for f in case.functions}
    made = [Call(name, json.dumps(arguments)) for call in calls for name, arguments in call.items()]
    return compare_calls(_expected(case), made, schemas, RULE) is None


def _expected(case: Case) -> list[ExpectedCall]:
    return [
        ExpectedCall(name, {key: expected(allowed) for key, allowed in arguments.items()})
        for call in case.truth
        for name, arguments in call.items()
    ]


def reason(case: Case, change: str, calls: Calls, theirs: Callable[[Case], bool]) -> str:
    """Why ftops decides otherwise; empty if nothing explains it."""
    names = [function["name"] for function in case.functions]
    is_right = theirs(case)
    if len(set(names)) < len(names):
        return "two functions of one name"
    if _contradicts_itself(case):
        return "what is expected contradicts the schema"
    if change == "integer as float" and not is_right:
        return "an integer may be written as 50.0"
    if ours(case, calls, without=("default", "enum")) == is_right:
        return "a parameter that is left out has its default, and an enum is exact"
    if change == "empty list" and is_right:
        return "an empty list isn't a parameter that is left out"
    orders = (case._replace(truth=list(order)) for order in islice(permutations(case.truth), MOST_ORDERS))
    if not is_right and any(theirs(other) for other in orders):
        return "calls are assigned as a whole, not one after the other"
    return ""


def _contradicts_itself(case: Case) -> bool:
    """Whether the schema lacks or requires a parameter, or doesn't allow a value, other than the truth."""
    schemas = {f["name"]: schema(f["parameters"]) for f in case.functions}
    calls = [pair for call in case.truth for pair in call.items()]
    lacking = any(set(arguments) - set(schemas[name]["properties"]) for name, arguments in calls)
    optional = any(
        "" in arguments.get(key, ()) for name, arguments in calls for key in schemas[name]["required"]
    )
    return lacking or optional or any(problems(Expected(tuple(_expected(case))), schemas))


@needed
@pytest.mark.parametrize("category", CATEGORIES)
def test_as_the_leaderboard(category: str) -> None:
    check = checker()
    decided, differences, unexplained = 0, Counter[str](), []
    for case in cases(category):
        for change, calls in answers(case):

            def theirs(case: Case, calls: Calls = calls) -> bool:
                return check(case, deepcopy(calls), category)

            decided += 1
            if theirs(case) != ours(case, calls):
                why = reason(case, change, calls, theirs)
                differences[why] += 1
                if not why:
                    unexplained.append(f"{case.id} {change} {theirs(case)}: {calls} {case.truth}")
    assert not unexplained
    assert sum(differences.values()) < decided / 10, differences

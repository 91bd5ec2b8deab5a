"""Rules of the Berkeley Function Calling Leaderboard in cases of our own, and where ftops decides otherwise.

`tests/conformance/test_bfcl.py` compares both on the leaderboard's own cases.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from ftops.evaluation.calls import Call, ExpectedCall, compare_calls
from ftops.evaluation.values import Rule

BOOK: dict[str, Any] = {
    "type": "object",
    "properties": {
        "city": {"type": "string"},
        "nights": {"type": "integer"},
        "price": {"type": "number"},
        "pets": {"type": "boolean"},
        "class": {"type": "string", "enum": ["single", "double"]},
        "meal": {"type": "string", "default": "none"},
        "tags": {"type": "array", "items": {"type": "string"}},
        "guest": {"type": "object", "properties": {"name": {"type": "string"}, "age": {"type": "integer"}}},
        "guests": {"type": "array", "items": {"type": "object"}},
    },
}
RULE = Rule(strings="loose")


def grade(expected: list[Any], actual: list[Any]) -> str:
    wanted = [ExpectedCall("book", arguments) for arguments in expected]
    made = [Call("book", json.dumps(arguments)) for arguments in actual]
    miss = compare_calls(wanted, made, {"book": BOOK}, RULE)
    return miss.kind if miss else "right"


@pytest.mark.parametrize(
    ("expected", "actual", "verdict"),
    [
        ({"city": "New York, NY"}, {"city": "new york ny"}, "right"),
        ({"city": "O'Hare"}, {"city": 'O"Hare'}, "right"),
        ({"city": "2024-04-01"}, {"city": "20240401"}, "right"),
        ({"city": "Rome"}, {"city": "Roma"}, "wrong_value"),
        ({"city": {"one_of": ["NYC", "New York"]}}, {"city": "nyc"}, "right"),
        ({"price": 80.0}, {"price": 80}, "right"),
        ({"price": 80}, {"price": "80"}, "wrong_type"),
        ({"nights": 2}, {"nights": 2.5}, "wrong_type"),
        ({"pets": True}, {"pets": "true"}, "wrong_type"),
        ({"nights": 1}, {"nights": True}, "wrong_type"),
        ({"city": "Rome", "nights": 2}, {"city": "Rome"}, "missing"),
        ({"city": "Rome", "nights": {"optional": 2}}, {"city": "Rome"}, "right"),
        ({"city": "Rome", "nights": {"optional": 2}}, {"city": "Rome", "nights": 3}, "wrong_value"),
        ({"city": "Rome"}, {"city": "Rome", "nights": 2}, "unexpected"),
        ({"tags": ["Sea view", "quiet"]}, {"tags": ["seaview", "Quiet"]}, "right"),
        ({"tags": ["sea", "quiet"]}, {"tags": ["quiet", "sea"]}, "wrong_value"),
        ({"guest": {"name": "Ada", "age": {"optional": 9}}}, {"guest": {"name": "ada"}}, "right"),
        ({"guest": {"name": "Ada"}}, {"guest": {"name": "Ada", "age": 9}}, "unexpected"),
        ({"guest": {"name": "Ada", "age": 9}}, {"guest": {"name": "Ada"}}, "missing"),
        ({"guests": [{"age": 1}, {"age": 2}]}, {"guests": [{"age": 2}, {"age": 1}]}, "wrong_value"),
    ],
)  # fmt: skip
def test_as_there(expected: Any, actual: Any, verdict: str) -> None:
    assert grade([expected], [actual]) == verdict


def test_parallel_calls_have_no_order_and_an_equal_number() -> None:
    assert grade([{"nights": 1}, {"nights": 2}], [{"nights": 2}, {"nights": 1}]) == "right"
    assert grade([{"nights": 1}, {"nights": 2}], [{"nights": 1}]) == "wrong_count"
    assert grade([{"nights": 1}], [{"nights": 1}, {"nights": 1}]) == "wrong_count"


@pytest.mark.parametrize(
    ("expected", "actual", "verdict"),
    [
        # an integer may be written as 50.0; wrong there
        ([{"nights": 2}], [{"nights": 2.0}], "right"),
        # a parameter that is left out has its default, in both directions; wrong there
        ([{"city": "Rome", "meal": "none"}], [{"city": "Rome"}], "right"),
        ([{"city": "Rome"}], [{"city": "Rome", "meal": "none"}], "right"),
        # an enum is exact, as the service doesn't know other spellings; right there
        ([{"class": "double"}], [{"class": "Double"}], "wrong_value"),
        # an empty list isn't a parameter that is left out; right there
        ([{"tags": {"optional": ["sea"]}}], [{"tags": []}], "wrong_value"),
        # types count at every depth; right there, where true equals 1
        ([{"guest": {"name": "Ada", "age": 1}}], [{"guest": {"name": "Ada", "age": True}}], "wrong_type"),
        # the best assignment, not the first that fits; wrong there
        (
            [{"nights": {"one_of": [1, 2]}}, {"nights": 1}],
            [{"nights": 1}, {"nights": 2}],
            "right",
        ),
    ],
)
def test_otherwise_than_there(expected: list[Any], actual: list[Any], verdict: str) -> None:
    assert grade(expected, actual) == verdict

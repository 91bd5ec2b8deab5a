"""Function calls compared by name and by arguments, through the schema of the tool."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftops.evaluation.calls import Call, ExpectedCall, compare_calls
from ftops.evaluation.schemas import matches
from ftops.evaluation.values import Rule

FLY: dict[str, Any] = {
    "type": "object",
    "$defs": {
        "point": {"type": "object", "properties": {"x": {"type": "number"}, "name": {"type": "string"}}}
    },
    "properties": {
        "height": {"type": "integer"},
        "speed": {"type": "number"},
        "unit": {"type": "string", "enum": ["m", "ft"], "default": "m"},
        "note": {"type": "string"},
        "lights": {"type": "boolean"},
        "path": {"type": "array", "items": {"$ref": "#/$defs/point"}},
        "limit": {"anyOf": [{"type": "integer"}, {"type": "null"}]},
        "tags": {"type": "array", "items": {"type": "string"}},
        "any": {},
    },
}  # fmt: skip
TOOLS = {"fly": FLY, "land": {}}


def kind(expected: Any, actual: str, **rule: Any) -> str:
    miss = compare_calls([ExpectedCall("fly", expected)], [Call("fly", actual)], TOOLS, Rule(**rule))
    return miss.kind if miss else "right"


@pytest.mark.parametrize(
    ("expected", "actual", "verdict"),
    [
        # numbers: one value in several spellings, and never a text
        ({"height": 50}, '{"height": 50}', "right"),
        ({"height": 50}, '{"height": 50.0}', "right"),
        ({"height": 100}, '{"height": 1e2}', "right"),
        ({"speed": 0.5}, '{"speed": 5e-1}', "right"),
        ({"height": 50}, '{"height": "50"}', "wrong_type"),
        ({"height": 50}, '{"height": 50.5}', "wrong_type"),
        ({"height": 1}, '{"height": true}', "wrong_type"),
        ({"lights": True}, '{"lights": 1}', "wrong_type"),
        ({"height": 50}, '{"height": 51}', "wrong_value"),
        ({"height": 9007199254740993}, '{"height": 9007199254740992}', "wrong_value"),
        ({"any": 1}, '{"any": "1"}', "wrong_type"),
        ({"any": 1}, '{"any": true}', "wrong_type"),
        ({"limit": None}, '{"limit": null}', "right"),
        ({"limit": 3}, '{"limit": 3.0}', "right"),
        ({"limit": 3}, '{"limit": "3"}', "wrong_type"),
        # text: one character in two forms of Unicode is the same
        ({"note": "caf\u00e9"}, '{"note": "cafe\u0301"}', "right"),
        ({"note": "home_base"}, '{"note": "home-base"}', "wrong_value"),
        # what is left out, and what is too much
        ({"height": 5, "note": "a"}, '{"height": 5}', "missing"),
        ({"height": 5}, '{"height": 5, "note": "a"}', "unexpected"),
        ({"height": 5, "unit": "m"}, '{"height": 5}', "right"),
        ({"height": 5}, '{"height": 5, "unit": "m"}', "right"),
        ({"height": 5}, '{"height": 5, "unit": "ft"}', "unexpected"),
        ({"height": 5, "unit": "ft"}, '{"height": 5}', "missing"),
        ({}, "{}", "right"),
        # operators
        ({"height": {"one_of": [4, 5]}}, '{"height": 5}', "right"),
        ({"height": {"one_of": [4, 5]}}, '{"height": 6}', "wrong_value"),
        ({"height": {"one_of": [4, {"range": [10, 20]}]}}, '{"height": 15}', "right"),
        ({"height": {"one_of": [4, 5]}}, '{"height": "4"}', "wrong_type"),
        ({"height": {"range": [1, 60]}}, '{"height": 60}', "right"),
        ({"height": {"range": [1, 60]}}, '{"height": 61}', "wrong_value"),
        ({"note": {"range": [1, 60]}}, '{"note": "5"}', "wrong_value"),
        ({"note": {"regex": "a+b"}}, '{"note": "aaab"}', "right"),
        ({"note": {"regex": "a+b"}}, '{"note": "xaab"}', "wrong_value"),
        ({"note": {"any": True}}, '{"note": "whatever"}', "right"),
        ({"note": {"any": True}}, '{"note": 5}', "wrong_type"),
        ({"note": {"any": True}}, "{}", "missing"),
        ({"note": {"optional": "a"}}, "{}", "right"),
        ({"note": {"optional": "a"}}, '{"note": "a"}', "right"),
        ({"note": {"optional": "a"}}, '{"note": "b"}', "wrong_value"),
        ({"note": {"optional": {"any": True}}}, '{"note": "b"}', "right"),
        ({"note": {"absent": True}}, "{}", "right"),
        ({"note": {"absent": True}}, '{"note": ""}', "unexpected"),
        ({"any": {"literal": {"any": True}}}, '{"any": {"any": true}}', "right"),
        ({"any": {"literal": {"any": True}}}, '{"any": 5}', "wrong_type"),
        ({"any": True}, '{"any": true}', "right"),
        ({"any": True}, '{"any": 5}', "wrong_type"),
        # at every depth
        ({"path": [{"x": 1}, {"x": {"one_of": [2, 3]}}]}, '{"path": [{"x": 1.0}, {"x": 3}]}', "right"),
        ({"path": [{"x": 1}]}, '{"path": [{"x": "1"}]}', "wrong_type"),
        ({"path": [{"x": 1}]}, '{"path": [{"x": 1, "name": "a"}]}', "unexpected"),
        ({"path": [{"x": 1}]}, '{"path": []}', "wrong_value"),
        ({"path": [{"x": 1}]}, '{"path": {"x": 1}}', "wrong_type"),
        ({"tags": ["a", "b"]}, '{"tags": ["b", "a"]}', "wrong_value"),
        ({"any": {"deep": [[{"x": 1}]]}}, '{"any": {"deep": [[{"x": 1}]]}}', "right"),
        # what is no object of arguments
        ({}, "", "invalid_json"),
        ({}, "null", "wrong_type"),
        ({}, "[]", "wrong_type"),
        ({}, '"{}"', "wrong_type"),
        ({"speed": 1}, '{"speed": NaN}', "invalid_json"),
        ({"speed": 1}, '{"speed": 1e999}', "invalid_json"),
        ({"speed": 1}, '{"speed": 1, "speed": 1}', "invalid_json"),
        ({"speed": 1}, '{"speed": 1', "invalid_json"),
        ({"any": 1}, '{"any": ' + "[" * 100_000, "invalid_json"),
        (None, "not even JSON", "right"),
    ],
)  # fmt: skip
def test_20_arguments(expected: Any, actual: str, verdict: str) -> None:
    assert kind(expected, actual) == verdict


def test_a_miss_says_where_and_what() -> None:
    expected = ExpectedCall("fly", {"path": [{"x": 1}, {"x": 2}]})
    miss = compare_calls([expected], [Call("fly", '{"path": [{"x": 1}, {"x": 7}]}')], TOOLS)
    assert miss is not None
    assert (miss.where, miss.detail) == ("fly.path[1].x", "expected 2, got 7")


def test_loose_strings() -> None:
    assert kind({"note": "home_base"}, '{"note": "Home Base"}', strings="loose") == "right"
    assert kind({"note": "home"}, '{"note": "away"}', strings="loose") == "wrong_value"
    assert kind({"unit": "m"}, '{"unit": "M"}', strings="loose") == "wrong_value"  # an enum is exact


def test_extra_arguments_may_be_ignored() -> None:
    assert kind({"height": 5}, '{"height": 5, "note": "a"}', extra="ignore") == "right"


def test_by_name_only() -> None:
    assert kind({"height": 5}, '{"height": 6}', match="name") == "right"


def calls(*values: int) -> list[Call]:
    return [Call("fly", f'{{"height": {value}}}') for value in values]


def wanted(*values: Any) -> list[ExpectedCall]:
    return [ExpectedCall("fly", {"height": value}) for value in values]


def test_21_parallel_calls_get_the_best_assignment() -> None:
    """Taking the first that matches would give 1 to the list, and leave nothing for the literal."""
    expected = wanted({"one_of": [1, 2]}, 1)
    assert compare_calls(expected, calls(1, 2), TOOLS) is None
    assert compare_calls(expected, calls(2, 1), TOOLS) is None
    miss = compare_calls(expected, calls(2, 2), TOOLS)
    assert miss is not None
    assert miss.kind == "wrong_value"


def test_order_counts_if_it_is_strict() -> None:
    assert compare_calls(wanted(1, 2), calls(2, 1), TOOLS) is None
    miss = compare_calls(wanted(1, 2), calls(2, 1), TOOLS, Rule(order="strict"))
    assert miss is not None
    assert miss.kind == "wrong_value"


@pytest.mark.parametrize(
    ("expected", "actual", "verdict"),
    [
        (["fly"], [], "no_call"),
        (["fly"], ["land"], "wrong_function"),
        (["fly"], ["fly", "fly"], "wrong_count"),
        (["fly", "land"], ["fly"], "wrong_count"),
        (["fly", "land"], ["land", "fly"], ""),
        (["fly", "land"], ["fly", "fly"], "wrong_function"),
        ([], [], ""),
        ([], ["fly"], "wrong_count"),
    ],
)
def test_19_which_calls(expected: list[str], actual: list[str], verdict: str) -> None:
    miss = compare_calls([ExpectedCall(n) for n in expected], [Call(n, "{}") for n in actual], TOOLS)
    assert (miss.kind if miss else "") == verdict


@given(st.lists(st.integers(0, 4), max_size=6), st.randoms())
def test_any_order_of_the_expected_calls_is_right(values: list[int], random: Any) -> None:
    shuffled = list(values)
    random.shuffle(shuffled)
    assert compare_calls(wanted(*values), calls(*shuffled), TOOLS) is None


@pytest.mark.parametrize("pattern", ["(a+)+b", "(a|a)*c", "(.*)*x", "^(([a-z])+.)+[A-Z]([a-z])+$"])
def test_39_no_pattern_takes_exponential_time(pattern: str) -> None:
    assert not matches(pattern, "a" * 50_000)


def test_a_pattern_matches_the_whole_text() -> None:
    assert matches("a|b", "b")
    assert not matches("a|b", "ab")
    with pytest.raises(ValueError, match="not a regular expression"):
        matches("(?=a)", "a")


def test_a_schema_that_refers_to_itself_ends() -> None:
    tool = {"f": {"properties": {"a": {"$ref": "#/$defs/a"}}, "$defs": {"a": {"$ref": "#/$defs/a"}}}}
    assert compare_calls([ExpectedCall("f", {"a": 1})], [Call("f", '{"a": 1}')], tool) is None


PYDANTIC: dict[str, Any] = {
    "$defs": {"unit": {"enum": ["m", "ft"]}, "base": {"properties": {"a": {"default": 1}}}},
    "properties": {
        "unit": {"$ref": "#/$defs/unit", "default": "m"},
        "old": {"allOf": [{"$ref": "#/$defs/unit"}], "default": "m"},
        "box": {"allOf": [{"$ref": "#/$defs/base"}], "properties": {"b": {"type": "integer"}}},
        "map": {"default": {"a": 1}},
        "pair": {"items": [{"properties": {"c": {"default": 2}}}]},
    },
}


@pytest.mark.parametrize(
    ("expected", "actual", "verdict"),
    [
        ({"unit": "m"}, "{}", "right"),  # a default beside a `$ref`
        ({}, '{"unit": "m", "old": "m"}', "right"),
        ({"old": "m"}, "{}", "right"),
        ({"old": "ft"}, "{}", "missing"),
        ({"box": {"b": 2}}, '{"box": {"b": 2, "a": 1}}', "right"),
        ({"box": {"b": 2}}, '{"box": {"b": "2"}}', "wrong_type"),
        ({}, '{"map": {"a": 1.0}}', "right"),
        ({}, '{"map": {"a": true}}', "unexpected"),
        ({"pair": [{}]}, '{"pair": [{"c": 2}]}', "right"),
    ],
)
def test_defaults_as_pydantic_writes_them(expected: Any, actual: str, verdict: str) -> None:
    miss = compare_calls([ExpectedCall("f", expected)], [Call("f", actual)], {"f": PYDANTIC})
    assert (miss.kind if miss else "right") == verdict


@pytest.mark.parametrize("odd", [5, [], "x", True, {"type": {}}, {"properties": []}, {"anyOf": 5}])
def test_an_odd_schema_allows_everything(odd: Any) -> None:
    schemas = {"f": {"properties": {"a": odd}}}
    value = {"b": [1, {"c": None}]}
    actual = Call("f", '{"a": {"b": [1, {"c": null}]}}')
    miss = compare_calls([ExpectedCall("f", {"a": value})], [actual], schemas)
    assert miss is None or odd == {"type": {}}


def test_alternatives_of_alternatives_take_no_exponential_time() -> None:
    part = {"properties": {"next": {"$ref": "#/$defs/node"}}}
    schema = {"$defs": {"node": {"anyOf": [part] * 3}}, "properties": {"top": {"$ref": "#/$defs/node"}}}
    expected: Any = 1
    actual = "2"
    for _ in range(25):
        expected, actual = {"next": expected}, f'{{"next": {actual}}}'
    call = Call("f", f'{{"top": {actual}}}')
    miss = compare_calls([ExpectedCall("f", {"top": expected})], [call], {"f": schema})
    assert miss is not None
    assert miss.kind == "wrong_value"


def test_arguments_that_are_nested_too_deeply_are_a_miss() -> None:
    assert kind({"any": 1}, '{"any": ' + "[" * 900 + "]" * 900 + "}") == "invalid_json"


def test_a_tree_is_compared_to_its_leaves() -> None:
    node = {"type": "object", "properties": {"value": {"type": "integer"}, "next": {"$ref": "#"}}}
    expected = {"value": 1, "next": {"value": 2, "next": {"value": 3}}}
    right = '{"value": 1, "next": {"value": 2.0, "next": {"value": 3}}}'
    wrong = right.replace("3", '"3"')
    assert compare_calls([ExpectedCall("f", expected)], [Call("f", right)], {"f": node}) is None
    miss = compare_calls([ExpectedCall("f", expected)], [Call("f", wrong)], {"f": node})
    assert miss is not None
    assert (miss.kind, miss.where) == ("wrong_type", "f.next.next.value")


@pytest.mark.parametrize("expected", [{"note": "x"}, {"note": {"regex": ".*"}}, {"note": {"any": True}}])
def test_half_of_a_surrogate_pair_is_a_wrong_answer(expected: Any) -> None:
    assert kind(expected, r'{"note": "\ud83d"}') == "invalid_json"
    assert kind({"note": "\U0001f600"}, r'{"note": "\ud83d\ude00"}') == "right"

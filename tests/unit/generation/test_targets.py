"""Every enumerated call is valid, and every two values of two parameters occur together."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftops.core.errors import SpecError
from ftops.dataset.files.jsonl_io import canonical
from ftops.evaluation.schemas import json_validator
from ftops.generation.pairwise import pairwise
from ftops.generation.schema_values import ABSENT, Choice, FunctionValues
from ftops.generation.targets import free_parameters, out_of_range, targets_of


@given(st.lists(st.integers(1, 5), max_size=6))
def test_every_pair_is_in_a_row(sizes: list[int]) -> None:
    rows = pairwise(sizes)
    assert all(0 <= value < size for row in rows for value, size in zip(row, sizes, strict=True))
    for (i, m), (j, n) in combinations(enumerate(sizes), 2):
        assert {(row[i], row[j]) for row in rows} == {(a, b) for a in range(m) for b in range(n)}
    assert rows == pairwise(sizes)
    assert len(set(rows)) == len(rows)


def test_pairs_take_far_fewer_rows_than_the_power_set() -> None:
    assert len(pairwise([2] * 10)) <= 14


@pytest.mark.parametrize(
    "parameters",
    [
        {"path": {"type": "array", "items": {"type": "boolean"}, "minItems": 10**9}},
        {f"p{i}": {"enum": list(range(200))} for i in range(30)},
    ],
)
def test_what_could_never_be_written_is_an_error(parameters: dict[str, Any]) -> None:
    schema = {"type": "object", "properties": parameters, "required": list(parameters)}
    with pytest.raises(SpecError) as caught:
        targets_of({"fly": schema}, Choice())
    assert [d.summary for d in caught.value.diagnostics] == ["the schema of `fly` can't be used"]


@given(st.lists(st.integers(0, 3), min_size=1, max_size=4).filter(lambda sizes: 0 in sizes))
def test_a_parameter_without_values_gives_no_row(sizes: list[int]) -> None:
    assert pairwise(sizes) == []


LEAVES = st.one_of(
    st.just({"type": "boolean"}),
    st.lists(st.sampled_from(["a", "b", 1, 2.5, None, True]), min_size=1, max_size=4, unique_by=repr).map(
        lambda values: {"enum": values}
    ),
    st.tuples(st.integers(-50, 50), st.integers(0, 40)).map(
        lambda pair: {"type": "integer", "minimum": pair[0], "maximum": sum(pair)}
    ),
    st.tuples(st.floats(-9, 9, width=16), st.sampled_from(["exclusiveMinimum", "minimum", "maximum"])).map(
        lambda pair: {"type": "number", pair[1]: pair[0]}
    ),
    st.sampled_from([2, 5, 0.25]).map(lambda step: {"type": "number", "multipleOf": step, "minimum": 1}),
    st.just({"type": ["string", "null"], "examples": ["x", "y"]}),
    st.just({"$ref": "#/$defs/unit"}),
    st.just({"anyOf": [{"const": "all"}, {"type": "integer", "minimum": 1, "maximum": 3}]}),
)


def objects(parts: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.tuples(st.dictionaries(st.sampled_from("pqrst"), parts, max_size=3), st.randoms()).map(
        lambda pair: {
            "type": "object",
            "properties": pair[0],
            "required": sorted(name for name in pair[0] if pair[1].random() < 0.5),
            "additionalProperties": False,
        }
    )


def arrays(parts: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.tuples(parts, st.integers(0, 3), st.booleans()).map(
        lambda t: {"type": "array", "items": t[0], "minItems": t[1], "uniqueItems": t[2]}
    )


SCHEMAS = objects(st.recursive(LEAVES, lambda parts: objects(parts) | arrays(parts), max_leaves=5)).map(
    lambda schema: {**schema, "$defs": {"unit": {"enum": ["m", "km"]}}}
)


@given(SCHEMAS, st.integers(1, 5))
def test_every_call_is_valid_and_pairs_are_covered(schema: Any, numbers: int) -> None:
    values = FunctionValues("f", schema, Choice(numbers=numbers))
    parameters, calls = values.parameters(), values.arguments()
    validator = json_validator(schema)
    assert all(validator.is_valid(call) for call in calls)
    keys = [canonical(call) for call in calls]
    assert len(set(keys)) == len(keys)
    if all(parameters.values()):
        for (p, ours), (q, theirs) in combinations(parameters.items(), 2):
            found = {(shown(call, p), shown(call, q)) for call in calls}
            assert found == {(text(a), text(b)) for a in ours for b in theirs}


def shown(call: dict[str, Any], name: str) -> bytes:
    return text(call.get(name, ABSENT))


def text(value: Any) -> bytes:
    return b"(absent)" if value is ABSENT else canonical(value)


def of(schema: Any, **choice: Any) -> list[Any]:
    function = {"type": "object", "properties": {"x": schema}, "required": ["x"]}
    return [t.arguments["x"] for t in targets_of({"f": function}, Choice(**choice))]


def test_both_ends_of_a_number_and_what_is_between_follows_from_the_seed() -> None:
    bounds = {"type": "integer", "minimum": 1, "maximum": 120}
    first, middle, last = of(bounds, seed=1)
    assert (first, last) == (1, 120)
    assert of(bounds, seed=1) == [first, middle, last]
    assert of(bounds, seed=2) != [first, middle, last]
    assert of(bounds, numbers=500) == list(range(1, 121))
    assert of({"type": "number", "minimum": -90, "maximum": 90})[::2] == [-90, 90]


def test_words_stand_for_strings_and_replace_other_values() -> None:
    assert of({"type": "string"}, words={"x": ["Paris", "Oslo"]}) == ["Paris", "Oslo"]
    assert of({"type": "integer"}, words={"f.x": [7, 8], "x": [9]}) == [7, 8]
    assert of({"enum": ["a", "b"]}, words={"x": ["b", "c"]}) == ["b"]


def test_optional_parameters_are_pairwise_not_the_power_set() -> None:
    schema = {"type": "object", "properties": {name: {"enum": [1]} for name in "abcdefgh"}}
    calls = [target.arguments for target in targets_of({"f": schema}, Choice())]
    assert len(calls) < 16
    assert all(
        any(a in call and b not in call for call in calls) for a in "abcdefgh" for b in "abcdefgh" if a != b
    )


def test_a_schema_that_contains_itself_ends() -> None:
    node = {
        "type": "object",
        "properties": {"value": {"enum": [1]}, "next": {"$ref": "#/$defs/node"}},
        "required": ["value"],
    }
    found = targets_of({"f": {**node, "$defs": {"node": node}}}, Choice())
    assert {"value": 1} in [call.arguments for call in found]


def test_41_a_function_without_calls_is_an_error_that_names_the_parameter() -> None:
    free = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}
    never = {"type": "object", "properties": {"a": {"enum": [1]}}, "required": ["a"], "not": {}}
    with pytest.raises(SpecError) as caught:
        targets_of({"greet": free, "never": never}, Choice())
    first, second = caught.value.diagnostics
    assert first.summary == "no call of `greet` can be made"
    assert "`name`" in first.detail
    assert "words" in first.hint
    assert "whole schema" in second.detail


def test_numbers_outside_of_the_limits() -> None:
    schema = {
        "type": "object",
        "properties": {
            "speed": {"type": "integer", "minimum": 1, "maximum": 70},
            "mode": {"enum": ["on"]},
            "free": {"type": "number"},
        },
        "required": ["speed", "mode"],
    }
    found = list(out_of_range({"f": schema}, targets_of({"f": schema}, Choice())))
    validator = json_validator(schema)
    assert [target.arguments["speed"] for target in found] == [-70, 71, 700]
    assert not any(validator.is_valid(target.arguments) for target in found)


KEYWORDS = [
    *("type", "enum", "const", "items", "properties", "required", "anyOf", "allOf", "$ref", "minimum"),
    *("maximum", "exclusiveMinimum", "multipleOf", "minItems", "maxItems", "prefixItems", "examples"),
    *("default", "uniqueItems", "a", "b"),
]
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(-3, 3), st.floats(), st.text(max_size=3), st.just(1e308)
)
ODD = st.recursive(
    SCALARS,
    lambda parts: st.one_of(
        st.lists(parts, max_size=3), st.dictionaries(st.sampled_from(KEYWORDS), parts, max_size=4)
    ),
    max_leaves=12,
)
TYPED = st.tuples(st.sampled_from(["integer", "number", "array", "object", "string"]), ODD).map(
    lambda pair: {"type": pair[0], **(pair[1] if isinstance(pair[1], dict) else {})}
)


@given(st.dictionaries(st.sampled_from("ab"), TYPED | ODD, max_size=2))
def test_a_schema_that_cannot_be_used_is_an_error_and_nothing_worse(properties: Any) -> None:
    schema = {"type": "object", "properties": properties, "required": ["a"]}
    free_parameters({"f": schema}, Choice())
    try:
        targets = targets_of({"f": schema}, Choice())
    except SpecError:
        return
    validator = json_validator(schema)
    assert all(validator.is_valid(target.arguments) for target in targets)
    assert not any(validator.is_valid(target.arguments) for target in out_of_range({"f": schema}, targets))


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "number", "minimum": -1e308, "maximum": 1e308},
        {"type": "integer", "minimum": -1e308, "maximum": 1e308},
        {"type": "number", "multipleOf": 1e-300},
        {"type": "number", "multipleOf": 1e300, "maximum": 5},
        {"type": "integer", "minimum": 2**70, "maximum": 2**71},
        {"type": "integer", "minimum": 1, "maximum": 10**400},
    ],
)
def test_numbers_without_measure(schema: Any) -> None:
    values = of({**schema, "default": 0}, numbers=4) if schema else []
    validator = json_validator(schema)
    assert all(validator.is_valid(value) for value in values)

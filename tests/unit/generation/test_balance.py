"""Shares, spread and what is held out."""

from __future__ import annotations

from collections import Counter
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from ftops.generation.balance import balanced, held_out
from ftops.generation.items import CALL, Item
from ftops.generation.recipe import Recipe, Settings, Teacher
from ftops.generation.targets import Target

ITEMS = st.lists(st.tuples(st.sampled_from("fgh"), st.integers(0, 3), st.integers(0, 2)), max_size=60).map(
    lambda rows: [item(*row, number) for number, row in enumerate(rows)]
)


def item(function: str, a: int, b: int, number: int) -> Item:
    target = Target(function, {"a": a, "b": b})
    return Item(f"request {number}", target, CALL, target.key, "file")


def recipe(**settings: Any) -> Recipe:
    return Recipe("train", Settings("tools.json", Teacher(), **settings), ())


@given(ITEMS, st.integers(0, 40))
def test_shares_hold_as_far_as_there_are_items(items: list[Item], examples: int) -> None:
    chosen = balanced(items, recipe(shares={"f": 0.25}), examples)
    prompts = {i.prompt for i in chosen}
    assert len(prompts) == len(chosen)
    assert prompts <= {i.prompt for i in items}
    have = Counter(i.target.function for i in items if i.target)
    got = Counter(i.target.function for i in chosen if i.target)
    if examples:
        assert got["f"] == min(have["f"], round(examples * 0.25))
        assert got["g"] + got["h"] == min(have["g"] + have["h"], round(examples * 0.75))
        if min(have["g"], have["h"]) >= examples:
            assert abs(got["g"] - got["h"]) <= 1
    elif chosen:
        assert abs(got["f"] - 0.25 * len(chosen)) <= 1


@given(ITEMS, st.integers(1, 20))
def test_a_value_comes_before_another_comes_again(items: list[Item], examples: int) -> None:
    chosen = balanced(items, recipe(shares={"f": 1}), examples)
    values = {i.target.arguments["a"] for i in items if i.target and i.target.function == "f"}
    if len(chosen) >= 2 * max(4, len(values)):
        assert {i.target.arguments["a"] for i in chosen if i.target} == values


@given(ITEMS, st.floats(0.05, 0.5))
def test_no_call_and_no_last_value_is_divided(items: list[Item], share: float) -> None:
    training, out = held_out(items, recipe(held_out=share))
    assert sorted(map(repr, [*training, *out])) == sorted(map(repr, items))
    assert {i.topic for i in training} & {i.topic for i in out} == set()

    def values(some: list[Item]) -> set[tuple[str, str, int]]:
        return {(i.target.function, k, v) for i in some if i.target for k, v in i.target.arguments.items()}

    assert values(training) == values(items)

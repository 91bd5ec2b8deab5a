"""Properties of splits and conversions: stable, complete, and back again."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from ftops.dataset.profile import example_digest
from ftops.dataset.profile.profiler import label
from ftops.dataset.transforms.parts import Split, value_at
from ftops.dataset.transforms.transform import WAYS, slim, to_functions, to_tools

NAMES = st.sampled_from(["look", "go", "stop"])
TEXTS = st.text(max_size=12)
SHARES = {"train": 0.7, "valid": 0.2, "test": 0.1}


def example(question: str, answer: str, customer: int = 0) -> dict[str, Any]:
    messages = [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
    return {"messages": messages, "metadata": {"customer": customer}}


EXAMPLES = st.lists(st.builds(example, TEXTS, st.sampled_from(["yes", "no"]), st.integers(0, 9)), max_size=40)


@settings(max_examples=100, deadline=None)
@given(
    EXAMPLES, EXAMPLES, st.integers(0, 2**63 - 1), st.sampled_from(["prompt", "example", "metadata.customer"])
)
def test_a_part_does_not_depend_on_other_examples(
    some: list[dict[str, Any]], more: list[dict[str, Any]], seed: int, group_by: str
) -> None:
    split = Split(SHARES, seed, group_by)
    alone, together = split.chooser(lambda: some), split.chooser(lambda: [*more, *some])
    assert [alone(e) for e in some] == [together(e) for e in some]


@settings(max_examples=100, deadline=None)
@given(EXAMPLES, st.booleans(), st.sampled_from(["prompt", "metadata.customer"]))
def test_a_group_stays_together(examples: list[dict[str, Any]], stratify: bool, group_by: str) -> None:
    choose = Split(SHARES, 3, group_by, stratify).chooser(lambda: examples)
    parts: dict[object, set[str]] = {}
    for each in examples:
        group = value_at(each, "messages.0.content" if group_by == "prompt" else group_by)
        parts.setdefault(group, set()).add(choose(each))
    assert all(len(found) == 1 for found in parts.values())


@settings(max_examples=30, deadline=None)
@given(st.integers(20, 120), st.integers(20, 120), st.integers(0, 1000))
def test_stratified_shares_are_within_an_example(yes: int, no: int, seed: int) -> None:
    examples = [example(f"{n}?", "yes" if n < yes else "no") for n in range(yes + no)]
    choose = Split(SHARES, seed, stratify=True).chooser(lambda: examples)
    found = Counter((label(e, example_digest.messages(e)), choose(e)) for e in examples)
    for answer, total in (("yes", yes), ("no", no)):
        for name, share in SHARES.items():
            assert abs(found[answer, name] - share * total) <= 1


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000))
def test_shares_come_out_about_right(seed: int) -> None:
    choose = Split(SHARES, seed).chooser(list)
    found = Counter(choose(example(f"{n}?", "yes")) for n in range(2000))
    assert all(abs(found[name] - share * 2000) < 120 for name, share in SHARES.items())


def test_the_parts_are_the_same_everywhere() -> None:
    """Another version of ftops must not divide a dataset otherwise: models were trained on its parts."""
    choose = Split({"train": 0.5, "valid": 0.5}, 1).chooser(list)
    assert "".join(choose(example(f"{n}?", "yes"))[0] for n in range(24)) == "vtttvttttttvtvttttvttvvv"


@st.composite
def conversations(draw: st.DrawFn) -> dict[str, Any]:
    """Of the legacy form: calls, results of the latest call, plain messages, in any order that has sense."""
    messages: list[dict[str, Any]] = []
    for _ in range(draw(st.integers(0, 6))):
        kind = draw(st.sampled_from(["user", "assistant", "call", "answered"]))
        if kind in ("user", "assistant"):
            messages.append({"role": kind, "content": draw(TEXTS)})
            continue
        name = draw(NAMES)
        call = {"name": name, "arguments": json.dumps({"x": draw(st.integers())})}
        messages.append(
            {"role": "assistant", "content": None, "function_call": call, "weight": draw(st.integers(0, 1))}
        )
        if kind == "answered":
            messages.append({"role": "function", "name": name, "content": draw(TEXTS)})
    functions = [
        {
            "name": name,
            "description": draw(TEXTS),
            "parameters": {
                "type": "object",
                "properties": {"x": {"type": "integer", "description": draw(TEXTS)}},
            },
        }
        for name in draw(st.lists(NAMES, unique=True, max_size=3))
    ]
    return {"messages": messages, **({"functions": functions} if functions else {})}


@settings(max_examples=200, deadline=None)
@given(conversations())
def test_to_tools_and_back(example: dict[str, Any]) -> None:
    before = json.dumps(example)
    made = to_tools(example)
    assert json.dumps(to_functions(made)) == before
    assert json.dumps(example) == before, "nothing is changed in place"
    assert "function_call" not in json.dumps(made)


@settings(max_examples=100, deadline=None)
@given(conversations(), st.sampled_from(sorted(WAYS)))
def test_what_is_slimmed_is_slim_in_either_form(example: dict[str, Any], what: str) -> None:
    once = slim(example, what)
    assert slim(once, what) == once
    assert to_tools(once) == slim(to_tools(example), what)
    assert once["messages"] == example["messages"]


def test_a_parameter_called_description_stays() -> None:
    schema = {
        "type": "object",
        "description": "x",
        "properties": {"description": {"type": "string", "description": "y"}},
    }
    made = slim({"functions": [{"name": "a", "description": "z", "parameters": schema}]}, "descriptions")
    assert made["functions"] == [
        {"name": "a", "parameters": {"type": "object", "properties": {"description": {"type": "string"}}}}
    ]

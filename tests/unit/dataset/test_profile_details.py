"""What statistics and reports say of a file, besides its sums: spreads, bins, groups, sequences of calls."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftops.dataset import inspect
from ftops.dataset.profile.details import END, MAX_VALUES, OTHER, START, Details
from ftops.dataset.profile.profiler import Measurement, measure_as
from ftops.dataset.profile.statistics import bins, spread

DETAILED = Measurement("o200k_base", is_detailed=True)
TALLIES = st.dictionaries(st.integers(0, 200_000), st.integers(1, 50), min_size=1, max_size=30)


@given(TALLIES)
def test_every_number_is_in_one_bin(tally: dict[int, int]) -> None:
    found = bins(tally)
    for one in found:
        assert one.examples == sum(n for number, n in tally.items() if one.low <= number < one.high)
    assert sum(one.examples for one in found) == (sum(tally.values()) if max(tally) else 0)
    assert len(found) <= 20


@given(TALLIES)
def test_percentiles_are_those_of_the_numbers_in_order(tally: dict[int, int]) -> None:
    ordered = sorted(Counter(tally).elements())
    found = spread(tally)
    assert (found.least, found.most) == (ordered[0], ordered[-1])
    assert found.median == ordered[(len(ordered) + 1) // 2 - 1]
    assert found.percentile_95 == ordered[-(-len(ordered) * 95 // 100) - 1]
    assert found.mean == pytest.approx(sum(ordered) / len(ordered))


@pytest.mark.parametrize(
    ("tally", "limits"),
    [
        ({721: 5, 747: 3}, [720, 725, 730, 735, 740, 745, 750]),
        ({720: 100, 747: 500, 5000: 1}, [720, 725, 730, 735, 740, 745, 750, 5001]),
        ({43: 1, 1045: 5, 29641: 1}, [20, 50, 100, 200, 500, 1000, 2000, 5000, 10000, 20000, 50000]),
        ({0: 1, 30: 1}, [0, 1, 2, 5, 10, 20, 50]),
        ({5: 9}, [5, 6]),
        ({0: 9}, []),
    ],
)
def test_limits_of_bins_are_round(tally: dict[int, int], limits: list[int]) -> None:
    found = bins(tally)
    assert [one.low for one in found] + [one.high for one in found[-1:]] == limits


def chat(question: str, *rest: dict[str, Any], **more: Any) -> str:
    return json.dumps({"messages": [{"role": "user", "content": question}, *rest], **more}) + "\n"


def calling(name: str, **arguments: object) -> dict[str, Any]:
    function = {"name": name, "arguments": json.dumps(arguments)}
    return {"role": "assistant", "tool_calls": [{"id": "a", "type": "function", "function": function}]}


def test_groups_of_examples_that_are_alike(tmp_path: Path) -> None:
    text = (
        "please tell me when the next train leaves from the main station to the airport, and from which track"
    )
    answer = {"role": "assistant", "content": "At noon."}
    file = tmp_path / "a.jsonl"
    rows = [chat(text, answer), chat("Hello?", answer), chat(f"{text} today", answer), chat("Hello?", answer)]
    file.write_text("".join([*rows, chat("Hello?", answer), chat(f"{text} now", answer)]), encoding="utf-8")
    groups = inspect(file).alike
    assert [(g.lines, g.size, g.is_same) for g in groups] == [((2, 4, 5), 3, True), ((1, 3, 6), 3, False)]


def test_sequences_of_calls_and_values_of_arguments(tmp_path: Path) -> None:
    rows = [
        chat("a", calling("find", id=1), calling("refund", unit="eur", to={"name": "A"})),
        chat("b", calling("find", id=2)),
        chat("c", {"role": "assistant", "content": "No."}),
    ]
    file = tmp_path / "a.jsonl"
    file.write_text("".join(rows), encoding="utf-8")
    details = measure_as(file, DETAILED).details
    assert details is not None
    assert details.steps == {START: {"find": 2}, "find": {"refund": 1, END: 1}, "refund": {END: 1}}
    assert details.arguments["refund"] == {"unit": {"eur": 1}, "to": {"(object of 1)": 1}}
    assert details.arguments["find"] == {"id": {"1": 1, "2": 1}}


def test_many_values_are_summed_up_and_secrets_masked(tmp_path: Path) -> None:
    key = "AKIA" + "Q7" * 8
    rows = [chat("a", calling("find", id=f"{n}", key=key)) for n in range(MAX_VALUES + 50)]
    file = tmp_path / "a.jsonl"
    file.write_text("".join(rows), encoding="utf-8")
    details = measure_as(file, DETAILED).details
    assert details is not None
    found = details.arguments["find"]
    assert found["id"][OTHER] == 50
    assert list(found["key"]) == ["•" * len(key)]


def test_pairs_and_grader_fields(tmp_path: Path) -> None:
    outputs = {key: [{"role": "assistant", "content": text}] for key, text in (
        ("preferred_output", "A long and friendly answer."), ("non_preferred_output", "No."),
    )}  # fmt: skip
    pair = {"input": {"messages": [{"role": "user", "content": "Hi"}]}, **outputs}
    file = tmp_path / "a.jsonl"
    file.write_text(json.dumps(pair) + "\n" + chat("2 + 2?", answer="4"), encoding="utf-8")
    measured = measure_as(file, DETAILED)
    details = measured.details
    assert details is not None
    assert (measured.sums.pairs, measured.sums.prompts, details.longer) == (1, 1, 1)
    assert spread(details.preferred).most > spread(details.rejected).most
    assert details.fields == {"answer": {"4": 1}}


@given(st.lists(st.lists(st.sampled_from("abcd"), max_size=4), max_size=8), st.integers(0, 8))
def test_parts_of_a_file_add_up(sequences: list[list[str]], cut: int) -> None:
    examples = [{"messages": [calling(name, at=i) for i, name in enumerate(names)]} for names in sequences]

    def details(of: list[dict[str, Any]]) -> Details:
        found = Details()
        for example in of:
            found.add_example(example, example["messages"], None)
        return found

    added = details(examples[:cut])
    added.add(details(examples[cut:]))
    assert added == details(examples)

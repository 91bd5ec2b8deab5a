"""Results as promptfoo imports them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ftops.catalog import TokenPrices
from ftops.evaluation.answers import Answer, Failure, Usage
from ftops.evaluation.calls import Call
from ftops.evaluation.evaluation import Evaluation, Given, Inputs, evaluate
from ftops.evaluation.prompts import read_prompts
from ftops.views.promptfoo import to_promptfoo
from tests.golden.cli import golden

TOOLS = (
    {"type": "function", "function": {"name": "land"}},
    {"type": "function", "function": {"name": "fly"}},
)
ROWS = [
    {"prompt": "Land!", "expect": "land", "slice": "easy", "id": "land"},
    {"prompt": "</script>\u202e\x1b[31m", "expect": {"call": "fly", "arguments": {"m": 5}}, "id": "odd"},
    {"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"},
                  {"role": "user", "content": "Sing"}], "expect": {"no_call": True}, "id": "talk"},
]  # fmt: skip
AT = "2026-01-02T03:04:05Z"


def called(name: str, arguments: str = "{}", milliseconds: float = 100.0) -> Answer:
    return Answer("", (Call(name, arguments),), "tool_calls", "m", "", Usage(100, 0, 10), milliseconds)


def evaluated(count: int = 3) -> Evaluation:
    """With two answers to each prompt."""
    prompts = read_prompts("\n".join(map(json.dumps, ROWS[:count])).encode(), "p.jsonl", TOOLS)
    first: list[Answer | Failure] = [
        called("land"), called("fly"), called("fly", '{"m": 5}'), called("fly", '{"m": "5"}'),
        Answer("La la", finish_reason="stop"), Failure("the service is busy"),
    ]  # fmt: skip
    first = first[: 2 * count]
    tuned = Given("tuned", "m", first, prices=TokenPrices(input=1.0, output=10.0))
    return evaluate(Inputs(prompts, TOOLS, samples=2), [tuned, Given("base", "b", first[::-1])], "base")


def written() -> Any:
    return json.loads(to_promptfoo(evaluated(), AT))


def test_the_whole_document() -> None:
    golden("promptfoo", to_promptfoo(evaluated(1), AT))


def test_the_same_answers_have_the_same_id() -> None:
    later = json.loads(to_promptfoo(evaluated(), "2026-02-02T03:04:05Z"))
    assert later["evalId"] == written()["evalId"]
    assert later["results"]["timestamp"] != AT


def test_totals_are_those_of_the_rows() -> None:
    results = written()["results"]
    rows = results["results"]
    assert [(row["testIdx"], row["promptIdx"]) for row in rows] == [
        (i, j) for i in range(6) for j in range(2)
    ]
    for index, column in enumerate(results["prompts"]):
        reasons = [row["failureReason"] for row in rows if row["promptIdx"] == index]
        metrics = column["metrics"]
        counts = [metrics[f"test{kind}Count"] for kind in ("Pass", "Fail", "Error")]
        assert counts == [reasons.count(reason) for reason in (0, 1, 2)]
        assert metrics["score"] == sum(row["score"] for row in rows if row["promptIdx"] == index)
        graded = metrics["assertPassCount"] + metrics["assertFailCount"]
        assert graded == sum(metrics["namedScoresCount"].values()) == 2 * 5
    stats = results["stats"]
    assert stats["successes"] + stats["failures"] + stats["errors"] == len(rows)
    assert (stats["errors"], stats["tokenUsage"]["numRequests"]) == (2, 10)


def test_a_missing_answer_is_an_error_and_not_a_failure() -> None:
    (row,) = (r for r in written()["results"]["results"] if r["promptIdx"] == 0 and "response" not in r)
    assert (row["error"], row["failureReason"], row["success"]) == ("the service is busy", 2, False)
    assert "call" not in row["namedScores"]


def test_prices_are_those_of_the_deployment() -> None:
    tuned, base = (column["metrics"] for column in written()["results"]["prompts"])
    assert tuned["cost"] == pytest.approx(4 * (100 * 1.0 + 10 * 10.0) / 1e6)
    assert "cost" not in base, "it isn't known"

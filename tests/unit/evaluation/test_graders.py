"""Graders of calls and texts: right, wrong with a class, or no grade at all."""

from __future__ import annotations

from difflib import SequenceMatcher
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftops.evaluation.answers import Answer, Failure, Question, Usage, answer_from
from ftops.evaluation.calls import Call, ExpectedCall
from ftops.evaluation.expectations import Expected
from ftops.evaluation.graders import Grader, default_graders, grade, overlap
from ftops.evaluation.prompts import Prompt

LAND = Prompt("p", ({"role": "user", "content": "Land!"},), Expected((ExpectedCall("land", {}),)))


def text(value: Any) -> Prompt:
    return Prompt("p", ({"role": "user", "content": "?"},), Expected(None, value))


@pytest.mark.parametrize(
    ("type", "options", "expected", "content", "verdict"),
    [
        ("exact", {}, "yes", "yes", "right"),
        ("exact", {}, "yes", " yes\n", "right"),
        ("exact", {}, "yes", "Yes", "wrong_value"),
        ("exact", {}, ["yes", "Yes"], "Yes", "right"),
        ("exact", {}, {"type": "array"}, "yes", "ungraded"),
        ("one_of", {"values": ["a", "b"]}, "x", "b", "right"),
        ("one_of", {"values": ["a"]}, "b", "b", "wrong_value"),
        ("regex", {}, "[0-9]+", "42", "right"),
        ("regex", {"pattern": "[0-9]+"}, "x", "42a", "wrong_value"),
        ("regex", {}, "(", "42", "ungraded"),
        ("regex", {}, "(a+)+b", "a" * 40, "wrong_value"),
        ("json_schema", {"schema": {"type": "object", "required": ["a"]}}, "", '{"a": 1}', "right"),
        ("json_schema", {"schema": {"type": "object", "required": ["a"]}}, "", "{}", "wrong_value"),
        ("json_schema", {"schema": {"type": "object"}}, "", "{", "invalid_json"),
        ("json_schema", {"schema": {"type": 5}}, "", "{}", "ungraded"),
        ("json_schema", {}, {"type": "array"}, "[]", "right"),
        ("similarity", {"at_least": 0.8}, "the cat sat", "the cat sit", "right"),
        ("similarity", {"at_least": 0.95}, "the cat sat", "the cat sit", "wrong_value"),
        ("similarity", {"metric": "rouge_l", "at_least": 0.6}, "the cat sat", "the dog sat", "right"),
        ("similarity", {}, "a", "a" * 30_000, "ungraded"),
    ],
)
def test_texts(type: str, options: dict[str, Any], expected: Any, content: str, verdict: str) -> None:
    found = grade(Grader("g", type, options), text(expected), Answer(content), {})
    assert (found.miss.kind if found.miss else "right") == verdict
    assert (found.score is None) == (verdict == "ungraded")
    assert found.passed == (verdict == "right")


@pytest.mark.parametrize("grader", default_graders([LAND]))
@pytest.mark.parametrize(
    ("answer", "verdict", "score"),
    [
        (Answer(calls=(Call("land", "{}"),)), "right", 1.0),
        (Answer("I land."), "no_call", 0.0),
        (Answer(calls=(Call("land", "{}"),), finish_reason="length"), "truncated", 0.0),
        (Answer(finish_reason="content_filter"), "filtered", 0.0),
        (Failure("HTTP 500"), "unanswered", None),
    ],
)
def test_calls(grader: Grader, answer: Answer | Failure, verdict: str, score: float | None) -> None:
    found = grade(grader, LAND, answer, {})
    assert (found.miss.kind if found.miss else "right", found.score) == (verdict, score)


@pytest.mark.parametrize(
    ("answer", "verdicts"),
    [
        (Answer("No."), ["right", "right"]),
        (Answer("Yes."), ["wrong_value", "right"]),
        (Answer("No.", (Call("land", "{}"),)), ["wrong_count", "wrong_count"]),
    ],
)
def test_a_text_beside_tools_is_this_text_and_no_call(answer: Answer, verdicts: list[str]) -> None:
    prompt = Prompt("p", (), Expected((), "No."))
    graders = default_graders([LAND, prompt])
    found = [grade(grader, prompt, answer, {}).miss for grader in graders]
    assert [miss.kind if miss else "right" for miss in found] == verdicts


def test_a_text_has_no_grade_as_a_call() -> None:
    assert grade(Grader("call", "function_call"), text("yes"), Answer("yes"), {}).score is None


def _longest(first: str, second: str) -> int:
    rows = [[0] * (len(second) + 1) for _ in range(len(first) + 1)]
    for i, a in enumerate(first):
        for j, b in enumerate(second):
            rows[i + 1][j + 1] = rows[i][j] + 1 if a == b else max(rows[i][j + 1], rows[i + 1][j])
    return rows[-1][-1]


@given(st.text("abc", max_size=30), st.text("abc", max_size=30))
def test_overlap_equals_the_textbook(first: str, second: str) -> None:
    size = len(first) + len(second)
    assert overlap(first, second) == (2 * _longest(first, second) / size if size else 1.0)
    assert overlap(first, second) >= SequenceMatcher(None, first, second, autojunk=False).ratio() - 1e-9


def test_22_a_legacy_call_is_a_call() -> None:
    usage = {"prompt_tokens": 7, "completion_tokens": 3, "prompt_tokens_details": {"cached_tokens": 5}}
    call = {"name": "land", "arguments": "{}"}
    new = {"tool_calls": [{"type": "function", "function": call}], "content": None}
    replies = [
        {"choices": [{"message": message, "finish_reason": "stop"}], "usage": usage, "model": "m"}
        for message in (new, {"function_call": call})
    ]
    first, second = map(answer_from, replies)
    assert first == second == Answer("", (Call("land", "{}"),), "stop", "m", "", Usage(7, 5, 3))


@pytest.mark.parametrize("reply", [{}, {"choices": []}, {"choices": [{"message": None}]}, {"choices": "x"}])
def test_what_is_no_completion(reply: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="isn't a chat completion"):
        answer_from(reply)


def test_the_key_of_an_answer_goes_by_what_it_depends_on() -> None:
    question = Question(({"role": "user", "content": "a"},), settings={"temperature": 0, "seed": 1})
    same = Question(({"content": "a", "role": "user"},), settings={"seed": 1, "temperature": 0})
    assert question.key("model") == same.key("model")
    others = [
        Question(question.messages, settings=question.settings, sample=1),
        Question(question.messages, settings={"temperature": 1}),
        Question(question.messages, ({"type": "function"},), question.settings),
        Question(({"role": "user", "content": "b"},), settings=question.settings),
    ]
    keys = {question.key("other"), question.key("model"), *(other.key("model") for other in others)}
    assert len(keys) == 6

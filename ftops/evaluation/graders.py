"""Graders: from an answer and what was expected to a score between 0 and 1, or to no grade at all."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from msgspec import Struct, field

from ftops.core.same_object import SameObject
from ftops.evaluation.answers import Answer, Failure
from ftops.evaluation.calls import compare_calls, parse_arguments
from ftops.evaluation.prompts import Prompt
from ftops.evaluation.schemas import Schema, kept_validator, matches
from ftops.evaluation.values import Miss, Rule

VERSION = 1
"""Of what graders decide. With a new one, evaluations grade their cached answers again."""
LONGEST_SIMILAR = 20_000
"""Characters of a text that similarity is computed of; a longer one has no grade."""


class Grader(Struct, frozen=True):
    """A row of `graders:`: the name, the type in TYPES and its options."""

    name: str
    type: str
    options: Mapping[str, Any] = field(default_factory=dict)


class Grade(Struct, frozen=True):
    """`score` is None if the answer could not be graded, with the reason in `miss`."""

    score: float | None
    passed: bool = False
    miss: Miss | None = None


RIGHT = Grade(1.0, True)


def grade(grader: Grader, prompt: Prompt, answer: Answer | Failure, schemas: Mapping[str, Schema]) -> Grade:
    """By a grader of TYPES."""
    if isinstance(answer, Failure):
        return unanswered(answer)
    return cut_off(answer) or _TYPES[grader.type](grader, prompt, answer, schemas)


def unanswered(failure: Failure) -> Grade:
    """Neither right nor wrong."""
    return Grade(None, miss=Miss("unanswered", detail=failure.reason))


def cut_off(answer: Answer) -> Grade | None:
    """An answer that was cut off or filtered is wrong, in a class of its own."""
    if answer.finish_reason == "length":
        return Grade(0.0, miss=Miss("truncated", detail="the answer reached the limit of tokens"))
    if answer.finish_reason == "content_filter":
        return Grade(0.0, miss=Miss("filtered", detail="the content filter held the answer back"))
    return None


def default_graders(prompts: Sequence[Prompt]) -> tuple[Grader, ...]:
    """Those of an evaluation that names none. Calls are graded by name and arguments, and if arguments are
    expected at all, by name alone, too."""
    calls = [call for prompt in prompts for call in prompt.expected.calls or ()]
    if not calls and all(prompt.expected.calls is None for prompt in prompts):
        return (Grader("exact", "exact"),)
    graders = (Grader("call", "function_call"), Grader("name", "function_call", {"match": "name"}))
    return graders if any(call.arguments is not None for call in calls) else graders[:1]


def _function_call(grader: Grader, prompt: Prompt, answer: Answer, schemas: Mapping[str, Schema]) -> Grade:
    expected, rule = prompt.expected, Rule(**grader.options)
    if expected.calls is None:
        return ungraded("text is expected here, not a call")
    miss = compare_calls(expected.calls, answer.calls, schemas, rule)
    if (
        miss is None
        and not expected.calls
        and isinstance(expected.value, str | list)
        and rule.match == "arguments"
    ):
        return _exact(grader, prompt, answer, schemas)
    return RIGHT if miss is None else Grade(0.0, miss=miss)


def _exact(grader: Grader, prompt: Prompt, answer: Answer, schemas: Mapping[str, Schema]) -> Grade:
    expected = prompt.expected.value
    return _one_text([expected] if isinstance(expected, str) else expected, answer)


def _one_of(grader: Grader, prompt: Prompt, answer: Answer, schemas: Mapping[str, Schema]) -> Grade:
    return _one_text(grader.options["values"], answer)


def _one_text(expected: Any, answer: Answer) -> Grade:
    if not isinstance(expected, list):
        return ungraded("`expect` is neither a text nor a list of texts")
    is_right = _normal(answer.content) in {_normal(text) for text in expected}
    return _decided(is_right, expected[0] if len(expected) == 1 else expected, answer.content)


def _regex(grader: Grader, prompt: Prompt, answer: Answer, schemas: Mapping[str, Schema]) -> Grade:
    pattern = grader.options.get("pattern", prompt.expected.value)
    try:
        return _decided(matches(str(pattern), answer.content), pattern, answer.content)
    except ValueError as error:
        return ungraded(str(error))


def _json_schema(grader: Grader, prompt: Prompt, answer: Answer, schemas: Mapping[str, Schema]) -> Grade:
    schema = grader.options.get("schema", prompt.expected.value)
    try:
        value = parse_arguments(answer.content)
    except ValueError as error:
        return Grade(0.0, miss=Miss("invalid_json", detail=str(error)))
    try:
        found = next(kept_validator(SameObject(schema)).iter_errors(value), None)
    except ValueError as error:
        return ungraded(f"the schema can't be used: {error}")
    if found is None:
        return RIGHT
    where = "/".join(str(step) for step in found.instance_path)
    return Grade(0.0, miss=Miss("wrong_value", where, found.message[:200]))


def _similarity(grader: Grader, prompt: Prompt, answer: Answer, schemas: Mapping[str, Schema]) -> Grade:
    expected, actual = prompt.expected.value, answer.content
    if not isinstance(expected, str):
        return ungraded("`expect` isn't a string")
    if max(len(expected), len(actual)) > LONGEST_SIMILAR:
        return ungraded(f"texts of more than {LONGEST_SIMILAR} characters aren't compared")
    words = grader.options.get("metric", "fuzzy_match") == "rouge_l"
    first, second = _normal(expected), _normal(actual)
    score = overlap(first.lower().split(), second.lower().split()) if words else overlap(first, second)
    passed = score >= float(grader.options.get("at_least", 1.0))
    miss = None if passed else Miss("wrong_value", "", f"similarity {score:.2f}")
    return Grade(score, passed, miss)


def overlap(first: Sequence[Any], second: Sequence[Any]) -> float:
    """Twice the longest common subsequence over both lengths: ROUGE-L's F1 of words, and the indel ratio
    of characters. Computed on bits, a row for each item of the first (Hyyrö 2004)."""
    if not first and not second:
        return 1.0
    places: dict[Any, int] = {}
    for position, item in enumerate(second):
        places[item] = places.get(item, 0) | 1 << position
    every = (1 << len(second)) - 1
    row = every
    for item in first:
        there = row & places.get(item, 0)
        row = (row + there | row - there) & every
    return 2 * (len(second) - row.bit_count()) / (len(first) + len(second))


def _normal(text: str) -> str:
    return unicodedata.normalize("NFC", text).strip()


def _decided(is_right: bool, expected: object, actual: str) -> Grade:
    if is_right:
        return RIGHT
    return Grade(0.0, miss=Miss("wrong_value", "", f"expected {str(expected)[:60]}, got {actual[:60]}"))


def ungraded(reason: str) -> Grade:
    return Grade(None, miss=Miss("ungraded", detail=reason))


_TYPES: Mapping[str, Callable[[Grader, Prompt, Answer, Mapping[str, Schema]], Grade]] = {
    "function_call": _function_call,
    "exact": _exact,
    "one_of": _one_of,
    "regex": _regex,
    "json_schema": _json_schema,
    "similarity": _similarity,
}
TYPES = tuple(_TYPES)
"""Types of graders that decide by themselves."""

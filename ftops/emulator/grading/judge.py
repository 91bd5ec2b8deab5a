"""Model graders: a deployment is asked for a score (``score_model``).

How the service asks its model for a number isn't documented. Here, the whole answer is a number, or a JSON
object with a number as its ``result`` or ``score``.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

from ftops.emulator.grading.outcome import Case, Grade, Ungraded, Usage
from ftops.emulator.grading.templates import filled

_USUAL_RANGE = (0.0, 1.0)
_KEYS = ("result", "score")


class Said(NamedTuple):
    """What a deployment answers: a message of chat completions."""

    message: Mapping[str, Any]
    is_whole: bool  # not cut off at the limit of tokens
    usage: Usage


Ask = Callable[[str, dict[str, Any]], Said]
"""Sends the body of a chat completion to a deployment. Raises Ungraded."""


def problem(grader: Mapping[str, Any]) -> str:
    """What is wrong with the fields of a grader; empty if nothing is."""
    if not isinstance(grader.get("model"), str) or not grader["model"]:
        return "A grader of type score_model needs 'model'."
    messages = grader.get("input")
    if not isinstance(messages, list) or not messages or not all(map(_is_message, messages)):
        return "A grader of type score_model needs 'input': a list of messages with 'role' and 'content'."
    bounds = grader.get("range", _USUAL_RANGE)
    are_numbers = isinstance(bounds, list | tuple) and all(type(bound) in (int, float) for bound in bounds)
    if not are_numbers or len(bounds) != 2 or bounds[0] >= bounds[1]:
        return "'range' must be two numbers, the lower one first."
    if not isinstance(grader.get("sampling_params", {}), dict | None):
        return "'sampling_params' must be an object."
    return ""


def _is_message(message: Any) -> bool:
    is_known = isinstance(message, dict) and isinstance(message.get("role"), str)
    return is_known and isinstance(message.get("content"), str | dict | list)


def scores(grader: Mapping[str, Any], cases: Sequence[Case], ask: Ask) -> list[Grade]:
    """The grades of all cases."""
    return [_grade(grader, case, ask) for case in cases]


def _grade(grader: Mapping[str, Any], case: Case, ask: Ask) -> Grade:
    usage: tuple[Usage, ...] = ()
    try:
        said = ask(grader["model"], _question(grader, case))
        usage = (said.usage,)
        return Grade(_score(said, grader.get("range", _USUAL_RANGE)), usage=usage)
    except Ungraded as exc:
        return Grade(None, exc.flag, exc.details, usage=usage)


def _question(grader: Mapping[str, Any], case: Case) -> dict[str, Any]:
    messages = [
        {"role": message["role"], "content": _filled(message["content"], case)} for message in grader["input"]
    ]
    settings = dict(grader.get("sampling_params") or {})
    if longest := settings.pop("max_completions_tokens", None):  # the service spells it so
        settings["max_completion_tokens"] = longest
    return {"messages": messages, **settings}


def _filled(content: Any, case: Case) -> Any:
    if isinstance(content, str):
        return filled(content, case)
    parts = content if isinstance(content, list) else [content]
    return [
        {**part, "text": filled(part["text"], case)} if isinstance(part, dict) and "text" in part else part
        for part in parts
    ]


def _score(said: Said, bounds: Sequence[float]) -> float:
    if said.message.get("refusal"):
        raise Ungraded("model_grader_refusal_error", str(said.message["refusal"]))
    text = str(said.message.get("content") or "")
    score = _number(text) if said.is_whole else None
    if score is None:
        raise Ungraded("model_grader_parse_error", f"The answer of the model gives no score: {text[:100]!r}")
    if not bounds[0] <= score <= bounds[1]:
        raise Ungraded("model_grader_parse_error", f"The score {score:g} is out of range.")
    return score


def _number(text: str) -> float | None:
    value: Any = None
    with suppress(ValueError, RecursionError):
        value = json.loads(text)
    if isinstance(value, dict):
        value = next((value[key] for key in _KEYS if key in value), None)
    return float(value) if type(value) in (int, float) and math.isfinite(value) else None

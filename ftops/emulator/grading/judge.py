"""Model graders: a deployment is asked for a score (``score_model``) or a label (``label_model``).

How the service asks its model isn't documented. Here, the whole answer is a number, or a JSON object with a
number as its ``result`` or ``score``; or it is a label, or a JSON object with a label as its ``result`` or
``label``.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

from ftops.emulator.grading.outcome import Case, Grade, Ungraded, Usage, number
from ftops.emulator.grading.templates import filled

_USUAL_RANGE = (0.0, 1.0)
_KEYS = ("result", "score")
_LABEL_KEYS = ("result", "label")


class Said(NamedTuple):
    """What a deployment answers: a message of chat completions."""

    message: Mapping[str, Any]
    is_whole: bool  # not cut off at the limit of tokens
    usage: Usage


Ask = Callable[[str, dict[str, Any]], Said]
"""Sends the body of a chat completion to a deployment. Raises Ungraded."""


def problem(grader: Mapping[str, Any]) -> str:
    """What is wrong with the fields of a grader; empty if nothing is."""
    if wrong := _question_problem(grader):
        return wrong
    bounds = grader.get("range", _USUAL_RANGE)
    are_numbers = isinstance(bounds, list | tuple) and all(number(bound) is not None for bound in bounds)
    if not are_numbers or len(bounds) != 2 or bounds[0] >= bounds[1]:
        return "'range' must be two numbers, the lower one first."
    if not isinstance(grader.get("sampling_params", {}), dict | None):
        return "'sampling_params' must be an object."
    return ""


def label_problem(grader: Mapping[str, Any]) -> str:
    """The same for one that asks for a label."""
    if wrong := _question_problem(grader):
        return wrong
    for name in ("labels", "passing_labels"):
        given = grader.get(name)
        if not isinstance(given, list) or not given or not all(isinstance(label, str) for label in given):
            return f"A grader of type label_model needs '{name}': a list of texts."
    are_known = {*grader["passing_labels"]} <= {*grader["labels"]}
    return "" if are_known else "'passing_labels' must be some of the 'labels'."


def _question_problem(grader: Mapping[str, Any]) -> str:
    kind, messages = grader["type"], grader.get("input")
    if not isinstance(grader.get("model"), str) or not grader["model"]:
        return f"A grader of type {kind} needs 'model'."
    if not isinstance(messages, list) or not messages or not all(map(is_message, messages)):
        return f"A grader of type {kind} needs 'input': a list of messages with 'role' and 'content'."
    return ""


def is_message(message: Any) -> bool:
    is_known = isinstance(message, dict) and isinstance(message.get("role"), str)
    content = message.get("content") if is_known else None
    parts = content if isinstance(content, list) else [content]
    return isinstance(content, str | dict | list) and all(
        isinstance(part.get("text", ""), str) for part in parts if isinstance(part, dict)
    )


def scores(grader: Mapping[str, Any], cases: Sequence[Case], ask: Ask) -> list[Grade]:
    """The grades of all cases."""
    bounds = grader.get("range", _USUAL_RANGE)
    return [_grade(grader, case, ask, lambda said: _score(said, bounds)) for case in cases]


def labels(grader: Mapping[str, Any], cases: Sequence[Case], ask: Ask) -> list[Grade]:
    """The same by labels: 1 if the label passes, otherwise 0."""
    return [_grade(grader, case, ask, lambda said: _label_score(said, grader)) for case in cases]


def _grade(grader: Mapping[str, Any], case: Case, ask: Ask, score: Callable[[Said], float]) -> Grade:
    usage: tuple[Usage, ...] = ()
    try:
        said = ask(grader["model"], _question(grader, case))
        usage = (said.usage,)
        return Grade(score(said), usage=usage)
    except Ungraded as exc:
        return Grade(None, exc.flag, exc.details, usage=usage)


def _question(grader: Mapping[str, Any], case: Case) -> dict[str, Any]:
    messages = filled_messages(grader["input"], case)
    settings = dict(grader.get("sampling_params") or {})
    if longest := settings.pop("max_completions_tokens", None):  # the service spells it so
        settings["max_completion_tokens"] = longest
    return {"messages": messages, **settings}


def filled_messages(template: Sequence[Mapping[str, Any]], case: Case) -> list[dict[str, Any]]:
    """Messages with the values of a case. Raises Ungraded."""
    return [{"role": message["role"], "content": _filled(message["content"], case)} for message in template]


def _filled(content: Any, case: Case) -> Any:
    if isinstance(content, str):
        return filled(content, case)
    parts = content if isinstance(content, list) else [content]
    return [
        {**part, "text": filled(part["text"], case)} if isinstance(part, dict) and "text" in part else part
        for part in parts
    ]


def _text(said: Said) -> str:
    if said.message.get("refusal"):
        raise Ungraded("model_grader_refusal_error", str(said.message["refusal"]))
    return str(said.message.get("content") or "")


def _label_score(said: Said, grader: Mapping[str, Any]) -> float:
    text = _text(said)
    label = _value(text, _LABEL_KEYS) if text.strip() not in grader["labels"] else text.strip()
    if label not in grader["labels"]:
        known = ", ".join(grader["labels"])
        raise Ungraded(
            "model_grader_parse_error",
            f"The answer of the model is none of the labels {known}: {text[:100]!r}",
        )
    return float(label in grader["passing_labels"])


def _score(said: Said, bounds: Sequence[float]) -> float:
    text = _text(said)
    score = _number(text) if said.is_whole else None
    if score is None:
        raise Ungraded("model_grader_parse_error", f"The answer of the model gives no score: {text[:100]!r}")
    if not bounds[0] <= score <= bounds[1]:
        raise Ungraded("model_grader_parse_error", f"The score {score:g} is out of range.")
    return score


def _number(text: str) -> float | None:
    return number(_value(text, _KEYS))


def _value(text: str, keys: Sequence[str]) -> Any:
    """What a text is as JSON; of an object, the value of the first of the keys that it has."""
    value: Any = None
    with suppress(ValueError, RecursionError):
        value = json.loads(text)
    if isinstance(value, dict):
        value = next((value[key] for key in keys if key in value), None)
    return value

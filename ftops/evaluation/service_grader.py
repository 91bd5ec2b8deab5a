"""The grader `service`: the provider runs a grader of reinforcement fine-tuning on each answer."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from ftops.core.errors import Temporary
from ftops.evaluation.answers import Answer, Failure, Grades, Question
from ftops.evaluation.calls import parse_arguments
from ftops.evaluation.graders import Grade, Grader, ungraded
from ftops.evaluation.prompts import Prompt
from ftops.evaluation.templates import item_of
from ftops.evaluation.values import Miss

Keys = tuple[str | int, ...]
RANGE = (0.0, 1.0)
"""Of rewards, unless the grader has its own."""
_TRANSIENT = ("model_grader_server_error", "python_grader_server_error")


class GraderRuns:
    """Lets a service's graders be asked as deployments are: tried again, several at once, and kept."""

    def __init__(self, provider: Grades) -> None:
        self._provider = provider

    def ask(self, deployment: str, question: Question) -> Answer:
        """One run of a grader. Raises Temporary and Permanent."""
        sample, settings = question.messages[0]["content"], question.settings
        reply = self._provider.grade(settings["grader"], sample, settings["item"])
        if failed := [flag for flag in _flags(reply) if flag in _TRANSIENT]:
            raise Temporary(f"grader {deployment}: {failed[0]}")
        return Answer(json.dumps(reply), finish_reason="stop")


def question(grader: Grader, prompt: Prompt, answer: Answer) -> Question | Grade:
    """What the service grades: a text. An answer that is only a call has no grade."""
    if answer.calls and not answer.content:
        return ungraded("the service grades texts, and this answer is a call")
    settings = {"grader": grader.options["grader"], "item": item_of(prompt)}
    return Question(({"role": "assistant", "content": answer.content},), settings=settings)


def grade_of(grader: Grader, reply: Answer | Failure) -> Grade:
    """The grade that a reply gives; none if the service reports an error, even beside a reward of 0."""
    if isinstance(reply, Failure):
        return ungraded(f"the service gave no grade: {reply.reason}")
    try:
        value = parse_arguments(reply.content)
    except ValueError as error:
        return ungraded(f"the service's reply isn't JSON: {error}")
    if flags := _flags(value):
        return ungraded(f"the service reports {', '.join(flags)}{_details(value)}")
    low, high = grader.options.get("range", RANGE)
    reward = value.get("reward")
    if not isinstance(reward, int | float) or isinstance(reward, bool) or not low <= reward <= high:
        return ungraded(f"the reward {reward} isn't a number from {low:g} to {high:g}")
    is_right = reward >= grader.options["at_least"]
    miss = None if is_right else Miss("wrong_value", "", f"{grader.name}: reward {reward:g}")
    return Grade((reward - low) / (high - low), is_right, miss)


def asks_a_model(grader: Grader) -> bool:
    """Whether the service needs a model for it, whose tokens cost money."""
    return any(part.get("type") == "score_model" for _, part in parts(grader.options["grader"]))


def template(options: Mapping[str, Any]) -> Any:
    """Where fields of prompts and answers are named."""
    return [text for _, text in texts(options["grader"])]


def problems(options: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """What is wrong with options of the right form: the option, or "", what, and a hint."""
    low, high = options.get("range", RANGE)
    if not low <= options["at_least"] <= high:
        hint = f"write a number from {low:g} to {high:g}, or set `range` to that of its rewards"
        yield "at_least", "has an `at_least` outside its `range`", hint


def parts(grader: Mapping[str, Any]) -> Iterator[tuple[Keys, Mapping[str, Any]]]:
    """A grader, and those that it combines, each with its keys."""
    yield (), grader
    inner = grader.get("graders")
    for name, part in inner.items() if isinstance(inner, Mapping) else ():
        if isinstance(part, Mapping):
            yield ("graders", name), part


def texts(grader: Mapping[str, Any]) -> Iterator[tuple[Keys, str]]:
    """The texts of a grader that can name fields, each with its keys; the code of a Python grader can't."""
    for keys, part in parts(grader):
        for key in ("input", "reference"):
            yield from _texts((*keys, key), part.get(key))


def code_of(grader: Mapping[str, Any]) -> Iterator[str]:
    """The code of a Python grader, and of such parts."""
    for _, part in parts(grader):
        if part.get("type") == "python" and isinstance(part.get("source"), str):
            yield part["source"]


def _texts(keys: Keys, value: Any) -> Iterator[tuple[Keys, str]]:
    if isinstance(value, str):
        yield keys, value
    elif isinstance(value, Mapping | list):
        for key, item in value.items() if isinstance(value, Mapping) else enumerate(value):
            yield from _texts((*keys, key), item)


def _flags(reply: Mapping[str, Any]) -> list[str]:
    return [name for name, value in _errors(reply).items() if value is True]


def _details(reply: Mapping[str, Any]) -> str:
    texts = [v for k, v in _errors(reply).items() if isinstance(v, str) and v and "details" in k]
    return f": {texts[0][:200]}" if texts else ""


def _errors(reply: Mapping[str, Any]) -> Mapping[str, Any]:
    metadata = reply.get("metadata")
    errors = metadata.get("errors") if isinstance(metadata, Mapping) else None
    return errors if isinstance(errors, Mapping) else {}

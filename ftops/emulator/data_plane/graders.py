"""Graders: checks of their fields, grades of answers, and the routes that run and validate one.

Values of headers of endpoint graders are masked in replies, as by the service.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from functools import partial
from threading import Event
from typing import Any, NamedTuple

from starlette.requests import Request
from starlette.responses import Response

from ftops.emulator.account.cloud import JSON, Cloud
from ftops.emulator.grading import endpoint, formulas, judge, python_code, texts
from ftops.emulator.grading.outcome import FLAGS, Case, Grade, Ungraded, Usage, graded, number, output
from ftops.emulator.grading.templates import filled
from ftops.emulator.http.errors import invalid
from ftops.emulator.http.messages import read_object, reply

_DETAILS = (
    "python_grader_server_error_type", "python_grader_runtime_error_details",
    "model_grader_server_error_details",
)  # fmt: skip
_TEXT_GRADERS = {
    "string_check": ("operation", tuple(texts.OPERATIONS)),
    "text_similarity": ("evaluation_metric", texts.METRICS),
}
"""The key that says how texts are compared, and its values."""
_MASK = "***"


class Permissions(NamedTuple):
    """What graders may do. Only whoever starts the server decides that, no request and no file."""

    python: bool = False
    """The code of python graders runs here."""
    remote: bool = False
    """Endpoints may be on other hosts."""


class Graders:
    """Of one server: checks graders, and grades answers with them."""

    def __init__(self, permissions: Permissions, ask: judge.Ask) -> None:
        self._permissions = permissions
        self._ask = ask

    def check(self, grader: Any) -> None:
        """Raises ServiceError if it is no grader, or one that may not run here."""
        for part in _parts(grader):
            _check(part, self._permissions)

    def grade(self, grader: JSON, cases: Sequence[Case], stop: Event | None = None) -> list[Grade]:
        """The grades of all cases, in their order, by a grader that was checked. After ``stop`` is set, the
        rest has none."""
        kind = grader["type"]
        if why := _forbidden(grader, self._permissions):
            return [Grade(None, "other_error", why) for _ in cases]
        if kind == "multi":
            named = {name: self.grade(part, cases, stop) for name, part in grader["graders"].items()}
            rows = ({name: grades[i] for name, grades in named.items()} for i in range(len(cases)))
            return [_combined(grader, parts) for parts in rows]
        if kind == "python":
            return python_code.scores(grader["source"], cases, stop or Event())
        if kind == "endpoint":
            return endpoint.scores(grader, cases, stop or Event())
        if kind == "score_model":
            return judge.scores(grader, cases, self._ask)
        return graded(partial(_compared, grader), cases)

    def label(self, grader: JSON, cases: Sequence[Case]) -> list[Grade]:
        """The same by a grader of type label_model, which only evals have."""
        return judge.labels(grader, cases, self._ask)


def _parts(grader: Any) -> list[Any]:
    """What a multi grader combines, or the grader itself. Raises ServiceError."""
    if not isinstance(grader, dict) or grader.get("type") != "multi":
        return [grader]
    parts = grader.get("graders")
    if not isinstance(parts, dict) or not isinstance(grader.get("calculate_output"), str):
        raise invalid("A grader of type multi needs 'graders' and 'calculate_output'.")
    if number(grader.get("invalid_grade", 0.0)) is None:
        raise invalid("'invalid_grade' must be a number.")
    return list(parts.values())


def _check(grader: Any, permissions: Permissions) -> None:
    """Raises ServiceError if it is no grader that a multi grader can combine."""
    if not isinstance(grader, dict):
        raise invalid("A grader must be an object.")
    problem_of = _PROBLEMS.get(str(grader.get("type")))
    if problem_of is None:
        raise invalid(f"Unknown grader type: {grader.get('type')}.")
    if problem := problem_of(grader) or _forbidden(grader, permissions):
        raise invalid(problem)


def _forbidden(grader: JSON, permissions: Permissions) -> str:
    """Why a grader may not run here; empty if it may. Jobs of an earlier server may come to one that allows
    less."""
    if grader["type"] == "python" and not permissions.python:
        return (
            "The emulator runs the code of graders of type python only if it was started with "
            "--allow-python-graders."
        )
    place = endpoint.address(grader["url"]) if grader["type"] == "endpoint" else None
    if place is not None and place.hostname not in endpoint.HERE and not permissions.remote:
        return (
            f"The emulator asks no grader at '{place.hostname}', only on this machine; start it with "
            "--allow-remote-graders to allow other hosts."
        )
    return ""


def _text_problem(grader: JSON) -> str:
    key, known = _TEXT_GRADERS[grader["type"]]
    if not isinstance(grader.get("input"), str) or not isinstance(grader.get("reference"), str):
        return f"A grader of type {grader['type']} needs 'input' and 'reference'."
    return "" if grader.get(key) in known else f"'{key}' must be one of {', '.join(known)}."


_PROBLEMS: dict[str, Callable[[JSON], str]] = {
    "string_check": _text_problem,
    "text_similarity": _text_problem,
    "score_model": judge.problem,
    "python": python_code.problem,
    "endpoint": endpoint.problem,
}
"""By type of a grader: what is wrong with its fields, empty if nothing is."""


def masked(grader: Any) -> Any:
    """A grader without the values of its headers."""
    if not isinstance(grader, dict):
        return grader
    if grader.get("type") == "multi":
        return {**grader, "graders": {name: masked(part) for name, part in grader["graders"].items()}}
    if grader.get("type") == "endpoint" and grader.get("headers"):
        return {**grader, "headers": dict.fromkeys(grader["headers"], _MASK)}
    return grader


def _combined(grader: JSON, parts: dict[str, Grade]) -> Grade:
    """The grade of a multi grader. Of an answer that a part can't score, it is ``invalid_grade`` if given."""
    usage = tuple(used for part in parts.values() for used in part.usage)
    failed = next((part for part in parts.values() if part.error), None)
    if failed is None:
        try:
            scores = {name: part.reward or 0.0 for name, part in parts.items()}
            return Grade(formulas.computed(grader["calculate_output"], scores), parts=parts, usage=usage)
        except Ungraded as exc:
            failed = Grade(None, exc.flag, exc.details)
    return Grade(grader.get("invalid_grade"), failed.error, failed.details, parts, usage)


def _compared(grader: JSON, case: Case) -> float:
    given, reference = (filled(grader[name], case) for name in ("input", "reference"))
    if grader["type"] == "string_check":
        return float(texts.OPERATIONS[grader["operation"]](given, reference))
    return texts.similarity(grader["evaluation_metric"], given, reference)


# Routes


def graders_of(request: Request) -> Graders:
    found: Graders = request.scope["emulator.graders"]
    return found


async def run(cloud: Cloud, request: Request) -> Response:
    body = await read_object(request)
    grader, sample, item = body.get("grader"), body.get("model_sample"), body.get("item", {})
    if not isinstance(grader, dict) or not isinstance(sample, str) or not isinstance(item, dict):
        raise invalid("'grader' must be an object, 'model_sample' a string, and 'item' an object.")
    graders = graders_of(request)
    graders.check(grader)
    started = time.perf_counter()
    (grade,) = await asyncio.to_thread(graders.grade, grader, [Case(item, output(sample))])
    return reply(_described(grader, grade, time.perf_counter() - started))


async def validate(cloud: Cloud, request: Request) -> Response:
    """The grader, if it is one."""
    grader = (await read_object(request)).get("grader")
    graders_of(request).check(grader)
    return reply({"grader": masked(grader)})


def _described(grader: JSON, grade: Grade, seconds: float) -> JSON:
    """A run on the wire. Without a score, the reward is 0."""
    errors: JSON = {flag: flag == grade.error for flag in FLAGS} | dict.fromkeys(_DETAILS)
    errors |= {name: grade.details for name in _DETAILS if grade.error and name.startswith(grade.error)}
    scores = {name: part.reward for name, part in grade.parts.items() if part.reward is not None}
    return {
        "reward": grade.reward or 0.0,
        "sub_rewards": scores,
        "metadata": {
            "name": str(grader.get("name", "")),
            "type": grader["type"],
            "errors": errors,
            "execution_time": seconds,
            "scores": scores,
            "token_usage": sum(used.prompt + used.completion for used in grade.usage) or None,
            "sampled_model_name": next((used.model for used in grade.usage), None),
        },
        "model_grader_token_usage_per_model": _by_model(grade.usage),
    }


def _by_model(usage: Sequence[Usage]) -> JSON:
    """Tokens of each model."""
    found: dict[str, JSON] = {}
    for used in usage:
        row = found.setdefault(used.model, {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0})
        row["prompt_tokens"] += used.prompt
        row["completion_tokens"] += used.completion
        row["total_tokens"] += used.prompt + used.completion
    return found

"""Cases and grades: what is graded, and what a grader says of it."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import Any, NamedTuple

FLAGS = (
    "formula_parse_error", "sample_parse_error", "truncated_observation_error", "unresponsive_reward_error",
    "invalid_variable_error", "other_error", "python_grader_server_error", "python_grader_runtime_error",
    "model_grader_server_error", "model_grader_refusal_error", "model_grader_parse_error",
)  # fmt: skip
"""Why an answer has no score, in the words of the service."""


class Case(NamedTuple):
    """A row of data, and what the model answered: ``output_text``, and ``output_json`` if it is JSON."""

    item: Mapping[str, Any]
    sample: Mapping[str, Any]


def output(text: str, *, as_json: bool = True) -> dict[str, Any]:
    """The sample of an answer. ``as_json``: whether it is read as JSON if it can be."""
    sample: dict[str, Any] = {"output_text": text}
    if as_json:
        with suppress(ValueError, RecursionError):
            sample["output_json"] = json.loads(text)
    return sample


def number(value: Any) -> float | None:
    """A finite number; None if it is something else."""
    with suppress(OverflowError):
        if type(value) in (int, float) and math.isfinite(value):
            return float(value)
    return None


class Ungraded(Exception):
    """A grader can't score an answer. ``flag`` is one of FLAGS."""

    def __init__(self, flag: str, details: str = "") -> None:
        super().__init__(flag)
        self.flag = flag
        self.details = details


class Usage(NamedTuple):
    """Tokens of a request to a model that grades."""

    model: str
    prompt: int
    completion: int


class Grade(NamedTuple):
    """What a grader says of an answer. Without a score, ``reward`` is None and ``error`` one of FLAGS."""

    reward: float | None
    error: str = ""
    details: str = ""
    parts: Mapping[str, Grade] = {}  # of a multi grader, by name
    usage: tuple[Usage, ...] = ()


def graded(score: Callable[[Case], float], cases: Iterable[Case]) -> list[Grade]:
    """The grades of cases, one by one. ``score`` may raise Ungraded."""
    return [_graded(score, case) for case in cases]


def _graded(score: Callable[[Case], float], case: Case) -> Grade:
    try:
        return Grade(score(case))
    except Ungraded as exc:
        return Grade(None, exc.flag, exc.details)

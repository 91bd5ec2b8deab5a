"""Runs and checks of graders: ``string_check``, ``text_similarity`` and ``multi``. Others need a model or a
sandbox, and are answered with the error flags of the service."""

from __future__ import annotations

import ast
import asyncio
import json
import math
import operator
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from ftops.emulator.account.cloud import JSON, Cloud
from ftops.emulator.http.errors import invalid
from ftops.emulator.http.messages import read_object, reply

FLAGS = (
    "formula_parse_error", "sample_parse_error", "truncated_observation_error", "unresponsive_reward_error",
    "invalid_variable_error", "other_error", "python_grader_server_error", "python_grader_runtime_error",
    "model_grader_server_error", "model_grader_refusal_error", "model_grader_parse_error",
)  # fmt: skip
DETAILS = (
    "python_grader_server_error_type", "python_grader_runtime_error_details",
    "model_grader_server_error_details",
)  # fmt: skip
NOT_EMULATED = {
    "python": ("python_grader_runtime_error", "the emulator doesn't run Python"),
    "score_model": ("other_error", ""),
    "endpoint": ("other_error", ""),
}
"""Types that the service runs and the emulator doesn't."""
_FIELD = re.compile(r"\{\{\s*([^{}]*?)\s*\}\}")
_MAX_TEXT = 20_000
_MAX_FORMULA = 5_000


class _Failed(Exception):
    """A run that ends with an error flag."""

    def __init__(self, flag: str, details: str = "") -> None:
        super().__init__(flag)
        self.flag = flag
        self.details = details


async def run(cloud: Cloud, request: Request) -> Response:
    body = await read_object(request)
    grader, sample, item = body.get("grader"), body.get("model_sample"), body.get("item", {})
    if not isinstance(grader, dict) or not isinstance(sample, str) or not isinstance(item, dict):
        raise invalid("'grader' must be an object, 'model_sample' a string, and 'item' an object.")
    _check(grader)
    return reply(await asyncio.to_thread(_run, grader, {"item": item, "sample": _sample(sample)}))


async def validate(cloud: Cloud, request: Request) -> Response:
    """The grader, if it is one."""
    grader = (await read_object(request)).get("grader")
    _check(grader)
    return reply({"grader": grader})


def _run(grader: JSON, values: JSON) -> JSON:
    errors: JSON = {**dict.fromkeys(FLAGS, False), **dict.fromkeys(DETAILS)}
    scores: dict[str, float] = {}
    reward = 0.0
    try:
        reward = _grade(grader, values, scores)
    except _Failed as exc:
        errors[exc.flag] = True
        if f"{exc.flag}_details" in errors:
            errors[f"{exc.flag}_details"] = exc.details
    return {
        "reward": reward,
        "sub_rewards": dict(scores),
        "metadata": {
            "name": str(grader.get("name", "")),
            "type": grader["type"],
            "errors": errors,
            "execution_time": 0.0,
            "scores": dict(scores),
            "token_usage": None,
            "sampled_model_name": None,
        },
        "model_grader_token_usage_per_model": {},
    }


def rewards(grader: JSON) -> Callable[[Mapping[str, Any], str], tuple[float, str]]:
    """What grades the answers to examples: the reward, and the flag of an error. Raises ServiceError if it is
    no grader, or one that isn't emulated."""
    _check(grader)
    for part in (grader, *grader.get("graders", {}).values()):
        if part.get("type") in NOT_EMULATED:
            raise invalid(f"The emulator trains with no grader of the type '{part['type']}'.")

    def reward(item: Mapping[str, Any], text: str) -> tuple[float, str]:
        try:
            return _grade(grader, {"item": dict(item), "sample": _sample(text)}, {}), ""
        except _Failed as exc:
            return 0.0, exc.flag

    return reward


def _check(grader: Any, inside: bool = False) -> None:
    """Raises ServiceError if it is no grader."""
    if not isinstance(grader, dict):
        raise invalid("A grader must be an object.")
    kind = str(grader.get("type"))
    if kind in NOT_EMULATED:
        return
    if kind == "multi" and not inside:
        graders = grader.get("graders")
        if not isinstance(graders, dict) or not isinstance(grader.get("calculate_output"), str):
            raise invalid("A grader of type multi needs 'graders' and 'calculate_output'.")
        for part in graders.values():
            _check(part, inside=True)
        return
    if kind not in _TEXT_GRADERS:
        raise invalid(f"Unknown grader type: {kind}.")
    key, known, _ = _TEXT_GRADERS[kind]
    if not isinstance(grader.get("input"), str) or not isinstance(grader.get("reference"), str):
        raise invalid(f"A grader of type {kind} needs 'input' and 'reference'.")
    if grader.get(key) not in known:
        raise invalid(f"'{key}' must be one of {', '.join(known)}.")


def _grade(grader: JSON, values: JSON, scores: dict[str, float]) -> float:
    kind = grader["type"]
    if kind in NOT_EMULATED:
        raise _Failed(*NOT_EMULATED[kind])
    if kind == "multi":
        scores |= {name: _grade(part, values, {}) for name, part in grader["graders"].items()}
        return formula(grader["calculate_output"], scores)
    key, _, score = _TEXT_GRADERS[kind]
    given, reference = (_filled(grader[name], values) for name in ("input", "reference"))
    return score(grader[key], given, reference)


# Templates


def _sample(text: str) -> JSON:
    sample: JSON = {"output_text": text}
    with suppress(ValueError, RecursionError):
        sample["output_json"] = json.loads(text)
    return sample


def _filled(template: str, values: JSON) -> str:
    return _FIELD.sub(lambda match: _value(match[1], values), template)


def _value(name: str, values: Any) -> str:
    for step in name.split("."):
        if not isinstance(values, dict) or step not in values:
            is_sample = name.startswith("sample.output_json")
            raise _Failed("sample_parse_error" if is_sample else "invalid_variable_error")
        values = values[step]
    return values if isinstance(values, str) else json.dumps(values, ensure_ascii=False)


# Texts


_OPERATIONS: Mapping[str, Callable[[str, str], bool]] = {
    "eq": lambda given, reference: given == reference,
    "ne": lambda given, reference: given != reference,
    "like": lambda given, reference: reference in given,
    "ilike": lambda given, reference: reference.lower() in given.lower(),
}


def _similar(metric: str, given: str, reference: str) -> float:
    if max(len(given), len(reference)) > _MAX_TEXT:
        raise _Failed("other_error")
    if metric == "fuzzy_match":
        return _f1(_common(given, reference), len(given), len(reference))
    words = (given.lower().split(), reference.lower().split())
    if metric == "rouge_l":
        return _f1(_common(*words), *map(len, words))
    if not metric.startswith("rouge_"):
        raise _Failed("other_error")
    grams = [Counter(zip(*(text[i:] for i in range(int(metric[-1]))))) for text in words]  # noqa: B905
    return _f1((grams[0] & grams[1]).total(), grams[0].total(), grams[1].total())


def _f1(common: int, first: int, second: int) -> float:
    return 2 * common / (first + second) if first + second else 1.0


def _common(first: Sequence[str], second: Sequence[str]) -> int:
    """The length of the longest common subsequence, a bit for each item of the second (Hyyrö 2004)."""
    places: dict[str, int] = {}
    for position, item in enumerate(second):
        places[item] = places.get(item, 0) | 1 << position
    row = every = (1 << len(second)) - 1
    for item in first:
        there = row & places.get(item, 0)
        row = (row + there | row - there) & every
    return len(second) - row.bit_count()


_METRICS = ("fuzzy_match", "bleu", "gleu", "meteor", *(f"rouge_{n}" for n in range(1, 6)), "rouge_l")
"""Of these, the emulator doesn't compute bleu, gleu and meteor: `other_error`."""
_TEXT_GRADERS: Mapping[str, tuple[str, Sequence[str], Callable[[str, str, str], float]]] = {
    "string_check": ("operation", tuple(_OPERATIONS), lambda name, *texts: float(_OPERATIONS[name](*texts))),
    "text_similarity": ("evaluation_metric", _METRICS, _similar),
}


# Formulas


def formula(text: str, values: Mapping[str, float]) -> float:
    """The value of a formula. Raises _Failed."""
    if len(text) > _MAX_FORMULA:
        raise _Failed("formula_parse_error")
    try:
        result = _evaluated(ast.parse(text.replace("^", "**"), mode="eval").body, values)
    except (SyntaxError, ValueError, ArithmeticError, RecursionError, TypeError, MemoryError) as exc:
        raise _Failed("formula_parse_error") from exc
    if not math.isfinite(result):
        raise _Failed("formula_parse_error")
    return result


def _evaluated(node: ast.expr, values: Mapping[str, float]) -> float:
    match node:
        case ast.Constant(value=int() | float() as value) if not isinstance(value, bool):
            return float(value)
        case ast.Name(id=name) if name in values:
            return values[name]
        case ast.BinOp() if type(node.op) in _BINARY:
            return float(
                _BINARY[type(node.op)](_evaluated(node.left, values), _evaluated(node.right, values))
            )
        case ast.UnaryOp(op=ast.USub()):
            return -_evaluated(node.operand, values)
        case ast.Call(func=ast.Name(id=name), keywords=[]) if name in _FUNCTIONS:
            return float(_FUNCTIONS[name](*(_evaluated(part, values) for part in node.args)))
    raise ValueError


_BINARY: Mapping[type, Callable[[float, float], Any]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv,
    ast.Pow: operator.pow,
}  # fmt: skip
_FUNCTIONS: Mapping[str, Callable[..., float]] = {
    "min": min, "max": max, "abs": abs, "floor": math.floor, "ceil": math.ceil, "exp": math.exp,
    "sqrt": math.sqrt, "log": math.log,
}  # fmt: skip

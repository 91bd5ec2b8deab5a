"""Formulas of ``multi`` graders: ``calculate_output``."""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable, Mapping
from typing import Any

from ftops.emulator.grading.outcome import Ungraded

_MAX_LENGTH = 5_000


def computed(text: str, values: Mapping[str, float]) -> float:
    """The value of a formula. Raises Ungraded."""
    if len(text) > _MAX_LENGTH:
        raise Ungraded("formula_parse_error", "The formula is too long.")
    try:
        result = _evaluated(ast.parse(text.replace("^", "**"), mode="eval").body, values)
    except (SyntaxError, ValueError, ArithmeticError, RecursionError, TypeError, MemoryError) as exc:
        raise Ungraded("formula_parse_error", "The formula can't be computed.") from exc
    if not math.isfinite(result):
        raise Ungraded("formula_parse_error", "The formula's value isn't finite.")
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

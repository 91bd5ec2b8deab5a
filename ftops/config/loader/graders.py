"""Checks of graders: what their blocks can't say about formulas, code and templates."""

from __future__ import annotations

import ast
import re
import sys
import warnings
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from ftops.config.loader.source import Entry, Keys
from ftops.config.loader.validate import explained
from ftops.config.schema.block import Faulty
from ftops.config.schema.graders import GRADER, Grader
from ftops.core.address import references
from ftops.core.errors import Diagnostic
from ftops.core.nested import object_at
from ftops.core.suggestions import did_you_mean
from ftops.evaluation.grader_table import Fault
from ftops.evaluation.schemas import json_validator
from ftops.evaluation.service_grader import parts, texts
from ftops.evaluation.templates import (
    OF_SERVICE,
    fields_of,
    has_index,
    near_placeholders,
    placeholders,
    unknown_field,
)

FUNCTIONS = ("min", "max", "abs", "floor", "ceil", "exp", "sqrt", "log")
_MAX_SOURCE = 256 * 1024
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_OPERATORS = (ast.Add, ast.Sub, ast.Mult, ast.Div, ast.BitXor)
_MODULES = {
    *("numpy", "scipy", "sympy", "pandas", "rapidfuzz", "sklearn", "rouge_score", "deepdiff", "jsonschema"),
    *("pydantic", "yaml", "nltk", "sqlparse", "rdkit", "skbio", "ast_grep_py"),
}
"""What code of graders can import, as documented."""
_DOCUMENTED = (
    "Documented are Python's own modules, without a network, and " + ", ".join(sorted(_MODULES)) + "."
)
_RISKY = "The service's documentation disagrees about this form, and it may be left as it is."


class Problem(NamedTuple):
    """What is wrong with the value at `keys`, or with what `pattern` matches in it."""

    keys: Keys
    summary: str
    detail: str = ""
    hint: str = ""
    pattern: str = ""
    severity: str = "error"
    at_key: bool = False


def check_grader(
    grader: Mapping[str, Any], response_format: Mapping[str, Any] | None, entry: Entry
) -> Iterator[Diagnostic]:
    """Findings about the grader of a job, and about the format of the answers."""
    found = [(("grader", *p.keys), p) for p in (*problems(grader), *_of_answers(grader, response_format))]
    if response_format and (why := _no_schema(object_at(response_format, "json_schema", "schema"))):
        keys: Keys = ("response_format", "json_schema", "schema")
        found.append((keys, Problem(keys, "`schema` isn't a JSON Schema that can be used", why)))
    for path, problem in found:
        if problem.pattern:
            place = entry.place_in(path, problem.pattern)
        else:
            place = entry.place(path, key=problem.at_key)
        yield Diagnostic(problem.summary, problem.detail, problem.hint, place, problem.severity)


def body_faults(grader: Any) -> Iterator[Fault]:
    """Every error in a grader that the service runs for an evaluation."""
    try:
        block = GRADER.read(grader)
    except Faulty as faulty:
        yield from (
            Fault(e.keys, e.summary, e.detail, e.hint, e.at_key) for e in explained(faulty.faults, Grader)
        )
        return
    for problem in problems(block.as_data()):
        if problem.severity == "error":
            yield Fault(problem.keys, problem.summary, problem.detail, problem.hint, problem.at_key)


def problems(grader: Mapping[str, Any]) -> Iterator[Problem]:
    """What is wrong with a valid block of a grader."""
    for keys, part in parts(grader):
        if keys and "pass_threshold" in part:
            detail = "The service doesn't take it in the parts of a multi grader."
            yield Problem(
                (*keys, "pass_threshold"), "a part has a `pass_threshold`", detail, "Set it beside `graders`."
            )
        bounds = part.get("range")
        if bounds is not None and not _is_range(bounds):
            yield Problem(
                (*keys, "range"), "`range` must be two numbers, the lower one first", "", "Write [0, 1]."
            )
        if isinstance(source := part.get("source"), str):
            if wrong := _wrong_code(source):
                yield Problem((*keys, "source"), *wrong)
            elif foreign := sorted(_imported(source) - sys.stdlib_module_names - _MODULES):
                named = ", ".join(f"`{name}`" for name in foreign)
                summary = f"the code imports {named}, which the service may not have"
                yield Problem((*keys, "source"), summary, _DOCUMENTED, severity="warning")
    if grader.get("type") == "multi":
        yield from _multi_problems(grader)
    for keys, text in texts(grader):
        yield from _template_problems(keys, text)
    for keys, part in parts(grader):
        if "input" in part and not any(name.startswith("sample.") for name in _fields(part)):
            detail = "It gives every answer to a prompt the same score, so nothing can be learned from it."
            hint = "Write {{sample.output_text}} into `input`."
            yield Problem(
                (*keys, "input"), "the grader doesn't see the answer", detail, hint, severity="warning"
            )


def _fields(part: Mapping[str, Any]) -> list[str]:
    return list(fields_of((part.get("input"), part.get("reference"))))


def _is_range(bounds: Any) -> bool:
    if len(bounds) != 2:
        return False
    return not all(isinstance(bound, int | float) for bound in bounds) or bounds[0] < bounds[1]


# Templates


def _template_problems(keys: Keys, text: str) -> Iterator[Problem]:
    for inside in dict.fromkeys(placeholders(text)):
        shown, pattern = f"{{{{{inside}}}}}", re.escape(f"{{{{{inside}}}}}")
        if unknown := unknown_field(shown, OF_SERVICE):
            detail = "A template has the fields of the example, as item, and of the answer, as sample."
            yield Problem(keys, f"there is no field {shown}", detail, unknown[1], pattern)
        elif inside != inside.strip():
            hint = f"Write {{{{{inside.strip()}}}}}."
            yield Problem(keys, f"{shown} has spaces in its braces", _RISKY, hint, pattern, "warning")
        elif has_index(inside):
            hint = "Give the example a field that holds only this value."
            yield Problem(keys, f"{shown} has an index", _RISKY, hint, pattern, "warning")
    for near in dict.fromkeys(near_placeholders(text)):
        hint = f"Write {{{{{near.strip('{} ')}}}}}."
        detail = "A field stands between two braces on each side; this is sent as it is written."
        yield Problem(keys, f"`{near}` isn't replaced by a field", detail, hint, re.escape(near), "warning")


def _of_answers(grader: Mapping[str, Any], response_format: Mapping[str, Any] | None) -> Iterator[Problem]:
    """Uses of JSON in answers that are no JSON, or that lack the field."""
    schema = object_at(response_format or {}, "json_schema", "schema")
    properties = object_at(schema, "properties")
    for keys, text in texts(grader):
        for name in fields_of(text):
            steps = name.split(".")
            pattern = re.escape(name)
            if steps[:2] != ["sample", "output_json"]:
                continue
            if response_format is None:
                detail = "Only answers with a `response_format` are read as JSON."
                hint = "Add `response_format`, or use {{sample.output_text}}."
                yield Problem(keys, f"{{{{{name}}}}} needs a `response_format`", detail, hint, pattern)
            elif (
                len(steps) > 2 and schema.get("additionalProperties") is False and steps[2] not in properties
            ):
                hint = did_you_mean(steps[2], list(properties))
                yield Problem(
                    keys, f"answers have no field `{steps[2]}`", "`response_format` says so.", hint, pattern
                )


def _no_schema(schema: Any) -> str:
    """Why it can't be used; empty if it can, or if it isn't known yet."""
    if any(references(schema)):
        return ""
    try:
        json_validator(schema)
    except ValueError as error:
        return str(error)
    return ""


# Formulas


def _multi_problems(grader: Mapping[str, Any]) -> Iterator[Problem]:
    names = list(grader["graders"])
    if not names:
        yield Problem(("graders",), "`graders` is empty", "There is nothing to combine.", "Add a grader.")
    for name in names:
        if not _NAME.fullmatch(name) or name in FUNCTIONS:
            detail = "The formula uses the name."
            hint = "Use letters, digits and _, begin with a letter, and avoid the names of functions."
            summary = f"`{name}` can't be the name of a part"
            yield Problem(("graders", name), summary, detail, hint, at_key=True)
    formula = grader["calculate_output"]
    if not isinstance(formula, str):
        return
    try:
        used = _names_in(formula, names)
    except _BadFormulaError as error:
        yield Problem(("calculate_output",), f"`calculate_output` can't be computed: {error}", "", error.hint)
        return
    for name in names:
        if name not in used:
            detail = "The grader runs, and its score counts for nothing."
            hint = "Use it in `calculate_output`, or remove it."
            summary = f"`calculate_output` doesn't use `{name}`"
            yield Problem(("graders", name), summary, detail, hint, severity="warning", at_key=True)


class _BadFormulaError(ValueError):
    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


def _names_in(formula: str, names: list[str]) -> set[str]:
    """The names that a formula uses. Raises _BadFormulaError."""
    if "**" in formula:
        raise _BadFormulaError("there is no operator **", "Write a ^ b.")
    try:
        tree = ast.parse(formula.strip(), mode="eval").body
        return set(_names(tree, names))
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        if isinstance(error, _BadFormulaError):
            raise
        raise _BadFormulaError("it isn't a formula", "Write such as 0.8 * exact + 0.2 * similar.") from error


def _names(node: ast.expr, names: list[str]) -> Iterator[str]:
    match node:
        case ast.Constant(value=int() | float() as value) if not isinstance(value, bool):
            return
        case ast.Name(id=name) if name in names:
            yield name
        case ast.Name(id=name):
            raise _BadFormulaError(f"there is no part `{name}`", did_you_mean(name, names))
        case ast.BinOp(left, op, right) if isinstance(op, _OPERATORS):
            yield from _names(left, names)
            yield from _names(right, names)
        case ast.UnaryOp(op=ast.USub() | ast.UAdd(), operand=operand):
            yield from _names(operand, names)
        case ast.Call(func=ast.Name(id=name), args=given, keywords=[]):
            if name not in FUNCTIONS:
                raise _BadFormulaError(f"there is no function `{name}`", did_you_mean(name, FUNCTIONS))
            for part in given:
                yield from _names(part, names)
        case _:
            raise _BadFormulaError(
                f"it contains `{ast.unparse(node)}`", f"Use + - * / ^ and {', '.join(FUNCTIONS)}."
            )


# Code


def _wrong_code(source: str) -> tuple[str, str, str] | None:
    """A summary, a detail and a hint if the service couldn't run the code."""
    size = len(source.encode())
    if size > _MAX_SOURCE:
        return "the code is too long", f"It has {size:,} bytes; the limit is {_MAX_SOURCE:,}.", ""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(source)
    except SyntaxError as error:
        return "`source` isn't valid Python", f"Line {error.lineno} of it: {error.msg}.", ""
    except (ValueError, RecursionError, MemoryError) as error:
        return "`source` isn't valid Python", f"{error}.", ""
    hint = "Define `def grade(sample, item): …`, which returns a number."
    functions = [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef) and n.name == "grade"]
    if not functions:
        bound = {name.id for name in ast.walk(tree) if isinstance(name, ast.Name)}
        imported = {
            a.asname or a.name for n in ast.walk(tree) if isinstance(n, ast.ImportFrom) for a in n.names
        }
        return None if "grade" in bound | imported else ("`source` doesn't define `grade`", "", hint)
    if not any(
        isinstance(n, ast.Return | ast.Raise) and ast.unparse(n) != "return"
        for f in functions
        for n in ast.walk(f)
    ):
        return "`grade` returns nothing", "Its result is the score.", hint
    if any(_takes_two(function.args) for function in functions):
        return None
    return "`grade` must take two arguments: sample and item", "", hint


def _imported(source: str) -> set[str]:
    """The names of the modules that valid code imports, without those in them."""
    names = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.partition(".")[0])
    return names


def _takes_two(args: ast.arguments) -> bool:
    positional = len(args.posonlyargs) + len(args.args)
    needed = positional - len(args.defaults)
    return needed <= 2 <= positional or (needed <= 2 and args.vararg is not None)

"""Cases of the Berkeley Function Calling Leaderboard, and its own checker, from a checkout of it.

``FTOPS_CONFORMANCE_BFCL`` names the folder ``berkeley-function-call-leaderboard`` of
github.com/ShishirPatil/gorilla.
"""

from __future__ import annotations

import json
import os
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from enum import Enum
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, NamedTuple

import pytest

FOLDER = Path(os.environ.get("FTOPS_CONFORMANCE_BFCL", ""))
CATEGORIES = (
    "simple_python", "multiple", "parallel", "parallel_multiple",
    "live_simple", "live_multiple", "live_parallel", "live_parallel_multiple",
)  # fmt: skip
needed = pytest.mark.skipif(
    "FTOPS_CONFORMANCE_BFCL" not in os.environ,
    reason="NOT COMPARED with BFCL: set FTOPS_CONFORMANCE_BFCL to a checkout of it",
)
_TYPES = {"dict": "object", "float": "number", "tuple": "array", "list": "array"}

Calls = list[dict[str, dict[str, Any]]]
"""As the leaderboard has them: name → arguments."""


class Case(NamedTuple):
    id: str
    functions: list[dict[str, Any]]
    truth: list[dict[str, dict[str, list[Any]]]]
    """Name → parameter → allowed values; among them "", if it may be left out."""


def cases(category: str) -> list[Case]:
    """Those of a category. Some have no ground truth, and of a few it isn't in the right form."""
    data = FOLDER / "bfcl_eval" / "data"
    name = f"BFCL_v4_{category}.json"
    truths = {row["id"]: row["ground_truth"] for row in _rows(data / "possible_answer" / name)}
    return [
        Case(row["id"], row["function"], truths[row["id"]])
        for row in _rows(data / name)
        if row["id"] in truths and _is_whole(truths[row["id"]])
    ]


def _is_whole(truth: Any) -> bool:
    """Whether it has a list of allowed values for each parameter, at every depth."""
    return all(_are_lists(arguments) for call in truth for arguments in call.values())


def _are_lists(allowed: Mapping[str, Any]) -> bool:
    return all(isinstance(v, list) and all(_are_lists(o) for o in _objects(v)) for v in allowed.values())


def _objects(value: Any) -> list[dict[str, Any]]:
    """Those in a list, or in the lists in it."""
    if isinstance(value, dict):
        return [value]
    return [found for item in value for found in _objects(item)] if isinstance(value, list) else []


def _rows(path: Path) -> Iterator[Any]:
    return (json.loads(line) for line in path.read_text("utf-8").splitlines() if line.strip())


def checker() -> Callable[[Case, Calls, str], bool]:
    """The leaderboard's own: its module, without what it imports for models and other languages."""

    class Language(Enum):
        PYTHON = "python"
        JAVA = "java"
        JAVASCRIPT = "javascript"

    models: Mapping[str, Any] = defaultdict(lambda: SimpleNamespace(underscore_to_dot=False))
    package = "bfcl_eval.eval_checker.ast_eval.type_convertor"
    stand_ins: dict[str, dict[str, Any]] = {
        "bfcl_eval.constants.enums": {"Language": Language},
        "bfcl_eval.constants.model_config": {"MODEL_CONFIG_MAPPING": models},
        "bfcl_eval.constants.type_mappings": {"JAVA_TYPE_CONVERSION": {}, "JS_TYPE_CONVERSION": {}},
        f"{package}.java_type_converter": {"java_type_converter": None},
        f"{package}.js_type_converter": {"js_type_converter": None},
    }
    for name, content in stand_ins.items():
        sys.modules[name] = ModuleType(name)
        sys.modules[name].__dict__.update(content)
    path = FOLDER / "bfcl_eval" / "eval_checker" / "ast_eval" / "ast_checker.py"
    module = ModuleType("ast_checker")
    try:
        exec(compile(path.read_text("utf-8"), str(path), "exec"), module.__dict__)
    finally:
        for name in stand_ins:
            del sys.modules[name]

    def check(case: Case, calls: Calls, category: str) -> bool:
        found = module.ast_checker(case.functions, calls, case.truth, Language.PYTHON, category, "model")
        return bool(found["valid"])

    return check


def schema(described: Any, without: Sequence[str] = ()) -> Any:
    """A description as a JSON Schema, without these keywords."""
    if isinstance(described, list):
        return [schema(part, without) for part in described]
    if not isinstance(described, dict):
        return described
    found = {key: schema(part, without) for key, part in described.items() if key not in without}
    kind = found.get("type")
    if kind == "any":
        del found["type"]
    elif isinstance(kind, str):
        found["type"] = _TYPES.get(kind, kind)
    return found


def expected(allowed: list[Any]) -> Any:
    """Allowed values as an expectation."""
    values = [_value(value) for value in allowed if value != ""]
    if not values:
        return {"optional": {"literal": ""}}
    one = values[0] if len(values) == 1 else {"one_of": values}
    return {"optional": one} if "" in allowed else one


def _value(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: expected(allowed) for key, allowed in value.items()}
    if isinstance(value, list) and value and all(isinstance(item, dict) for item in value):
        return [_value(item) for item in value]
    return {"literal": value}


def given(allowed: list[Any], which: int = 0) -> Any:
    """One of the allowed values, as a model would write it."""
    values = [value for value in allowed if value != ""] or [""]
    value = values[which % len(values)]
    if isinstance(value, dict):
        return {key: given(options, which) for key, options in value.items() if options != [""]}
    if isinstance(value, list) and value and all(isinstance(item, dict) for item in value):
        return [{key: given(options, which) for key, options in item.items()} for item in value]
    return value

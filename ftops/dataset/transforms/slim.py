"""Shorter prompts for a model that is tuned on its functions: the guide's "optimize for cost".

descriptions   descriptions of functions and of their parameters are left out
parameters     the properties of their parameters are left out
functions      whole functions are left out; what the model learns to call stays in the answers

Whatever is left out of the examples must be left out of the requests to the tuned model too.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

from ftops.dataset.files.jsonl_io import Example

Function = Mapping[str, Any]


def slim(example: Example, what: str, only: Collection[str] = ()) -> Example:
    """The example with less in its definitions. `what` is a key of WAYS; `only`: of these functions."""
    change = WAYS[what]
    made = dict(example)
    if isinstance(example.get("functions"), list):
        made["functions"] = [f for each in example["functions"] if (f := _of(each, change, only)) is not None]
    if isinstance(example.get("tools"), list):
        made["tools"] = [t for each in example["tools"] if (t := _of_tool(each, change, only)) is not None]
    return {key: value for key, value in made.items() if value != [] or key not in ("functions", "tools")}


def _of(function: Any, change: Callable[[Function], Function | None], only: Collection[str]) -> Any:
    if not isinstance(function, dict) or (only and function.get("name") not in only):
        return function
    return change(function)


def _of_tool(tool: Any, change: Callable[[Function], Function | None], only: Collection[str]) -> Any:
    if not isinstance(tool, dict) or not isinstance(tool.get("function"), dict):
        return tool
    function = _of(tool["function"], change, only)
    return None if function is None else {**tool, "function": function}


def _without_descriptions(function: Function) -> Function:
    made = {key: value for key, value in function.items() if key != "description"}
    if isinstance(made.get("parameters"), dict):
        made["parameters"] = _undescribed(made["parameters"])
    return made


def _undescribed(schema: Any) -> Any:
    """A JSON Schema without its annotations; a property that is called `description` stays."""
    if isinstance(schema, list):
        return [_undescribed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    made = {}
    for key, value in schema.items():
        if key == "properties" and isinstance(value, dict):
            made[key] = {name: _undescribed(each) for name, each in value.items()}
        elif key in ("enum", "const", "default", "required"):
            made[key] = value
        elif key != "description" or not isinstance(value, str):
            made[key] = _undescribed(value)
    return made


def _without_parameters(function: Function) -> Function:
    parameters = function.get("parameters")
    if not isinstance(parameters, dict):
        return function
    kept = {key: value for key, value in parameters.items() if key not in ("properties", "required")}
    return {**function, "parameters": kept}


def _without_function(function: Function) -> None:
    return None


WAYS: Mapping[str, Callable[[Function], Function | None]] = {
    "descriptions": _without_descriptions,
    "parameters": _without_parameters,
    "functions": _without_function,
}

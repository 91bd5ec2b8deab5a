"""Slimming: shorter prompts for a model that is tuned on its functions ("optimize for cost" in the guide).

descriptions   removes the descriptions of functions and of their parameters
parameters     removes the properties of their parameters
functions      removes whole functions; the calls that the model learns stay in the answers

What is removed from the examples must also be left out of the requests to the tuned model.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

from ftops.dataset.files.jsonl_io import Example

Function = Mapping[str, Any]


def slim(example: Example, what: str, only: Collection[str] = ()) -> Example:
    """The example with shorter definitions. `what` is a key of WAYS; `only`: names of functions, or all."""

    def change(function: Any) -> Any:
        if not isinstance(function, dict) or (only and function.get("name") not in only):
            return function
        return WAYS[what](function)

    def change_tool(tool: Any) -> Any:
        if not isinstance(tool, dict) or not isinstance(tool.get("function"), dict):
            return tool
        function = change(tool["function"])
        return None if function is None else {**tool, "function": function}

    result = dict(example)
    for key, change_item in (("functions", change), ("tools", change_tool)):
        if isinstance(example.get(key), list):
            result[key] = [item for item in map(change_item, example[key]) if item is not None]
            if not result[key]:
                del result[key]
    return result


def _without_descriptions(function: Function) -> Function:
    result = {key: value for key, value in function.items() if key != "description"}
    if isinstance(result.get("parameters"), dict):
        result["parameters"] = _undescribed(result["parameters"])
    return result


def _undescribed(schema: Any) -> Any:
    """A JSON Schema without descriptions; a property with the name `description` stays."""
    if isinstance(schema, list):
        return [_undescribed(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    result = {}
    for key, value in schema.items():
        if key == "properties" and isinstance(value, dict):
            result[key] = {name: _undescribed(item) for name, item in value.items()}
        elif key in ("enum", "const", "default", "required"):
            result[key] = value
        elif key != "description" or not isinstance(value, str):
            result[key] = _undescribed(value)
    return result


def _without_parameters(function: Function) -> Function:
    parameters = function.get("parameters")
    if not isinstance(parameters, dict):
        return function
    kept = {key: value for key, value in parameters.items() if key not in ("properties", "required")}
    return {**function, "parameters": kept}


WAYS: Mapping[str, Callable[[Function], Function | None]] = {
    "descriptions": _without_descriptions,
    "parameters": _without_parameters,
    "functions": lambda _: None,
}

"""Conversion between `tools`/`tool_calls` and the legacy `functions`/`function_call`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from itertools import count
from typing import Any

from ftops.dataset.files.jsonl_io import Example

Message = dict[str, Any]


class Unconvertible(Exception):
    """An example that can't be expressed in the other format; says why."""


def to_tools(example: Example) -> Example:
    """The example with `tools`; calls get ids that are unique in it. A result belongs to the latest call of
    its name that has no result yet. Raises Unconvertible."""
    numbers = count(1)
    open_calls: defaultdict[str, list[str]] = defaultdict(list)
    """Ids by the name of the function."""

    def convert(message: Message) -> Message:
        if isinstance(call := message.get("function_call"), dict):
            id = f"call_{next(numbers)}"
            open_calls[str(call.get("name"))].append(id)
            calls = [{"id": id, "type": "function", "function": call}]
            return _renamed(message, {"function_call": ("tool_calls", lambda _: calls)})
        if message.get("role") != "function":
            return message
        name = str(message.get("name"))
        if not open_calls[name]:
            raise Unconvertible(f"a result of the function {name} without a call before it")
        rest = {key: value for key, value in message.items() if key not in ("role", "name")}
        return {"role": "tool", "tool_call_id": open_calls[name].pop(), **rest}

    names = {"functions": ("tools", _to_tools), "function_call": ("tool_choice", _to_tool)}
    return _converted(example, names, convert)


def to_functions(example: Example) -> Example:
    """The example with `functions`. Raises Unconvertible, for example if one message has several calls."""
    called: dict[str, str] = {}
    """Names of functions by the id of the call."""

    def convert(message: Message) -> Message:
        if isinstance(calls := message.get("tool_calls"), list):
            if len(calls) != 1:
                raise Unconvertible(
                    f"a message has {len(calls)} calls; the legacy format allows one per message"
                )
            call = calls[0] if isinstance(calls[0], dict) else {}
            function = call.get("function")
            if not isinstance(function, dict):
                raise Unconvertible("a call has no function name")
            called[str(call.get("id"))] = str(function.get("name"))
            return _renamed(message, {"tool_calls": ("function_call", lambda _: function)})
        if message.get("role") != "tool":
            return message
        id = str(message.get("tool_call_id"))
        if id not in called:
            raise Unconvertible(f"a result belongs to the call {id}, which doesn't exist")
        rest = {k: value for k, value in message.items() if k not in ("role", "tool_call_id", "name")}
        return {"role": "function", "name": called[id], **rest}

    names = {"tools": ("functions", _to_functions), "tool_choice": ("function_call", _to_function_choice)}
    result = _converted(example, names, convert)
    result.pop("parallel_tool_calls", None)
    return result


FORMS: Mapping[str, Callable[[Example], Example]] = {"tools": to_tools, "functions": to_functions}


Names = Mapping[str, tuple[str, Callable[[Any], Any]]]
"""Key → the key in its place, and what changes the value."""


def _converted(example: Example, names: Names, convert: Callable[[Message], Message]) -> Example:
    result = _renamed(example, names)
    messages = result.get("messages")
    if isinstance(messages, list):
        result["messages"] = [convert(item) if isinstance(item, dict) else item for item in messages]
    return result


def _renamed(holder: Message, names: Names) -> Message:
    """A copy with other keys and values in the places of the old ones."""
    result: Message = {}
    for key, value in holder.items():
        name, change = names.get(key, (key, None))
        result[name] = change(value) if change else value
    return result


def _to_tool(function: Any) -> Any:
    return {"type": "function", "function": function} if isinstance(function, dict) else function


def _to_tools(functions: Any) -> Any:
    if not isinstance(functions, list):
        return functions
    return [{"type": "function", "function": function} for function in functions]


def _to_functions(tools: Any) -> Any:
    if not isinstance(tools, list):
        return tools
    functions = [tool.get("function") if isinstance(tool, dict) else None for tool in tools]
    if not all(isinstance(function, dict) for function in functions):
        raise Unconvertible("a tool isn't a function")
    return functions


def _to_function_choice(choice: Any) -> Any:
    if choice == "required":
        raise Unconvertible("`tool_choice: required` has no legacy equivalent")
    return choice.get("function") if isinstance(choice, dict) else choice

"""Conversion between `tools`/`tool_calls` and the legacy `functions`/`function_call`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ftops.dataset.files.jsonl_io import Example

Message = dict[str, Any]


class Unconvertible(Exception):
    """An example that can't be expressed in the other format; says why."""


def to_tools(example: Example) -> Example:
    """The example with `tools`; calls get ids that are unique in it. Raises Unconvertible."""
    result = _renamed(
        example, {"functions": ("tools", _to_tools), "function_call": ("tool_choice", _to_tool)}
    )
    if isinstance(result.get("messages"), list):
        result["messages"] = list(_messages_to_tools(result["messages"]))
    return result


def to_functions(example: Example) -> Example:
    """The example with `functions`. Raises Unconvertible, for example if one message has several calls."""
    names = {"tools": ("functions", _to_functions), "tool_choice": ("function_call", _to_function_choice)}
    result = _renamed(example, names)
    result.pop("parallel_tool_calls", None)
    if isinstance(result.get("messages"), list):
        result["messages"] = list(_messages_to_functions(result["messages"]))
    return result


FORMS: Mapping[str, Callable[[Example], Example]] = {"tools": to_tools, "functions": to_functions}


def _messages_to_tools(messages: list[Any]) -> Iterator[Any]:
    """A result belongs to the latest call of its name that has no result yet."""
    number = 0
    open_calls: defaultdict[str, list[str]] = defaultdict(list)
    """Ids by the name of the function."""
    for message in messages:
        if not isinstance(message, dict):
            yield message
        elif isinstance(call := message.get("function_call"), dict):
            number += 1
            id = f"call_{number}"
            open_calls[str(call.get("name"))].append(id)
            calls = [{"id": id, "type": "function", "function": call}]
            yield _replaced(message, "function_call", "tool_calls", calls)
        elif message.get("role") == "function":
            name = str(message.get("name"))
            if not open_calls[name]:
                raise Unconvertible(f"a result of the function {name} without a call before it")
            rest = {key: value for key, value in message.items() if key not in ("role", "name")}
            yield {"role": "tool", "tool_call_id": open_calls[name].pop(), **rest}
        else:
            yield message


def _messages_to_functions(messages: list[Any]) -> Iterator[Any]:
    names: dict[str, str] = {}
    for message in messages:
        if not isinstance(message, dict):
            yield message
        elif isinstance(calls := message.get("tool_calls"), list):
            if len(calls) != 1:
                raise Unconvertible(
                    f"a message has {len(calls)} calls; the legacy format allows one per message"
                )
            call = calls[0] if isinstance(calls[0], dict) else {}
            function = call.get("function")
            if not isinstance(function, dict):
                raise Unconvertible("a call has no function name")
            names[str(call.get("id"))] = str(function.get("name"))
            yield _replaced(message, "tool_calls", "function_call", function)
        elif message.get("role") == "tool":
            id = str(message.get("tool_call_id"))
            if id not in names:
                raise Unconvertible(f"a result belongs to the call {id}, which doesn't exist")
            rest = {k: value for k, value in message.items() if k not in ("role", "tool_call_id", "name")}
            yield {"role": "function", "name": names[id], **rest}
        else:
            yield message


def _replaced(message: Message, old: str, new: str, value: Any) -> Message:
    """A copy with another key and value in the place of the old one."""
    return {new if key == old else key: value if key == old else own for key, own in message.items()}


def _renamed(
    holder: Mapping[str, Any], names: Mapping[str, tuple[str, Callable[[Any], Any]]]
) -> dict[str, Any]:
    """A copy with other keys and values in the places of the old ones."""
    result: dict[str, Any] = {}
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

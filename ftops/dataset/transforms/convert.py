"""Conversion between legacy `functions`/`function_call` and `tools`/`tool_calls`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ftops.dataset.files.jsonl_io import Example

Message = dict[str, Any]


class Unconvertible(Exception):
    """An example that has no counterpart in the other form; says why."""


def to_tools(example: Example) -> Example:
    """The example with `tools`; calls get ids that are unique in it. Raises Unconvertible."""
    made = _renamed(example, {"functions": ("tools", _wrapped), "function_call": ("tool_choice", _choice)})
    if isinstance(made.get("messages"), list):
        made["messages"] = list(_messages_to_tools(made["messages"]))
    return made


def to_functions(example: Example) -> Example:
    """The example with `functions`. Raises Unconvertible for several calls in one message, which the
    legacy form can't express."""
    made = _renamed(example, {"tools": ("functions", _unwrapped), "tool_choice": ("function_call", _chosen)})
    made.pop("parallel_tool_calls", None)
    if isinstance(made.get("messages"), list):
        made["messages"] = list(_messages_to_functions(made["messages"]))
    return made


FORMS: Mapping[str, Callable[[Example], Example]] = {"tools": to_tools, "functions": to_functions}


def _messages_to_tools(messages: list[Any]) -> Iterator[Any]:
    """A result belongs to the latest call of its name that has none yet."""
    number = 0
    open_calls: list[tuple[str, str]] = []
    for message in messages:
        if not isinstance(message, dict):
            yield message
        elif isinstance(call := message.get("function_call"), dict):
            number += 1
            identity = f"call_{number}"
            open_calls.append((identity, str(call.get("name"))))
            made = [{"id": identity, "type": "function", "function": call}]
            yield _replaced(message, "function_call", "tool_calls", made)
        elif message.get("role") == "function":
            yield _tool_result(message, open_calls)
        else:
            yield message


def _tool_result(message: Message, open_calls: list[tuple[str, str]]) -> Message:
    name = str(message.get("name"))
    found = next((entry for entry in reversed(open_calls) if entry[1] == name), None)
    if found is None:
        raise Unconvertible(f"a result of the function {name} without a call before it")
    open_calls.remove(found)
    rest = {key: value for key, value in message.items() if key not in ("role", "name")}
    return {"role": "tool", "tool_call_id": found[0], **rest}


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
            yield _function_result(message, names)
        else:
            yield message


def _function_result(message: Message, names: Mapping[str, str]) -> Message:
    identity = str(message.get("tool_call_id"))
    if identity not in names:
        raise Unconvertible(f"a result belongs to the call {identity}, which doesn't exist")
    rest = {key: value for key, value in message.items() if key not in ("role", "tool_call_id", "name")}
    return {"role": "function", "name": names[identity], **rest}


def _replaced(message: Message, old: str, new: str, value: Any) -> Message:
    """A copy with another key and value in the place of the old one."""
    return {new if key == old else key: value if key == old else own for key, own in message.items()}


def _renamed(
    holder: Mapping[str, Any], names: Mapping[str, tuple[str, Callable[[Any], Any]]]
) -> dict[str, Any]:
    """A copy with other keys and values in the places of the old ones."""
    made: dict[str, Any] = {}
    for key, value in holder.items():
        if key in names:
            name, change = names[key]
            made[name] = change(value)
        else:
            made[key] = value
    return made


def _wrapped(functions: Any) -> Any:
    return (
        [{"type": "function", "function": f} for f in functions] if isinstance(functions, list) else functions
    )


def _unwrapped(tools: Any) -> Any:
    if not isinstance(tools, list):
        return tools
    found = [tool.get("function") if isinstance(tool, dict) else None for tool in tools]
    if not all(isinstance(function, dict) for function in found):
        raise Unconvertible("a tool isn't a function")
    return found


def _choice(chosen: Any) -> Any:
    return {"type": "function", "function": chosen} if isinstance(chosen, dict) else chosen


def _chosen(choice: Any) -> Any:
    if choice == "required":
        raise Unconvertible("`tool_choice: required` has no legacy equivalent")
    return choice.get("function") if isinstance(choice, dict) else choice

"""Request for a response (Responses API): parsing, and the chat completion that answers it.

Sources: the Foundry reference of the Responses API and the types of the openai SDK. Of tools, only functions
are emulated.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from ftops.emulator.account.cloud import JSON, new_hex
from ftops.emulator.data_plane import response_format
from ftops.emulator.data_plane.chat_request import check_range
from ftops.emulator.http.errors import ServiceError, bad_parameter

_ROLES = ("user", "assistant", "system", "developer")
_RANGES: Mapping[str, tuple[type, float, float]] = {
    "temperature": (float, 0, 2),
    "top_p": (float, 0, 1),
    "top_logprobs": (int, 0, 20),
    "max_output_tokens": (int, 16, 2**31),
}
_NOT_EMULATED = ("background", "conversation", "prompt", "context_management")
_LOGPROBS = "message.output_text.logprobs"
_TEXT: JSON = {"format": {"type": "text"}}


class Wanted(NamedTuple):
    """A checked request. ``input``: its items, with ids. ``echo``: what the response repeats."""

    input: list[JSON]
    echo: JSON
    chat: JSON  # without messages


def parsed(body: Mapping[str, Any]) -> Wanted:
    """Raises ServiceError."""
    for name in _NOT_EMULATED:
        if body.get(name):
            raise bad_parameter(name, f"The emulator has no '{name}'.", "unsupported_parameter")
    for name, bounds in _RANGES.items():
        check_range(name, body.get(name), *bounds)
    for name in ("tools", "include"):
        if not isinstance(body.get(name) or [], list):
            raise bad_parameter(name, f"'{name}' must be a list.", "invalid_type")
    text, tools = body.get("text") or _TEXT, body.get("tools") or []
    choice = body.get("tool_choice") or "auto"
    include = body.get("include") or []
    chat = {
        **chat_parameters(text, tools),
        "tool_choice": _chat_choice(choice) if tools else None,
        "max_completion_tokens": body.get("max_output_tokens"),
        "temperature": body.get("temperature"),
        "top_p": body.get("top_p"),
        "logprobs": True if _LOGPROBS in include else None,
        "top_logprobs": body.get("top_logprobs") if _LOGPROBS in include else None,
    }
    return Wanted(
        _items(body.get("input")),
        _echo(body),
        {key: value for key, value in chat.items() if value is not None},
    )


def _echo(body: Mapping[str, Any]) -> JSON:
    usual: JSON = {
        "background": False,
        "instructions": None,
        "max_output_tokens": None,
        "metadata": {},
        "parallel_tool_calls": True,
        "previous_response_id": None,
        "reasoning": {"effort": None, "summary": None},
        "store": True,
        "temperature": 1.0,
        "text": _TEXT,
        "tool_choice": "auto",
        "tools": [],
        "top_logprobs": 0,
        "top_p": 1.0,
        "truncation": "disabled",
        "user": None,
    }
    return {key: value if body.get(key) is None else body[key] for key, value in usual.items()}


# Items


def _items(given: Any) -> list[JSON]:
    if isinstance(given, str) and given:
        given = [{"role": "user", "content": given}]
    if not isinstance(given, list) or not given:
        raise bad_parameter(
            "input", "'input' must be a text or a list of items.", "missing_required_parameter"
        )
    return [_item(index, item) for index, item in enumerate(given)]


def _item(index: int, item: Any) -> JSON:
    place = f"input[{index}]"
    if not isinstance(item, dict):
        raise bad_parameter(place, f"'{place}' must be an object.", "invalid_type")
    kind = item.get("type", "message")
    if kind not in _KINDS:
        known = ", ".join(f"'{name}'" for name in _KINDS)
        raise bad_parameter(f"{place}.type", f"Invalid value: '{kind}'. The emulator knows: {known}.")
    prefix, required = _KINDS[kind]
    for key in required:
        if not isinstance(item.get(key), str | list):
            raise bad_parameter(
                f"{place}.{key}", f"'{place}.{key}' is required.", "missing_required_parameter"
            )
    if kind == "message" and item["role"] not in _ROLES:
        known = ", ".join(f"'{role}'" for role in _ROLES)
        message = f"Invalid value: '{item['role']}'. Supported values are: {known}."
        raise bad_parameter(f"{place}.role", message)
    content = item.get("content")
    if kind == "message" and isinstance(content, str):
        text_kind = "output_text" if item["role"] == "assistant" else "input_text"
        content = [{"type": text_kind, "text": content}]
    more = {"content": content} if kind == "message" else {}
    return {"id": f"{prefix}_{new_hex()}", "type": kind, "status": "completed", **item, **more}


_KINDS = {
    "message": ("msg", ("role", "content")),
    "function_call": ("fc", ("call_id", "name", "arguments")),
    "function_call_output": ("fco", ("call_id", "output")),
    "reasoning": ("rs", ()),
}
"""By type of an item: the beginning of its id, and its keys."""


def messages(instructions: Any, items: Iterable[JSON]) -> list[JSON]:
    """A conversation as messages of a chat completion."""
    found: list[JSON] = [{"role": "system", "content": instructions}] if isinstance(instructions, str) else []
    for item in items:
        if item["type"] == "message":
            found.append({"role": item["role"], "content": _chat_content(item["content"])})
        elif item["type"] == "function_call_output":
            output = _chat_content(item["output"])
            found.append({"role": "tool", "tool_call_id": item["call_id"], "content": output})
        elif item["type"] == "function_call":
            function = {"name": item["name"], "arguments": item["arguments"]}
            call = {"id": item["call_id"], "type": "function", "function": function}
            if not (found and "tool_calls" in found[-1]):
                found.append({"role": "assistant", "content": None, "tool_calls": []})
            found[-1]["tool_calls"].append(call)
    return found


def _chat_content(content: str | list[Any]) -> str | list[JSON]:
    """Texts; of other parts, such as images, a chat completion ignores the content as well."""
    if isinstance(content, str):
        return content
    parts = [part for part in content if isinstance(part, dict)]
    if len(parts) == 1 and isinstance(parts[0].get("text"), str):
        return str(parts[0]["text"])
    return [{"type": "text", "text": part["text"]} if "text" in part else part for part in parts]


# Parameters of chat completions


def chat_parameters(text: Any, tools: Any) -> JSON:
    """The format and tools of a response as those of a chat completion. Raises ServiceError."""
    given = {
        "response_format": _chat_format(text),
        "tools": [_chat_tool(index, tool) for index, tool in enumerate(tools or [])] or None,
    }
    return {key: value for key, value in given.items() if value is not None}


def _chat_tool(index: int, tool: Any) -> JSON:
    kind = tool.get("type") if isinstance(tool, dict) else None
    if kind != "function":
        message = f"The emulator has only tools of the type 'function', not '{kind}'."
        raise bad_parameter(f"tools[{index}].type", message, "unsupported_value")
    keys = ("name", "description", "parameters", "strict")
    return {"type": "function", "function": {key: tool[key] for key in keys if tool.get(key) is not None}}


def _chat_choice(choice: Any) -> Any:
    if not isinstance(choice, dict):
        return choice
    if choice.get("type") != "function":
        raise _unknown_choice(choice)
    return {"type": "function", "function": {"name": choice.get("name")}}


def _unknown_choice(choice: JSON) -> ServiceError:
    message = f"The emulator has no tool_choice of the type '{choice.get('type')}'."
    return bad_parameter("tool_choice", message, "unsupported_value")


def _chat_format(text: Any) -> JSON | None:
    form = text.get("format") if isinstance(text, dict) else None
    if not isinstance(form, dict) or form.get("type") == "text":
        return None
    chat: JSON = {"type": form.get("type"), "json_schema": form}
    response_format.parsed(chat, "text.format")
    return chat

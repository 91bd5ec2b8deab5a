"""Preference data (method ``dpo``) as the service reads it.

A record is ``{"input": {"messages", "tools"?}, "preferred_output": [...], "non_preferred_output": [...]}``.
The trainer learns the preferred output as if it were the only one: it moves towards what people
prefer, though not by the service's loss, and it makes no use of what they do not.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ftops.emulator.trainer.examples import (
    ChatFile,
    Example,
    InvalidChat,
    InvalidData,
    conversation,
    count_tokens,
    read_chat,
    read_records,
)

_OUTPUTS = ("preferred_output", "non_preferred_output")
_OUTPUT_ROLES = ("assistant", "tool")


def read_preferences(content: bytes, what: str) -> ChatFile:
    """All examples of a file of preferences."""
    return read_records(content, what, _preference)


def read_any(content: bytes, what: str) -> ChatFile:
    """A file whose method nobody has said yet: its first line tells."""
    first = content.removeprefix(b"\xef\xbb\xbf").lstrip().partition(b"\n")[0]
    try:
        record = json.loads(first)
    except (ValueError, RecursionError):
        record = None
    read = read_preferences if isinstance(record, dict) and "input" in record else read_chat
    return read(content, what)


def read_for(method: str, content: bytes, what: str) -> ChatFile:
    """A file for a job of this method; ``InvalidData`` when it is refused."""
    if method not in _READERS:
        raise InvalidData("invalidPayload", f"No file can be read for the method '{method}'.")
    return _READERS[method](content, what)


_READERS = {"supervised": read_chat, "dpo": read_preferences}


def _preference(record: Mapping[str, Any]) -> tuple[list[Example], int]:
    given = record.get("input")
    messages = given.get("messages") if isinstance(given, dict) else None
    if not isinstance(given, dict) or not isinstance(messages, list) or not messages:
        raise InvalidChat("'input.messages' is missing or empty; preference fine-tuning needs it")
    for key in _OUTPUTS:
        _check_output(key, record.get(key))
    asked = [{**turn, "weight": 0} if _is_assistant(turn) else turn for turn in messages]
    offered = {"tools": given["tools"]} if given.get("tools") else {}
    learned = {"messages": [*asked, *record["preferred_output"]], **offered}
    other = {"messages": [*asked, *record["non_preferred_output"]], **offered}
    list(conversation(other))  # refused for the same reasons, though not learned
    return list(conversation(learned)), count_tokens(learned)


def _check_output(key: str, output: Any) -> None:
    if not isinstance(output, list) or not output:
        raise InvalidChat(f"'{key}' is missing or empty")
    roles = [turn.get("role") if isinstance(turn, dict) else None for turn in output]
    if any(role not in _OUTPUT_ROLES for role in roles) or "assistant" not in roles:
        raise InvalidChat(f"'{key}' takes messages of the roles assistant and tool, one assistant at least")


def _is_assistant(turn: Any) -> bool:
    return isinstance(turn, dict) and turn.get("role") == "assistant"

"""Request for a chat completion: parsing and validation.

Sources: Azure OpenAI's reference of chat completions, which has the ranges; public issues, which have
messages of errors.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any, NamedTuple

from ftops.emulator.data_plane import response_format
from ftops.emulator.data_plane.inference import request_key
from ftops.emulator.data_plane.response_format import Format
from ftops.emulator.http.errors import bad_parameter, bad_request
from ftops.emulator.trainer import examples
from ftops.emulator.trainer.examples import ROLES, Context, Function, InvalidChat, text_of, words

_RANGES: Mapping[str, tuple[type, float, float]] = {
    "temperature": (float, 0, 2),
    "top_p": (float, 0, 1),
    "presence_penalty": (float, -2, 2),
    "frequency_penalty": (float, -2, 2),
    "n": (int, 1, 128),
    "max_tokens": (int, 1, 2**31),
    "max_completion_tokens": (int, 1, 2**31),
    "top_logprobs": (int, 0, 20),
    "seed": (int, -(2**63), 2**63),
}
_MAX_STOPS = 4
_MAX_TOOLS = 128
_CHOICES = ("none", "auto", "required")


class Question(NamedTuple):
    """A checked request."""

    context: Context
    calls: bool  # whether the reply may be calls
    texts: bool  # whether the reply may be a text
    forced: bool  # whether one given function must be called
    format: Format | None  # of a text
    stop: tuple[str, ...]
    logprobs: int | None  # how many of the likeliest tokens are shown at each place
    tokens: tuple[str, ...]  # of the prompt; functions come first
    framing: int  # tokens that are added
    choices: int
    longest: int  # tokens that each answer may have; 0: any number
    key: str

    @property
    def prompt_tokens(self) -> int:
        return len(self.tokens) + self.framing


def parsed(body: Mapping[str, Any]) -> Question:
    """Raises ServiceError."""
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        raise bad_parameter("messages", "'messages' must be a list with at least one message.")
    for index, message in enumerate(messages):
        _check_message(index, message)
    for name, bounds in _RANGES.items():
        check_range(name, body.get(name), *bounds)
    try:
        functions, legacy = examples.offered_functions(body)
    except InvalidChat as exc:
        raise bad_request(f"Invalid request: {exc}.") from exc
    choice = body.get("tool_choice", body.get("function_call", "auto"))
    forced = _forced(choice)
    offered = body.get("tools") or body.get("functions")
    texts = (json.dumps(offered) if offered else "", *(text_of(message) for message in messages))
    form = response_format.parsed(body.get("response_format"))
    return Question(
        examples.context_of(messages, _offered(functions, forced), legacy),
        choice != "none" and bool(functions or form is None),
        choice in ("auto", "none", None),
        forced is not None,
        form,
        _stops(body.get("stop")),
        _logprobs(body),
        tuple(chain.from_iterable(map(words, texts))),
        3 * len(messages),
        body.get("n") or 1,
        body.get("max_completion_tokens") or body.get("max_tokens") or 0,
        request_key(body),
    )


def check_range(name: str, value: Any, kind: type, low: float, high: float) -> None:
    """Raise if ``value`` is given and out of range."""
    if value is None:
        return
    if type(value) is not int and (kind is int or type(value) is not float):
        what = "an integer" if kind is int else "a number"
        raise bad_parameter(name, f"Invalid type for '{name}': expected {what}.", "invalid_type")
    if not low <= value <= high:
        word, bound, side, sign = ("below", low, "min", ">=") if value < low else ("above", high, "max", "<=")
        number = "integer" if kind is int else "decimal"
        message = (
            f"Invalid '{name}': {number} {word} {side}imum value. Expected a value {sign} {bound:g}, but got "
            f"{value} instead."
        )
        raise bad_parameter(name, message, f"{number}_{word}_{side}_value")


def _check_message(index: int, message: Any) -> None:
    """Less strict than for training: roles may have any order, and content may be null beside calls."""
    place = f"messages[{index}]"
    if not isinstance(message, dict):
        raise bad_parameter(place, f"'{place}' must be an object.", "invalid_type")
    if message.get("role") not in ROLES:
        known = ", ".join(f"'{role}'" for role in ROLES)
        message = f"Invalid value: '{message.get('role')}'. Supported values are: {known}."
        raise bad_parameter(f"{place}.role", message)
    content = message.get("content")
    if content is None and message["role"] != "assistant":
        raise bad_parameter(f"{place}.content", "Invalid value for 'content': expected a string, got null.")
    if content is not None and not isinstance(content, str | list):
        raise bad_parameter(f"{place}.content", f"'{place}.content' must be a string or a list of parts.")


def _forced(choice: Any) -> str | None:
    """The function that must be called. Raises ServiceError."""
    if isinstance(choice, dict):
        return str((choice.get("function") or choice).get("name"))
    if choice is not None and choice not in _CHOICES:
        known = ", ".join(f"'{word}'" for word in _CHOICES)
        raise bad_parameter("tool_choice", f"Invalid value: '{choice}'. Supported values are: {known}.")
    return None


def _offered(functions: Sequence[Function], forced: str | None) -> tuple[Function, ...]:
    """Those that can be called. Raises ServiceError."""
    if len(functions) > _MAX_TOOLS:
        raise bad_parameter("tools", f"Invalid 'tools': at most {_MAX_TOOLS} are allowed.")
    found = tuple(function for function in functions if forced in (None, function.name))
    if forced is not None and not found:
        raise bad_parameter("tool_choice", f"The chosen function '{forced}' is not among those offered.")
    return found


def _stops(given: Any) -> tuple[str, ...]:
    stops = [given] if isinstance(given, str) else given or []
    if not isinstance(stops, list) or not all(isinstance(stop, str) for stop in stops):
        raise bad_parameter("stop", "'stop' must be a string or a list of strings.", "invalid_type")
    if len(stops) > _MAX_STOPS:
        raise bad_parameter("stop", f"Invalid 'stop': at most {_MAX_STOPS} sequences are allowed.")
    return tuple(filter(None, stops))


def _logprobs(body: Mapping[str, Any]) -> int | None:
    wanted, count = body.get("logprobs"), body.get("top_logprobs")
    if wanted is not None and not isinstance(wanted, bool):
        raise bad_parameter("logprobs", "Invalid type for 'logprobs': expected a boolean.", "invalid_type")
    if count is not None and not wanted:
        message = "The 'top_logprobs' parameter is only allowed when 'logprobs' is enabled."
        raise bad_parameter("top_logprobs", message)
    return (count or 0) if wanted else None

"""Questions to a model and its answers, as the chat completions API has them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from hashlib import sha256
from typing import Any, Protocol, runtime_checkable

from msgspec import Struct, field

from ftops.core.same_object import SameObject
from ftops.dataset.files.jsonl_io import canonical
from ftops.evaluation.calls import Call

NO_SETTINGS = ("model", "messages", "tools", "functions", "stream", "n")
"""Parameters that settings can't set: they would ask another model, or something else."""


class Question(Struct, frozen=True):
    """What is sent: `settings` are the parameters of the request beside model, messages and tools."""

    messages: tuple[Mapping[str, Any], ...]
    tools: tuple[Mapping[str, Any], ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    sample: int = 0
    """Which of several answers to the same question."""

    def key(self, model: str) -> str:
        """By what the answer depends on: the identity of the model, never the name of its deployment."""
        rest = _rest(SameObject(self.tools), SameObject(self.settings))
        parts = (canonical(model), canonical(self.messages), rest, b"%d" % self.sample)
        return sha256(b"[%b]" % b",".join(parts)).hexdigest()


@lru_cache(maxsize=16)
def _rest(tools: SameObject[Any], settings: SameObject[Any]) -> bytes:
    """What most questions have in common, as JSON: far longer than their messages."""
    return canonical(tools.value) + b"," + canonical(settings.value)


class Usage(Struct, frozen=True):
    """Tokens, as the service counts them."""

    input: int = 0
    cached: int = 0
    output: int = 0


class Answer(Struct, frozen=True):
    """What a model replied. `milliseconds` is the time until the whole reply was there."""

    content: str = ""
    calls: tuple[Call, ...] = ()
    finish_reason: str = ""
    model: str = ""
    """As the service names it, with its version."""
    fingerprint: str = ""
    usage: Usage = Usage()
    milliseconds: float = 0.0


class Failure(Struct, frozen=True):
    """Why there is no answer. It is neither right nor wrong."""

    reason: str


@runtime_checkable
class Answers(Protocol):
    """A provider whose deployments can be asked. One attempt each; raises Temporary or Permanent."""

    def ask(self, deployment: str, question: Question) -> Answer: ...


@runtime_checkable
class Grades(Protocol):
    """A provider whose service runs the graders of reinforcement fine-tuning. One attempt each; raises
    Temporary or Permanent."""

    def grade(self, grader: Mapping[str, Any], sample: str, item: Mapping[str, Any]) -> Mapping[str, Any]: ...


def answer_from(reply: Mapping[str, Any], milliseconds: float = 0.0) -> Answer:
    """Of a chat completion. Raises ValueError if it isn't one."""
    try:
        choice = reply["choices"][0]
        message = choice["message"]
        tools = message.get("tool_calls") or ()
        calls = [tool.get("function") or tool.get("custom") or {"name": tool["type"]} for tool in tools]
        if not calls and (legacy := message.get("function_call")):
            calls = [legacy]
        return Answer(
            _text(message.get("content") or message.get("refusal")),
            tuple(_call(call) for call in calls),
            _text(choice.get("finish_reason")),
            _text(reply.get("model")),
            _text(reply.get("system_fingerprint")),
            _usage(reply.get("usage")),
            milliseconds,
        )
    except (KeyError, IndexError, TypeError, AttributeError) as error:
        raise ValueError("the reply isn't a chat completion") from error


def _call(call: Mapping[str, Any]) -> Call:
    """Some servers send arguments as an object instead of its text."""
    if not isinstance(call["name"], str):
        raise TypeError
    arguments = call.get("arguments", call.get("input"))
    text = json.dumps(arguments) if isinstance(arguments, dict) else _text(arguments)
    return Call(_text(call["name"]), text)


def _text(value: Any) -> str:
    """What of a text is no Unicode becomes `?`, so that it can be kept and shown."""
    if isinstance(value, list):  # parts of a content
        value = "".join(part["text"] for part in value if "text" in part)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise TypeError
    return value.encode("utf-8", "replace").decode()


def _usage(usage: Any) -> Usage:
    """0 for what isn't a number of tokens: answers don't depend on it."""
    usage = usage if isinstance(usage, dict) else {}
    details = usage.get("prompt_tokens_details")
    cached = details.get("cached_tokens") if isinstance(details, dict) else 0
    counts = (usage.get("prompt_tokens"), cached, usage.get("completion_tokens"))
    return Usage(*(n if isinstance(n, int) and 0 <= n < 1 << 40 else 0 for n in counts))

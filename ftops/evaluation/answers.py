"""Questions to a model and its answers, as the chat completions API has them."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from typing import Any, Protocol, runtime_checkable

from msgspec import Struct, field

from ftops.dataset.files.jsonl_io import canonical
from ftops.evaluation.calls import Call


class Question(Struct, frozen=True):
    """What is sent: `settings` are the parameters of the request beside model, messages and tools."""

    messages: tuple[Mapping[str, Any], ...]
    tools: tuple[Mapping[str, Any], ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    sample: int = 0
    """Which of several answers to the same question."""

    def key(self, model: str) -> str:
        """By what the answer depends on: the identity of the model, never the name of its deployment."""
        content = [model, self.messages, self.tools, self.settings, self.sample]
        return sha256(canonical(content)).hexdigest()


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


def answer_from(reply: Mapping[str, Any], milliseconds: float = 0.0) -> Answer:
    """Of a chat completion. Raises ValueError if it isn't one."""
    try:
        choice = reply["choices"][0]
        message = choice["message"]
        calls = [tool["function"] for tool in message.get("tool_calls") or () if tool.get("function")]
        if legacy := message.get("function_call"):
            calls.append(legacy)
        return Answer(
            message.get("content") or message.get("refusal") or "",
            tuple(Call(call["name"], call.get("arguments") or "") for call in calls),
            choice.get("finish_reason") or "",
            reply.get("model") or "",
            reply.get("system_fingerprint") or "",
            _usage(reply.get("usage") or {}),
            milliseconds,
        )
    except (KeyError, IndexError, TypeError, AttributeError) as error:
        raise ValueError("the reply isn't a chat completion") from error


def _usage(usage: Mapping[str, Any]) -> Usage:
    details = usage.get("prompt_tokens_details") or {}
    return Usage(
        usage.get("prompt_tokens") or 0,
        details.get("cached_tokens") or 0,
        usage.get("completion_tokens") or 0,
    )

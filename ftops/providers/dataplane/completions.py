"""Chat completions: one question to a deployment, one attempt."""

from __future__ import annotations

from collections.abc import Iterable
from time import monotonic, perf_counter
from typing import TYPE_CHECKING, Any

from ftops.core.errors import Permanent, Temporary
from ftops.evaluation.answers import Answer, Question, answer_from
from ftops.providers.dataplane.client import DataPlane, decoded

if TYPE_CHECKING:
    from openai import OpenAI

_FILTERED = frozenset({"content_filter", "contentfilter", "responsibleaipolicyviolation"})
"""Codes of a refusal by the content filter, in lower case."""
_UNKNOWN = "deploymentnotfound"
_MOST_BYTES = 32 << 20
_MOST_SECONDS = 120.0
"""For the content of a reply, after its head. No answer is that long: a server that sends more, or never
ends, is broken."""


def ask(service: DataPlane, deployment: str, question: Question) -> Answer:
    """A prompt that the content filter refuses has an answer, too: an empty one, marked as filtered. Raises
    Temporary and Permanent."""
    try:
        return _ask(service, service.data, deployment, question)
    except (Permanent, Temporary) as error:
        other = service.elsewhere(deployment) if error.code.lower() == _UNKNOWN else None
        if other is None:
            raise
        return _ask(service, other, deployment, question)


def _ask(service: DataPlane, client: OpenAI, deployment: str, question: Question) -> Answer:
    action = f"ask deployment {deployment}"
    more = dict(question.settings)  # as they are: the SDK refuses those that it doesn't know
    if question.tools:
        more["tools"] = list(question.tools)
    started = perf_counter()
    try:
        with service.calling(action):
            completions = client.chat.completions.with_streaming_response
            messages: Any = list(question.messages)
            with completions.create(model=deployment, messages=messages, extra_body=more) as reply:
                content = _content(reply.iter_bytes(), action)
        answered = decoded(content, action)
    except Permanent as error:
        if error.code.lower() not in _FILTERED:
            raise
        return Answer(finish_reason="content_filter", milliseconds=_since(started))
    try:
        return answer_from(answered, _since(started))
    except ValueError as error:
        raise Temporary(f"{action}: {error}") from error


def _content(pieces: Iterable[bytes], action: str) -> bytes:
    content, end = bytearray(), monotonic() + _MOST_SECONDS
    for piece in pieces:
        content += piece
        if len(content) > _MOST_BYTES or monotonic() > end:
            raise Temporary(f"{action}: the reply doesn't end", f"{len(content):,} bytes have arrived.")
    return bytes(content)


def _since(started: float) -> float:
    return round((perf_counter() - started) * 1000, 1)

"""Chat completions: one question to a deployment, one attempt."""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING, Any

from ftops.core.errors import Permanent, Temporary
from ftops.evaluation.answers import Answer, Question, answer_from
from ftops.providers.dataplane.client import DataPlane, body_of

if TYPE_CHECKING:
    from openai import OpenAI

_FILTERED = frozenset({"content_filter", "contentfilter", "responsibleaipolicyviolation"})
"""Codes of a refusal by the content filter, in lower case."""
_UNKNOWN = "deploymentnotfound"


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
            completions = client.chat.completions.with_raw_response
            messages: Any = list(question.messages)
            reply = completions.create(model=deployment, messages=messages, extra_body=more)
        answered = body_of(reply, action)
    except Permanent as error:
        if error.code.lower() not in _FILTERED:
            raise
        return Answer(finish_reason="content_filter", milliseconds=_since(started))
    try:
        return answer_from(answered, _since(started))
    except ValueError as error:
        raise Temporary(f"{action}: {error}") from error


def _since(started: float) -> float:
    return round((perf_counter() - started) * 1000, 1)

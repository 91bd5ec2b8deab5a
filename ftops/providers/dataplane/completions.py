"""Chat completions: one question to a deployment, one attempt."""

from __future__ import annotations

from time import perf_counter
from typing import Any

from ftops.core.errors import Permanent, Temporary
from ftops.evaluation.answers import Answer, Question, answer_from
from ftops.providers.dataplane.client import DataPlane, body_of

_FILTERED = frozenset({"content_filter", "contentfilter", "responsibleaipolicyviolation"})
"""Codes of a refusal by the content filter, in lower case."""


def ask(service: DataPlane, deployment: str, question: Question) -> Answer:
    """A prompt that the content filter refuses has an answer, too: an empty one, marked as filtered. Raises
    Temporary and Permanent."""
    action = f"ask deployment {deployment}"
    more = dict(question.settings)  # as they are: the SDK refuses those that it doesn't know
    if question.tools:
        more["tools"] = list(question.tools)
    started = perf_counter()
    try:
        with service.calling(action):
            completions = service.data.chat.completions.with_raw_response
            messages: Any = list(question.messages)
            reply = body_of(completions.create(model=deployment, messages=messages, extra_body=more), action)
    except Permanent as error:
        if error.code.lower() not in _FILTERED:
            raise
        return Answer(finish_reason="content_filter", milliseconds=_since(started))
    try:
        return answer_from(reply, _since(started))
    except ValueError as error:
        raise Temporary(f"{action}: {error}") from error


def _since(started: float) -> float:
    return round((perf_counter() - started) * 1000, 1)

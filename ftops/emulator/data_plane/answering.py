"""Answers of deployments: from a tuned model, by the rules for base models, or recorded."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Any, NamedTuple

from starlette.requests import Request

from ftops.emulator.account import catalog
from ftops.emulator.account.cloud import JSON, Cloud, TunedModel, new_hex
from ftops.emulator.control_plane import deployment_state
from ftops.emulator.data_plane import chat_request, inference, routing
from ftops.emulator.data_plane.chat_request import Question
from ftops.emulator.data_plane.inference import MODEL, Memory
from ftops.emulator.data_plane.routing import Served
from ftops.emulator.http.errors import Plane, ServiceError, bad_parameter, deployment_not_found
from ftops.emulator.http.messages import plane_of
from ftops.emulator.trainer import base_model
from ftops.emulator.trainer.examples import Reply, first_words, text_of, words
from ftops.emulator.trainer.tokens import Token, of_rule

_USUAL_TOKENS = 20
"""Of an answer that takes ``answer_seconds``."""
_LONGEST_WAIT = 30.0
_IMPOSSIBLE = -9999.0
"""The service's logprob of a token that is very unlikely."""


class Answer(NamedTuple):
    """A message, in the format of chat completions. ``usage`` is as recorded."""

    message: JSON
    reason: str
    usage: JSON | None = None
    logprobs: Sequence[Token] | None = None

    @property
    def tokens(self) -> int:
        calls = [call["function"] for call in self.message.get("tool_calls") or ()]
        calls += [call] if (call := self.message.get("function_call")) else []
        texts = (str(call["name"]) + str(call["arguments"]) for call in calls)
        return sum(len(words(text)) for text in (text_of(self.message), *texts))


class Answered(NamedTuple):
    """The answers to a question; ``model`` is what replies call the model that gave them."""

    model: str
    question: Question
    answers: Sequence[Answer]
    cached: int = 0  # tokens of the prompt
    headers: Mapping[str, str] = {}

    @property
    def usage(self) -> JSON:
        prompt, output = self.question.prompt_tokens, sum(answer.tokens for answer in self.answers)
        counted = {
            "prompt_tokens": prompt,
            "completion_tokens": output,
            "total_tokens": prompt + output,
            "prompt_tokens_details": {"cached_tokens": self.cached},
        }
        return self.answers[0].usage or counted


async def to_request(cloud: Cloud, request: Request, name: str, body: Mapping[str, Any]) -> Answered:
    """The answers of a deployment to the body of a chat completion, as fast and as often as it may answer.
    Raises ServiceError."""
    served, question = routing.served(cloud, plane_of(request), name), chat_request.parsed(body)
    memory: Memory = request.scope["emulator.memory"]
    version = request.query_params.get("api-version") or "v1"
    most = question.prompt_tokens + question.longest * question.choices
    headers = memory.limits.take(cloud, served.deployment, most, version)
    found = await asyncio.to_thread(_answered, cloud, memory, served, question)
    cached = memory.prompts.read(found.model, question.tokens, cloud.clock.now())
    await asyncio.sleep(_seconds(cloud, found.answers[0].tokens))
    return found._replace(model=served.name or found.model, cached=cached, headers=headers)


def at_once(cloud: Cloud, memory: Memory, name: str, body: Mapping[str, Any]) -> Answered:
    """The same for a request of the service itself, which no limit applies to. For any thread."""
    with cloud.lock:
        served = routing.served(cloud, Plane.V1, name)
    return _answered(cloud, memory, served, chat_request.parsed(body))


def _seconds(cloud: Cloud, tokens: int) -> float:
    """How long an answer takes, in real time."""
    seconds = cloud.settings.answer_seconds * tokens / _USUAL_TOKENS
    return min(seconds / (cloud.clock.rate or 1.0), _LONGEST_WAIT)


def _answered(cloud: Cloud, memory: Memory, served: Served, question: Question) -> Answered:
    model = served.model
    tuned = deployment_state.tuned_model(cloud, model)
    known = catalog.find(model["name"], model.get("version"))
    if tuned is None and known is None:
        raise deployment_not_found()
    model_id = tuned.id if tuned else known.id if known else ""
    if model["name"] == MODEL:
        found = memory.recordings.find(cloud.settings.recordings, question.key)
        numbers = [memory.count(model_id, question.key) for _ in range(question.choices)]
        return Answered(model_id, question, [_recorded(found[number % len(found)]) for number in numbers])
    usual = _reply(cloud, tuned, question)
    replies = [usual] * question.choices
    if share := cloud.settings.answer_noise:
        seeds = [(model_id, question.key, memory.count(model_id, question.key)) for _ in replies]
        replies = [inference.with_noise(usual, question.context, share, seed) for seed in seeds]
    answers = [_message(question, drawn) for drawn in replies]
    if question.logprobs is not None:
        answers = [_with_logprobs(cloud, tuned, question, usual, answer) for answer in answers]
    return Answered(model_id, question, [_shortened(answer, question) for answer in answers])


def _reply(cloud: Cloud, tuned: TunedModel | None, question: Question) -> Reply:
    """The usual reply, in the format of the question. Raises ServiceError if there is none."""
    form = question.format
    found = inference.answer(cloud, tuned, question, form.fits if form else None)
    if form is None or found.calls or form.fits(found.text):
        return found
    raise _unfit(cloud, tuned, question)


def _unfit(cloud: Cloud, tuned: TunedModel | None, question: Question) -> ServiceError:
    best = inference.answer(cloud, tuned, question, None).text
    if tuned is None or question.format is None or best == base_model.GREETING:
        message = "There is no language model here that could write JSON; see `ftops docs emulator`."
    else:
        why = question.format.problem(best) or "it is not possible here"
        message = (
            "No text that this model has learned fits 'response_format'. The most probable one is "
            f"{json.dumps(first_words(best, 20), ensure_ascii=False)}: {why}."
        )
    return bad_parameter("response_format", message)


def _recorded(line: JSON) -> Answer:
    message = {"role": "assistant", "content": None, "refusal": None, **line["message"]}
    reason = line.get("finish_reason") or ("tool_calls" if message.get("tool_calls") else "stop")
    return Answer(message, str(reason), line.get("usage"))


def _message(question: Question, reply: Reply) -> Answer:
    start: JSON = {"role": "assistant", "refusal": None}
    if not reply.calls:
        return Answer({**start, "content": reply.text}, "stop")
    calls = [
        {"name": call.name, "arguments": json.dumps(dict(call.arguments), ensure_ascii=False)}
        for call in reply.calls
    ]
    legacy = question.context.legacy if question.context.functions else reply.legacy
    if legacy:
        reason = "stop" if question.forced else "function_call"
        return Answer({**start, "content": None, "function_call": calls[0]}, reason)
    tool_calls = [{"id": f"call_{new_hex()[:24]}", "type": "function", "function": call} for call in calls]
    reason = "stop" if question.forced else "tool_calls"
    return Answer({**start, "content": None, "tool_calls": tool_calls}, reason)


# Probabilities


def _with_logprobs(
    cloud: Cloud, tuned: TunedModel | None, question: Question, usual: Reply, answer: Answer
) -> Answer:
    """Those of the model, without noise. Calls have none, as in the service."""
    text, count = answer.message.get("content"), question.logprobs or 0
    if text is None:
        return answer
    if tuned is None or usual.text == base_model.GREETING:
        return answer._replace(logprobs=of_rule(text, usual.text, count))
    found = inference.probabilities(cloud, tuned, question.context, text, count)
    return answer._replace(logprobs=found)


def described_logprobs(tokens: Sequence[Token] | None) -> list[JSON] | None:
    """On the wire."""
    if tokens is None:
        return None
    return [
        {**_described(token.text, token.logprob), "top_logprobs": [_described(*one) for one in token.others]}
        for token in tokens
    ]


def _described(text: str, logprob: float) -> JSON:
    shown = logprob if isfinite(logprob) else _IMPOSSIBLE
    return {"token": text, "logprob": shown, "bytes": list(text.encode())}


# Ends


def _shortened(answer: Answer, question: Question) -> Answer:
    """Cut off before a stop sequence, and where it has as many tokens as requested."""
    if text := answer.message["content"]:
        ends = [text.index(stop) for stop in question.stop if stop in text]
        answer = answer._replace(message={**answer.message, "content": text[: min(ends, default=None)]})
    if question.longest and answer.tokens > question.longest:
        answer = answer._replace(message=_cut(answer.message, question.longest), reason="length")
    return answer._replace(logprobs=_cut_tokens(answer.logprobs, len(answer.message["content"] or "")))


def _cut(message: JSON, left: int) -> JSON:
    """The message with so many tokens."""
    if message["content"]:
        return {**message, "content": first_words(message["content"], left)}
    if function := message.get("function_call"):
        return {**message, "function_call": _cut_call(function, left)}
    calls = []
    for call in message["tool_calls"]:
        if left > 0:
            calls.append({**call, "function": _cut_call(call["function"], left)})
        left -= len(words(call["function"]["name"] + call["function"]["arguments"]))
    return {**message, "tool_calls": calls}


def _cut_call(function: JSON, tokens: int) -> JSON:
    """At least its name stays."""
    left = max(0, tokens - len(words(function["name"])))
    return {**function, "arguments": first_words(function["arguments"], left)}


def _cut_tokens(tokens: Sequence[Token] | None, length: int) -> Sequence[Token] | None:
    """The tokens of the first ``length`` characters."""
    if tokens is None:
        return None
    kept = []
    for token in tokens:
        if length > 0:
            kept.append(token._replace(text=token.text[:length]))
        length -= len(token.text)
    return kept

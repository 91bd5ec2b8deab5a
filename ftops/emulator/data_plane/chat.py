"""Chat completions: from the tuned model of a deployment, by the rules for base models, or recorded."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from itertools import chain
from typing import Any, NamedTuple

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from ftops.emulator.account import catalog
from ftops.emulator.account.cloud import JSON, Cloud, new_hex
from ftops.emulator.control_plane import deployment_state
from ftops.emulator.data_plane import inference, routing
from ftops.emulator.data_plane.inference import MODEL, Memory, request_key
from ftops.emulator.grading.judge import Said
from ftops.emulator.grading.outcome import Usage
from ftops.emulator.http.errors import Plane, bad_request, deployment_not_found
from ftops.emulator.http.messages import plane_of, read_object, reply
from ftops.emulator.trainer import base_model, examples
from ftops.emulator.trainer.examples import Context, InvalidChat, Reply, first_words, text_of, words

_MAX_CHOICES = 128
_USUAL_TOKENS = 20
"""Of an answer that takes ``answer_seconds``."""
_LONGEST_WAIT = 30.0


class _Question(NamedTuple):
    """A checked request."""

    context: Context
    calls: bool  # whether the reply may be calls
    texts: bool  # whether the reply may be a text
    forced: bool  # whether one given function must be called
    is_json: bool  # whether a text must be JSON
    tokens: tuple[str, ...]  # of the prompt; functions come first
    framing: int  # tokens that are added
    choices: int
    longest: int  # tokens that each answer may have, as requested
    key: str

    @property
    def prompt_tokens(self) -> int:
        return len(self.tokens) + self.framing


class _Answer(NamedTuple):
    """A message, in the format of the request. ``usage`` is as recorded."""

    message: JSON
    reason: str
    usage: JSON | None = None

    @property
    def tokens(self) -> int:
        calls = [call["function"] for call in self.message.get("tool_calls") or ()]
        calls += [call] if (call := self.message.get("function_call")) else []
        texts = (str(call["name"]) + str(call["arguments"]) for call in calls)
        return sum(len(words(text)) for text in (text_of(self.message), *texts))


async def complete(cloud: Cloud, request: Request) -> Response:
    body = await read_object(request)
    name = str(request.path_params.get("deployment") or body.get("model"))
    served = routing.served(cloud, plane_of(request), name)
    question = _question(body)
    memory: Memory = request.scope["emulator.memory"]
    version = request.query_params.get("api-version") or "v1"
    most = question.prompt_tokens + question.longest * question.choices
    headers = memory.limits.take(cloud, served.deployment, most, version)
    model_id, answers = await asyncio.to_thread(_answers, cloud, memory, served.model, question)
    cached = memory.prompts.read(model_id, question.tokens, cloud.clock.now())
    await asyncio.sleep(_seconds(cloud, answers[0].tokens))
    completion = _completion(cloud, served.name or model_id, question, answers, cached)
    if not body.get("stream"):
        return reply(completion, headers=headers)
    usage = bool((body.get("stream_options") or {}).get("include_usage"))
    return StreamingResponse(_chunks(completion, usage), headers=headers, media_type="text/event-stream")


def ask(cloud: Cloud, memory: Memory, name: str, body: JSON) -> Said:
    """The answer of a deployment to a request of the service itself, which no limit applies to. Raises
    ServiceError."""
    with cloud.lock:
        served = routing.served(cloud, Plane.V1, name)
    question = _question(body)
    model_id, (answer, *_) = _answers(cloud, memory, served.model, question)
    return Said(
        answer.message, answer.reason != "length", Usage(model_id, question.prompt_tokens, answer.tokens)
    )


def _seconds(cloud: Cloud, tokens: int) -> float:
    """How long an answer takes, in real time."""
    seconds = cloud.settings.answer_seconds * tokens / _USUAL_TOKENS
    return min(seconds / (cloud.clock.rate or 1.0), _LONGEST_WAIT)


def _answers(cloud: Cloud, memory: Memory, model: JSON, question: _Question) -> tuple[str, Sequence[_Answer]]:
    """The id of the model, and an answer for each choice. Raises ServiceError."""
    tuned = deployment_state.tuned_model(cloud, model)
    known = catalog.find(model["name"], model.get("version"))
    if tuned is None and known is None:
        raise deployment_not_found()
    model_id = tuned.id if tuned else known.id if known else ""
    context, calls, texts, *_ = question
    if model["name"] == MODEL:
        found = memory.recordings.find(cloud.settings.recordings, question.key)
        numbers = [memory.count(model_id, question.key) for _ in range(question.choices)]
        return model_id, [_recorded(found[number % len(found)]) for number in numbers]
    usual = inference.answer(cloud, tuned, context, calls, texts)
    if question.is_json and usual.text == base_model.GREETING:
        raise bad_request("There is no language model here that could write JSON; see docs/emulator.md.")
    replies = [usual] * question.choices
    if share := cloud.settings.answer_noise:
        seeds = [(model_id, question.key, memory.count(model_id, question.key)) for _ in replies]
        replies = [inference.with_noise(usual, context, share, seed) for seed in seeds]
    answers = [_message(question, drawn) for drawn in replies]
    return model_id, [_shortened(answer, question.longest) for answer in answers]


def _shortened(answer: _Answer, longest: int) -> _Answer:
    """Cut off where it has as many tokens as requested."""
    if not longest or answer.tokens <= longest:
        return answer
    message, left = dict(answer.message), longest
    if message["content"]:
        message["content"] = first_words(message["content"], left)
    elif function := message.get("function_call"):
        message["function_call"] = _cut(function, left)
    else:
        message["tool_calls"] = []
        for call in answer.message["tool_calls"]:
            if left > 0:
                message["tool_calls"].append({**call, "function": _cut(call["function"], left)})
            left -= len(words(call["function"]["name"] + call["function"]["arguments"]))
    return _Answer(message, "length")


def _cut(function: JSON, tokens: int) -> JSON:
    """At least its name stays."""
    left = max(0, tokens - len(words(function["name"])))
    return {**function, "arguments": first_words(function["arguments"], left)}


def _recorded(line: JSON) -> _Answer:
    message = {"role": "assistant", "content": None, "refusal": None, **line["message"]}
    reason = line.get("finish_reason") or ("tool_calls" if message.get("tool_calls") else "stop")
    return _Answer(message, str(reason), line.get("usage"))


def _question(body: Mapping[str, Any]) -> _Question:
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        raise bad_request("'messages' must be a list with at least one message.")
    try:
        if not all(isinstance(item, dict) and isinstance(item.get("role"), str) for item in messages):
            raise InvalidChat("every message needs a 'role'")
        # Inference is less strict than training: content may be null beside calls, roles may have any order.
        examples.check_messages([{"role": "user", "content": text_of(messages[-1])}])
        functions, legacy = examples.offered_functions(body)
    except InvalidChat as exc:
        raise bad_request(f"Invalid request: {exc}.") from exc
    choice = body.get("tool_choice", body.get("function_call", "auto"))
    forced = str((choice.get("function") or choice).get("name")) if isinstance(choice, dict) else None
    if forced is not None:
        functions = tuple(function for function in functions if function.name == forced)
        if not functions:
            raise bad_request(f"The chosen function '{forced}' is not among those offered.")
    offered = body.get("tools") or body.get("functions")
    texts = (json.dumps(offered) if offered else "", *(text_of(message) for message in messages))
    form = body.get("response_format")
    return _Question(
        examples.context_of(messages, functions, legacy),
        choice != "none",
        choice in ("auto", "none", None),
        forced is not None,
        isinstance(form, dict) and str(form.get("type")).startswith("json"),
        tuple(chain.from_iterable(map(words, texts))),
        3 * len(messages),
        _choices(body),
        _longest(body),
        request_key(body),
    )


def _choices(body: Mapping[str, Any]) -> int:
    count = body.get("n") or 1
    if type(count) is not int or not 1 <= count <= _MAX_CHOICES:
        raise bad_request(f"'n' must be an integer from 1 to {_MAX_CHOICES}.")
    return count


def _longest(body: Mapping[str, Any]) -> int:
    given = body.get("max_completion_tokens") or body.get("max_tokens") or 0
    if type(given) is not int or given < 0:
        raise bad_request("'max_tokens' must be a positive integer.")
    return given


def _completion(
    cloud: Cloud, model: str, question: _Question, answers: Sequence[_Answer], cached: int
) -> JSON:
    prompt, output = question.prompt_tokens, sum(answer.tokens for answer in answers)
    usage = {
        "prompt_tokens": prompt,
        "completion_tokens": output,
        "total_tokens": prompt + output,
        "prompt_tokens_details": {"cached_tokens": cached},
    }
    return {
        "id": f"chatcmpl-{new_hex()}",
        "object": "chat.completion",
        "created": int(cloud.clock.now()),
        "model": model,
        "choices": [
            {"index": index, "finish_reason": answer.reason, "logprobs": None, "message": answer.message}
            for index, answer in enumerate(answers)
        ],
        "system_fingerprint": "fp_emulator",
        "usage": answers[0].usage or usage,
    }


def _message(question: _Question, answer: Reply) -> _Answer:
    start: JSON = {"role": "assistant", "refusal": None}
    if not answer.calls:
        return _Answer({**start, "content": answer.text}, "stop")
    calls = [
        {"name": call.name, "arguments": json.dumps(dict(call.arguments), ensure_ascii=False)}
        for call in answer.calls
    ]
    legacy = question.context.legacy if question.context.functions else answer.legacy
    if legacy:
        reason = "stop" if question.forced else "function_call"
        return _Answer({**start, "content": None, "function_call": calls[0]}, reason)
    tool_calls = [{"id": f"call_{new_hex()[:24]}", "type": "function", "function": call} for call in calls]
    reason = "stop" if question.forced else "tool_calls"
    return _Answer({**start, "content": None, "tool_calls": tool_calls}, reason)


async def _chunks(completion: JSON, usage: bool) -> AsyncIterator[bytes]:
    head = {key: completion[key] for key in ("id", "created", "model", "system_fingerprint")} | {
        "object": "chat.completion.chunk"
    }
    for choice in completion["choices"]:
        message = dict(choice["message"])
        if calls := message.get("tool_calls"):
            message["tool_calls"] = [{**call, "index": i} for i, call in enumerate(calls)]
        for delta, reason in ((message, None), ({}, choice["finish_reason"])):
            part = {"index": choice["index"], "delta": delta, "finish_reason": reason}
            yield _event({**head, "choices": [part]})
    if usage:
        yield _event({**head, "choices": [], "usage": completion["usage"]})
    yield b"data: [DONE]\n\n"


def _event(value: JSON) -> bytes:
    return f"data: {json.dumps(value, ensure_ascii=False)}\n\n".encode()

"""Chat completions: from the tuned model of a deployment, or by the rules for base models."""

from __future__ import annotations

import asyncio
import json
from collections import OrderedDict
from collections.abc import AsyncIterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from ftops.emulator.account import catalog
from ftops.emulator.account.cloud import JSON, Cloud, TunedModel, new_hex
from ftops.emulator.control_plane import deployment_state
from ftops.emulator.http.errors import ServiceError, deployment_not_found
from ftops.emulator.http.messages import read_object, reply
from ftops.emulator.trainer import base_model, examples
from ftops.emulator.trainer.examples import Context, InvalidChat, Reply, text_of, words

if TYPE_CHECKING:
    from ftops.emulator.trainer.model import Model

_MAX_LOADED = 4
_MAX_CHOICES = 128


class _Question(NamedTuple):
    """A checked request."""

    context: Context
    calls: bool  # whether the reply may be calls
    texts: bool  # whether the reply may be a text
    forced: bool  # whether one given function must be called
    prompt_tokens: int


class LoadedModels:
    """The tuned models that were used last, in memory."""

    def __init__(self) -> None:
        self._loaded: OrderedDict[str, Model] = OrderedDict()

    def get(self, cloud: Cloud, tuned: TunedModel) -> Model:
        # Imported here: numpy is loaded by the first request for a tuned model.
        from ftops.emulator.trainer import model

        loaded = self._loaded.pop(tuned.weights, None)
        self._loaded[tuned.weights] = loaded or model.load(cloud.weights(tuned.weights))
        while len(self._loaded) > _MAX_LOADED:
            self._loaded.popitem(last=False)
        return self._loaded[tuned.weights]


async def complete(cloud: Cloud, request: Request) -> Response:
    body = await read_object(request)
    name = request.path_params.get("deployment") or body.get("model")
    model = deployment_state.serving(cloud, str(name))
    question = _question(body)
    tuned = deployment_state.tuned_model(cloud, model)
    known = catalog.find(model["name"], model.get("version"))
    if tuned is None and known is None:
        raise deployment_not_found()
    loaded: LoadedModels = request.scope["emulator.loaded_models"]
    answer = await asyncio.to_thread(_answer, cloud, loaded, tuned, question)
    model_id = tuned.id if tuned else known.id if known else ""
    completion = _completion(cloud, model_id, question, answer, _choices(body))
    if not body.get("stream"):
        return reply(completion)
    usage = bool((body.get("stream_options") or {}).get("include_usage"))
    return StreamingResponse(_chunks(completion, usage), media_type="text/event-stream")


def _answer(cloud: Cloud, loaded: LoadedModels, tuned: TunedModel | None, question: _Question) -> Reply:
    context, calls, texts, *_ = question
    learned = None
    if tuned is not None:
        from ftops.emulator.trainer import model

        learned = model.answer(loaded.get(cloud, tuned), context, texts=texts, calls=calls)
    return learned or base_model.answer(context, texts=texts, calls=calls)


def _question(body: Mapping[str, Any]) -> _Question:
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        raise _bad("'messages' must be a list with at least one message.")
    try:
        if not all(isinstance(item, dict) and isinstance(item.get("role"), str) for item in messages):
            raise InvalidChat("every message needs a 'role'")
        # Inference is less strict than training: content may be null beside calls, roles may have any order.
        examples.check_messages([{"role": "user", "content": text_of(messages[-1])}])
        functions, legacy = examples.offered_functions(body)
    except InvalidChat as exc:
        raise _bad(f"Invalid request: {exc}.") from exc
    choice = body.get("tool_choice", body.get("function_call", "auto"))
    forced = str((choice.get("function") or choice).get("name")) if isinstance(choice, dict) else None
    if forced is not None:
        functions = tuple(function for function in functions if function.name == forced)
        if not functions:
            raise _bad(f"The chosen function '{forced}' is not among those offered.")
    offered = body.get("tools") or body.get("functions")
    text = " ".join(text_of(message) for message in messages)
    return _Question(
        examples.context_of(messages, functions, legacy),
        choice != "none",
        choice in ("auto", "none", None),
        forced is not None,
        len(words(text + (json.dumps(offered) if offered else ""))) + 3 * len(messages),
    )


def _choices(body: Mapping[str, Any]) -> int:
    count = body.get("n") or 1
    if type(count) is not int or not 1 <= count <= _MAX_CHOICES:
        raise _bad(f"'n' must be an integer from 1 to {_MAX_CHOICES}.")
    return count


def _completion(cloud: Cloud, model: str, question: _Question, answer: Reply, count: int) -> JSON:
    message, reason = _message(question, answer)
    texts = [message.get("content") or "", *(c.name + json.dumps(dict(c.arguments)) for c in answer.calls)]
    completion_tokens = sum(len(words(text)) for text in texts) * count
    choices = [
        {"index": index, "finish_reason": reason, "logprobs": None, "message": message}
        for index in range(count)
    ]
    return {
        "id": f"chatcmpl-{new_hex()}",
        "object": "chat.completion",
        "created": int(cloud.clock.now()),
        "model": model,
        "choices": choices,
        "system_fingerprint": "fp_emulator",
        "usage": {
            "prompt_tokens": question.prompt_tokens,
            "completion_tokens": completion_tokens,
            "total_tokens": question.prompt_tokens + completion_tokens,
        },
    }


def _message(question: _Question, answer: Reply) -> tuple[JSON, str]:
    """The message, in the format of the request, and the finish reason."""
    start: JSON = {"role": "assistant", "refusal": None}
    if not answer.calls:
        return {**start, "content": answer.text}, "stop"
    calls = [
        {"name": call.name, "arguments": json.dumps(dict(call.arguments), ensure_ascii=False)}
        for call in answer.calls
    ]
    legacy = question.context.legacy if question.context.functions else answer.legacy
    if legacy:
        reason = "stop" if question.forced else "function_call"
        return {**start, "content": None, "function_call": calls[0]}, reason
    tool_calls = [{"id": f"call_{new_hex()[:24]}", "type": "function", "function": call} for call in calls]
    return {**start, "content": None, "tool_calls": tool_calls}, ("stop" if question.forced else "tool_calls")


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


def _bad(message: str) -> ServiceError:
    return ServiceError(400, "BadRequest", message)

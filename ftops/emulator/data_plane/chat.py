"""Chat completions: whole, or as a stream."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from ftops.emulator.account.cloud import JSON, Cloud, new_hex
from ftops.emulator.data_plane import answering
from ftops.emulator.data_plane.answering import Answer, Answered, described_logprobs
from ftops.emulator.http.errors import bad_parameter
from ftops.emulator.http.messages import read_object, reply, server_sent
from ftops.emulator.trainer.tokens import pieces


async def complete(cloud: Cloud, request: Request) -> Response:
    body = await read_object(request)
    options = body.get("stream_options")
    if options is not None and not (body.get("stream") and isinstance(options, dict)):
        message = "The 'stream_options' parameter is only allowed when 'stream' is enabled."
        raise bad_parameter("stream_options", message)
    name = str(request.path_params.get("deployment") or body.get("model"))
    found = await answering.to_request(cloud, request, name, body)
    head = {
        "id": f"chatcmpl-{new_hex()}",
        "created": int(cloud.clock.now()),
        "model": found.model,
        "system_fingerprint": "fp_emulator",
    }
    if body.get("stream"):
        chunks = _chunks(head, found, bool((options or {}).get("include_usage")))
        return StreamingResponse(chunks, headers=found.headers, media_type="text/event-stream")
    choices = [_choice(index, answer) for index, answer in enumerate(found.answers)]
    completion = {**head, "object": "chat.completion", "choices": choices, "usage": found.usage}
    return reply(completion, headers=found.headers)


def _choice(index: int, answer: Answer) -> JSON:
    tokens = described_logprobs(answer.logprobs)
    return {
        "index": index,
        "finish_reason": answer.reason,
        "logprobs": None if tokens is None else {"content": tokens, "refusal": None},
        "message": answer.message,
    }


async def _chunks(head: JSON, found: Answered, with_usage: bool) -> AsyncIterator[bytes]:
    head = {**head, "object": "chat.completion.chunk", **({"usage": None} if with_usage else {})}
    for index, answer in enumerate(found.answers):
        for delta, tokens, reason in _deltas(answer):
            logprobs = {"content": tokens, "refusal": None} if tokens else None
            choice = {"index": index, "delta": delta, "logprobs": logprobs, "finish_reason": reason}
            yield server_sent({**head, "choices": [choice]})
    if with_usage:
        yield server_sent({**head, "choices": [], "usage": found.usage})
    yield b"data: [DONE]\n\n"


Delta = tuple[JSON, Sequence[JSON] | None, str | None]
"""What is new in a message, its logprobs, and the reason for which it ends."""


def _deltas(answer: Answer) -> Iterator[Delta]:
    """A message as it is written: first its role, then a token at a time."""
    message, tokens = answer.message, described_logprobs(answer.logprobs)
    calls, legacy = message.get("tool_calls") or (), message.get("function_call")
    start = {key: value for key, value in message.items() if key not in ("tool_calls", "function_call")}
    text = message["content"]
    yield {**start, "content": text if text is None else ""}, None, None
    for index, piece in enumerate(pieces(text or "")):
        yield {"content": piece}, tokens[index : index + 1] if tokens else None, None
    for index, call in enumerate(calls):
        for part in _written(call["function"]):
            first = {"id": call["id"], "type": call["type"]} if "name" in part else {}
            yield {"tool_calls": [{"index": index, **first, "function": part}]}, None, None
    for part in _written(legacy) if legacy else ():
        yield {"function_call": part}, None, None
    yield {}, None, answer.reason


def _written(function: JSON) -> Iterator[Any]:
    """A call as it is written: first the name, then the arguments."""
    yield {"name": function["name"], "arguments": ""}
    for piece in pieces(function["arguments"]):
        yield {"arguments": piece}

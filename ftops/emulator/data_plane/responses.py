"""Responses API: create, stream, read and delete responses, which the service keeps for 30 days.

A response is answered like a chat completion with the same conversation, so recordings of the model
``replay`` apply to both.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from ftops.emulator.account.cloud import JSON, Cloud, StoredResponse, new_hex
from ftops.emulator.data_plane import answering, response_events, response_request
from ftops.emulator.data_plane.answering import Answer, Answered, described_logprobs
from ftops.emulator.data_plane.response_request import Wanted
from ftops.emulator.http.errors import ServiceError, bad_parameter
from ftops.emulator.http.messages import page, read_object, reply

_KEPT_SECONDS = 30 * 24 * 3600.0


async def create(cloud: Cloud, request: Request) -> Response:
    body = await read_object(request)
    wanted, previous = response_request.parsed(body), body.get("previous_response_id")
    items = [*_conversation(cloud, previous), *wanted.input]
    chat = {**wanted.chat, "messages": response_request.messages(wanted.echo["instructions"], items)}
    found = await answering.to_request(cloud, request, str(body.get("model")), chat)
    answered = _described(f"resp_{new_hex()}", cloud.clock.now(), wanted, found)
    if wanted.echo["store"]:
        cloud.responses.put(
            StoredResponse(answered["id"], cloud.clock.now(), wanted.input, answered, previous)
        )
    if body.get("stream"):
        events = response_events.stream(answered)
        return StreamingResponse(events, headers=found.headers, media_type="text/event-stream")
    return reply(answered, headers=found.headers)


async def get(cloud: Cloud, request: Request) -> Response:
    found = _existing(cloud, request)
    if request.query_params.get("stream", "").lower() == "true":
        raise bad_parameter(
            "stream", "Only a response of the background can be streamed after it was created."
        )
    return reply(found.reply)


async def delete(cloud: Cloud, request: Request) -> Response:
    found = _existing(cloud, request)
    cloud.responses.remove(found.id)
    return reply({"id": found.id, "object": "response", "deleted": True})


async def cancel(cloud: Cloud, request: Request) -> Response:
    _existing(cloud, request)
    raise bad_parameter("response_id", "Cannot cancel a synchronous response.")


async def list_input_items(cloud: Cloud, request: Request) -> Response:
    """The whole conversation, newest first."""
    found = _existing(cloud, request)
    rows = [*_conversation(cloud, found.previous), *found.input]
    if request.query_params.get("order", "desc") == "desc":
        rows.reverse()
    listed = page(request, rows, 20)
    ends = [row["id"] for row in listed["data"]] or [None]
    return reply({**listed, "first_id": ends[0], "last_id": ends[-1]})


# Conversations


def _conversation(cloud: Cloud, name: Any) -> list[JSON]:
    """The input and output of a response and of those before it. Raises ServiceError."""
    items: list[JSON] = []
    while name is not None:
        found = _find(cloud, str(name))
        if found is None:
            message = f"Previous response with id '{name}' not found."
            raise bad_parameter("previous_response_id", message, "previous_response_not_found")
        items = [*found.input, *found.reply["output"], *items]
        name = found.previous
    return items


def _find(cloud: Cloud, name: str) -> StoredResponse | None:
    found = cloud.responses.get(name)
    if found is not None and cloud.clock.now() >= found.created + _KEPT_SECONDS:
        cloud.responses.remove(name)
        return None
    return found


def _existing(cloud: Cloud, request: Request) -> StoredResponse:
    name = request.path_params["response"]
    found = _find(cloud, name)
    if found is None:
        raise ServiceError(404, "not_found", f"Response with id '{name}' not found.", param="response_id")
    return found


# On the wire


def _described(name: str, at: float, wanted: Wanted, found: Answered) -> JSON:
    answer = found.answers[0]
    is_whole = answer.reason != "length"
    return {
        "id": name,
        "object": "response",
        "created_at": int(at),
        "status": "completed" if is_whole else "incomplete",
        "error": None,
        "incomplete_details": None if is_whole else {"reason": "max_output_tokens"},
        "model": found.model,
        "output": list(_output(answer, "completed" if is_whole else "incomplete")),
        "usage": _usage(found.usage),
        **wanted.echo,
    }


def _output(answer: Answer, status: str) -> Iterable[JSON]:
    message = answer.message
    legacy = [{"function": message["function_call"]}] if message.get("function_call") else []
    for call in [*(message.get("tool_calls") or ()), *legacy]:
        yield {
            "id": f"fc_{new_hex()}",
            "type": "function_call",
            "status": status,
            "call_id": call.get("id") or f"call_{new_hex()[:24]}",
            **call["function"],
        }
    if (text := message.get("content")) is not None:
        tokens = described_logprobs(answer.logprobs) or []
        part = {"type": "output_text", "annotations": [], "logprobs": tokens, "text": text}
        yield {
            "id": f"msg_{new_hex()}",
            "type": "message",
            "status": status,
            "role": "assistant",
            "content": [part],
        }


def _usage(usage: JSON) -> JSON:
    """As of a chat completion, in the words of this API."""
    cached = (usage.get("prompt_tokens_details") or {}).get("cached_tokens", 0)
    return {
        "input_tokens": usage.get("prompt_tokens", 0),
        "input_tokens_details": {"cached_tokens": cached},
        "output_tokens": usage.get("completion_tokens", 0),
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": usage.get("total_tokens", 0),
    }

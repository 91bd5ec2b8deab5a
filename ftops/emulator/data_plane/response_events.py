"""Streams of the Responses API: the documented sequence of events of a response that is known as a whole."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

from ftops.emulator.account.cloud import JSON
from ftops.emulator.http.messages import server_sent
from ftops.emulator.trainer.tokens import pieces

Event = tuple[str, JSON]
"""Its type, and its fields."""


async def stream(response: JSON) -> AsyncIterator[bytes]:
    for number, (kind, fields) in enumerate(_events(response)):
        yield server_sent({"type": kind, "sequence_number": number, **fields}, kind)


def _events(response: JSON) -> Iterator[Event]:
    started = {**response, "status": "in_progress", "output": [], "usage": None, "incomplete_details": None}
    yield "response.created", {"response": started}
    yield "response.in_progress", {"response": started}
    for index, item in enumerate(response["output"]):
        place = {"output_index": index}
        written = _message if item["type"] == "message" else _call
        yield (
            "response.output_item.added",
            {**place, "item": {**item, "status": "in_progress", **_EMPTY[item["type"]]}},
        )
        yield from written(item, {**place, "item_id": item["id"]})
        yield "response.output_item.done", {**place, "item": item}
    yield f"response.{response['status']}", {"response": response}


_EMPTY: dict[str, JSON] = {"message": {"content": []}, "function_call": {"arguments": ""}}
"""What an item has when it begins."""


def _message(item: JSON, place: JSON) -> Iterator[Event]:
    for index, part in enumerate(item["content"]):
        here = {**place, "content_index": index}
        yield "response.content_part.added", {**here, "part": {**part, "text": "", "logprobs": []}}
        for number, piece in enumerate(pieces(part["text"])):
            tokens: list[Any] = part["logprobs"][number : number + 1]
            yield "response.output_text.delta", {**here, "delta": piece, "logprobs": tokens}
        whole = {"text": part["text"], "logprobs": part["logprobs"]}
        yield "response.output_text.done", {**here, **whole}
        yield "response.content_part.done", {**here, "part": part}


def _call(item: JSON, place: JSON) -> Iterator[Event]:
    for piece in pieces(item["arguments"]):
        yield "response.function_call_arguments.delta", {**place, "delta": piece}
    done = {"name": item["name"], "arguments": item["arguments"]}
    yield "response.function_call_arguments.done", {**place, **done}

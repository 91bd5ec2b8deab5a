"""Reading requests and writing replies: what every route needs."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message, Receive

from ftops.emulator.http.errors import Plane, ServiceError, invalid

T = TypeVar("T")
MAX_BYTES = 64 * 1024 * 1024
"""Of a body that is read as a whole: images may stand in it."""


class JSONReply(Response):
    """A JSON reply."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()


def reply(content: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """``content`` as JSON."""
    return JSONReply(content, status, dict(headers or {}))


def created(request: Request, content: dict[str, Any], path: str) -> Response:
    """A new object: 201 with its Location on the dated plane, 200 on v1."""
    if plane_of(request) is Plane.V1:
        return reply(content)
    return reply(content, 201, {"location": f"{request.base_url}openai/{path}"})


def plane_of(request: Request) -> Plane:
    """The plane that the request's route belongs to."""
    plane: Plane = request.scope["emulator.plane"]
    return plane


async def read_body(request: Request, limit: int = MAX_BYTES) -> bytes:
    """The request's body, up to so many bytes."""
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > limit:
            message = f"The request body has more than {limit} bytes."
            raise ServiceError(413, "RequestEntityTooLarge", message, {"connection": "close"})
    return bytes(body)


def impatient(receive: Receive, seconds: float) -> Receive:
    """A body that stops coming is not waited for: 408."""
    whole = False

    async def received() -> Message:
        nonlocal whole
        if whole:
            return await receive()
        try:
            message = await asyncio.wait_for(receive(), seconds)
        except TimeoutError:
            late = "The rest of the request did not come."
            raise ServiceError(408, "RequestTimeout", late, {"connection": "close"}) from None
        whole = not message.get("more_body", False)
        return message

    return received


async def read_object(request: Request) -> dict[str, Any]:
    """The JSON object in the request's body."""
    try:
        value = json.loads(await read_body(request) or b"{}")
    except ValueError as exc:
        raise _unreadable(request, "The request body is not valid JSON.") from exc
    if not isinstance(value, dict):
        raise _unreadable(request, "The request body must be a JSON object.")
    request.scope["emulator.body_keys"] = sorted(value)
    return value


def _unreadable(request: Request, message: str) -> ServiceError:
    if plane_of(request) is Plane.ARM:
        return ServiceError(400, "InvalidRequestContent", message)
    return invalid(message)


def page(request: Request, items: Sequence[T], key: Callable[[T], str], default: int) -> tuple[list[T], bool]:
    """The page of ``items`` after the cursor ``after``, and whether there are more."""
    after = request.query_params.get("after")
    limit = _limit(request.query_params.get("limit"), default)
    start = 0
    if after is not None:
        found = [index for index, item in enumerate(items) if key(item) == after]
        if not found:
            raise invalid(f"The cursor '{after}' does not exist in this list.")
        start = found[0] + 1
    return list(items[start : start + limit]), len(items) > start + limit


def _limit(text: str | None, default: int) -> int:
    if text is None:
        return default
    if not text.isdecimal() or len(text) > 5 or not 1 <= int(text) <= 10000:
        raise invalid("'limit' must be an integer between 1 and 10000.")
    return int(text)


def listing(data: list[dict[str, Any]], has_more: bool) -> dict[str, Any]:
    """A list object of the data plane."""
    return {"object": "list", "data": data, "has_more": has_more}

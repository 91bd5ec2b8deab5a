"""Requests and replies: bodies, pages of lists, JSON; injected errors and dropped connections."""

from __future__ import annotations

import asyncio
import json
import math
import re
from collections.abc import Mapping, Sequence
from http.client import responses
from typing import Any

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from ftops.emulator.account.faults import Rule
from ftops.emulator.http.auth import WRONG_KEY
from ftops.emulator.http.errors import Plane, ServiceError, invalid

MAX_BYTES = 64 * 1024 * 1024
"""Of a body that is read into memory. It may contain images."""


def reply(content: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """``content`` as JSON."""
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
    return Response(text, status, headers, "application/json")


def server_sent(content: Mapping[str, Any], event: str = "") -> bytes:
    """``content`` as an event of a stream."""
    name = f"event: {event}\n" if event else ""
    return f"{name}data: {json.dumps(content, ensure_ascii=False)}\n\n".encode()


def created(request: Request, content: dict[str, Any], path: str) -> Response:
    """The reply to a create: 201 with Location on the dated plane, 200 on v1."""
    if plane_of(request) is Plane.V1:
        return reply(content)
    return reply(content, 201, {"location": f"{request.base_url}openai/{path}"})


def plane_of(request: Request) -> Plane:
    plane: Plane = request.scope["emulator.plane"]
    return plane


_FORWARDED_HOST = re.compile(r"(?:[A-Za-z0-9.-]+|\[[0-9A-Fa-f:]+\])(?::\d{1,5})?")


def use_forwarded(scope: Scope) -> None:
    """Let the URLs in replies be those that the client of a proxy sees: X-Forwarded-Proto and -Host.

    They are believed of everybody: only this machine can connect, and only who sent them gets the reply.
    """
    headers = Headers(scope=scope)
    protocol, host = (
        headers.get(f"x-forwarded-{name}", "").partition(",")[0].strip() for name in ("proto", "host")
    )
    if protocol in ("http", "https"):
        scope["scheme"] = protocol
    if _FORWARDED_HOST.fullmatch(host):
        others = [(name, value) for name, value in scope["headers"] if name != b"host"]
        scope["headers"] = [(b"host", host.encode("ascii")), *others]


async def read_body(request: Request, limit: int = MAX_BYTES) -> bytes:
    """The body of a request, of at most ``limit`` bytes."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > limit:
            message = f"The request body has more than {limit} bytes."
            raise ServiceError(413, "RequestEntityTooLarge", message, {"connection": "close"})
    return bytes(body)


def with_timeout(receive: Receive, seconds: float) -> Receive:
    """``receive`` that raises 408 if the body stops arriving."""
    is_complete = False

    async def receive_in_time() -> Message:
        nonlocal is_complete
        if is_complete:
            return await receive()
        try:
            message = await asyncio.wait_for(receive(), seconds)
        except TimeoutError:
            late = "The rest of the request did not arrive."
            raise ServiceError(408, "RequestTimeout", late, {"connection": "close"}) from None
        is_complete = not message.get("more_body", False)
        return message

    return receive_in_time


async def read_object(request: Request) -> dict[str, Any]:
    """The JSON object in the body of a request."""
    try:
        value = _parsed((await read_body(request)).decode() or "{}")
    except ValueError as exc:
        raise _unreadable(request, "The request body is not valid JSON.") from exc
    if not isinstance(value, dict):
        raise _unreadable(request, "The request body must be a JSON object.")
    request.scope["emulator.body_keys"] = sorted(value)
    return value


def _parsed(text: str) -> Any:
    """JSON by the standard, with numbers that a float can hold and text that can be sent back. Raises
    ValueError and RecursionError."""
    value = json.loads(text, parse_constant=_finite, parse_int=_integer, parse_float=_finite)
    if "\\ud" in text.lower():  # perhaps half a character
        json.dumps(value, ensure_ascii=False).encode()
    return value


def _integer(text: str) -> int:
    _finite(text)
    return int(text)


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text[:20]} is out of range")
    return number


def _unreadable(request: Request, message: str) -> ServiceError:
    if plane_of(request) is Plane.ARM:
        return ServiceError(400, "InvalidRequestContent", message)
    return invalid(message)


def page(request: Request, rows: Sequence[dict[str, Any]], default: int) -> dict[str, Any]:
    """The list of ``rows`` after the cursor ``after``, as many as the request asks for."""
    after = request.query_params.get("after")
    text = request.query_params.get("limit", str(default))
    if not text.isdecimal() or len(text) > 5 or not 1 <= int(text) <= 10000:
        raise invalid("'limit' must be an integer between 1 and 10000.")
    keys = [row["id"] for row in rows]
    if after is not None and after not in keys:
        raise invalid(f"The cursor '{after}' does not exist in this list.")
    start = 0 if after is None else keys.index(after) + 1
    end = start + int(text)
    return {"object": "list", "data": rows[start:end], "has_more": len(rows) > end}


_GATEWAY_TEXTS = {401: WRONG_KEY, 404: "Resource not found"}
_PAGE = (
    "<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n<center><h1>{title}</h1></center>\r\n"
    "<hr><center>Microsoft-Azure-Application-Gateway/v2</center>\r\n</body>\r\n</html>\r\n"
)


def fault_reply(rule: Rule, plane: Plane) -> Response:
    status = rule.status or 500
    if rule.body == "html":
        page = _PAGE.format(title=f"{status} {responses.get(status, 'Error')}")
        return Response(page, status, rule.headers, "text/html")
    if rule.body == "empty":
        return Response(None, status, rule.headers)
    code = str(status) if rule.body == "gateway" else rule.code or str(status)
    usual = _GATEWAY_TEXTS.get(status) if rule.body == "gateway" else None
    error = ServiceError(status, code, rule.message or usual or "An injected fault.")
    # The gateway has one format of errors for all planes.
    return reply(error.body(Plane.DATED if rule.body == "gateway" else plane), status, rule.headers)


def abort(send: Send) -> None:
    """Close the connection without a reply. ASGI has no message for that, so uvicorn's cycle does it."""
    cycle = getattr(send, "__self__", None)
    if cycle is None:
        raise RuntimeError("dropping a connection needs uvicorn's h11 protocol")
    cycle.disconnected = True
    cycle.transport.abort()


async def send_half(response: Response, scope: Scope, receive: Receive, send: Send) -> None:
    """Send the headers of the whole body and half of it, then close the connection."""
    cycle = getattr(send, "__self__", None)

    async def cut(message: Message) -> None:
        if message["type"] == "http.response.body":
            body = message.get("body", b"")
            await send({**message, "body": body[: len(body) // 2], "more_body": True})
        else:
            await send(message)

    await response(scope, receive, cut)
    if cycle is not None:
        cycle.disconnected = True
        cycle.transport.close()

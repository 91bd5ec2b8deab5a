"""Fault replies: injected errors, dropped connections, truncated bodies."""

from __future__ import annotations

from http.client import responses

from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from ftops.emulator.account.faults import Rule
from ftops.emulator.http.auth import WRONG_KEY
from ftops.emulator.http.errors import Plane, ServiceError
from ftops.emulator.http.messages import reply

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

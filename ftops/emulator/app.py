"""The ASGI application: finds the route, checks the caller, applies faults, keeps the log."""

from __future__ import annotations

import asyncio
import re
import sys
import time
import traceback
import uuid
from collections import deque
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from ftops.emulator.auth import Credentials
from ftops.emulator.chat import Minds
from ftops.emulator.cloud import JSON, Cloud
from ftops.emulator.errors import Plane, ServiceError, gateway_not_found, resource_not_found
from ftops.emulator.faults import Rule
from ftops.emulator.http import reply
from ftops.emulator.routes import Route, table
from ftops.emulator.schedule import Schedule

LOGGED = 1000
_DATED_VERSION = re.compile(r"\d{4}-\d{2}-\d{2}(-preview)?")
_V1_VERSIONS = (None, "v1", "preview")
_ACCOUNT_PATH = re.compile(
    r"/subscriptions/[^/]+/resourceGroups/(?P<group>[^/]+)/providers/Microsoft\.CognitiveServices"
    r"/accounts/(?P<account>[^/]+)",
    re.IGNORECASE,
)
_PREFIXES = (
    ("/openai/v1/", Plane.V1),
    ("/openai/", Plane.DATED),
    ("/_emulator/", Plane.ADMIN),
    ("/subscriptions/", Plane.ARM),
)
MSI_PATH = "/msi/token"


class App:
    """Answers HTTP requests for a cloud."""

    def __init__(self, cloud: Cloud, credentials: Credentials, notify: Callable[[], None]) -> None:
        self.cloud = cloud
        self.schedule = Schedule(cloud, notify)
        self.last_request = time.monotonic()
        self.in_flight = 0
        self._credentials = credentials
        self._routes = table(cloud.account)
        self._log: deque[JSON] = deque(maxlen=LOGGED)
        self._minds = Minds()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        self.in_flight += 1
        try:
            await self._serve(scope, receive, send)
        finally:
            self.in_flight -= 1
            self.last_request = time.monotonic()

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        plane = _plane(request.url.path)
        scope.update(self._belongings(plane))
        rule = None
        if plane is not Plane.ADMIN:
            rule = self.cloud.faults.take(scope["method"], request.url.path)
        if rule is None:
            rule = _NO_FAULT
        await asyncio.sleep(rule.delay)
        if rule.effect == "drop_before":
            self._note(request, None)
            return _abort(send)
        scope["emulator.job_fault"] = rule.job
        scope["emulator.deployment_fault"] = rule.deployment
        response = await self._response(request, plane, rule)
        self._note(request, response.status_code)
        if rule.effect == "drop_after":
            return _abort(send)
        if rule.effect == "truncate":
            return await _send_half(response, scope, receive, send)
        return await response(scope, receive, send)

    def _belongings(self, plane: Plane) -> dict[str, Any]:
        return {
            "emulator.plane": plane,
            "emulator.schedule": self.schedule,
            "emulator.minds": self._minds,
            "emulator.log": self._log,
            "emulator.key": self._credentials.key,
        }

    async def _response(self, request: Request, plane: Plane, rule: Rule) -> Response:
        if rule.replies and rule.effect == "none":
            response = _fault_reply(rule, plane)
        else:
            response = await self._answer(request, plane)
            if rule.replies:
                response = _fault_reply(rule, plane)
        for name, value in _tracing_headers(plane).items():
            response.headers.setdefault(name, value)
        return response

    async def _answer(self, request: Request, plane: Plane) -> Response:
        try:
            if request.url.path == MSI_PATH:
                return self._token(request)
            route = self._route(request, plane)
            return await route.answer(self.cloud, request)
        except ServiceError as error:
            return reply(error.body(plane), error.status, error.headers)
        except ClientDisconnect:
            return Response(status_code=499)
        except Exception:  # noqa: BLE001 - the server's last resort, shown where it runs
            traceback.print_exc(file=sys.stderr)
            broken = ServiceError(500, "InternalServerError", "The emulator failed; see its log.")
            return reply(broken.body(plane), 500)

    def _route(self, request: Request, plane: Plane) -> Route:
        """The route of a request whose caller and api-version are in order."""
        path = request.scope["path"]
        if not (plane is Plane.ADMIN and path == "/_emulator/health"):
            local = not self.cloud.settings.disable_local_auth
            self._credentials.check(plane, request.headers, local)
        _check_version(plane, request)
        raw = request.scope.get("raw_path", path.encode()).decode("ascii").partition("?")[0]
        for route in self._routes[plane]:
            found = route.pattern.fullmatch(raw)
            if found and route.method == request.method:
                request.scope["path_params"] = {
                    name: unquote(value) for name, value in found.groupdict().items()
                }
                return route
        raise self._unknown(plane, path)

    def _unknown(self, plane: Plane, path: str) -> ServiceError:
        if plane is not Plane.ARM:
            return gateway_not_found()
        found = _ACCOUNT_PATH.match(path)
        if found is None:
            return ServiceError(404, "InvalidResourceType", f"Nothing is known at '{path}'.")
        resource = f"Microsoft.CognitiveServices/accounts/{found['account']}"
        return resource_not_found(resource, found["group"])

    def _token(self, request: Request) -> Response:
        """GET /msi/token: the managed-identity endpoint (2019-08-01)."""
        if not self._credentials.knows_key(request.headers.get("x-identity-header")):
            raise ServiceError(401, "unauthorized_client", "X-IDENTITY-HEADER is missing or wrong.")
        resource = request.query_params.get("resource")
        if not resource:
            raise ServiceError(400, "invalid_request", "The parameter 'resource' is required.")
        return reply(self._credentials.token(resource))

    def _note(self, request: Request, status: int | None) -> None:
        self._log.append(
            {
                "at": self.cloud.clock.now(),
                "method": request.method,
                "path": request.url.path,
                "query": sorted(request.query_params.keys()),
                "status": status,
                "body_keys": request.scope.get("emulator.body_keys", []),
            }
        )


_NO_FAULT = Rule("* /")


def _plane(path: str) -> Plane:
    found = (plane for prefix, plane in _PREFIXES if path.lower().startswith(prefix))
    return next(found, Plane.DATED)


def _check_version(plane: Plane, request: Request) -> None:
    version = request.query_params.get("api-version")
    if plane is Plane.DATED and not _DATED_VERSION.fullmatch(version or ""):
        raise gateway_not_found()
    if plane is Plane.V1 and version not in _V1_VERSIONS:
        raise ServiceError(
            400, "BadRequest", "api-version query parameter is not allowed when using /v1 path"
        )
    if plane is Plane.ARM and not _DATED_VERSION.fullmatch(version or ""):
        raise ServiceError(
            400,
            "MissingApiVersionParameter",
            "The api-version query parameter (?api-version=) is required for all requests.",
        )


def _tracing_headers(plane: Plane) -> dict[str, str]:
    identifier = str(uuid.uuid4())
    if plane is Plane.ARM:
        return {
            "x-ms-request-id": identifier,
            "x-ms-correlation-request-id": identifier,
            "cache-control": "no-cache",
        }
    return {"apim-request-id": identifier, "x-ms-request-id": identifier, "x-ms-region": "emulator"}


def _fault_reply(rule: Rule, plane: Plane) -> Response:
    status = rule.status or 500
    error = ServiceError(status, rule.code or str(status), rule.message or "An injected fault.")
    return reply(error.body(plane), status, rule.headers)


def _abort(send: Send) -> None:
    """Close the connection without a word. ASGI has no message for that; uvicorn's cycle can."""
    cycle = getattr(send, "__self__", None)
    if cycle is None:
        raise RuntimeError("dropping a connection needs uvicorn's h11 protocol")
    cycle.disconnected = True
    cycle.transport.abort()


async def _send_half(response: Response, scope: Scope, receive: Receive, send: Send) -> None:
    """Announce the whole body, send half of it, and close."""
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

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
from email.utils import formatdate
from typing import Any
from urllib.parse import unquote

from starlette.formparsers import MultiPartException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from ftops.emulator.account.cloud import JSON, Cloud, Principal
from ftops.emulator.account.faults import Rule
from ftops.emulator.control_plane import account_life
from ftops.emulator.data_plane.chat import Minds
from ftops.emulator.data_plane.job_schedule import Schedule
from ftops.emulator.http.access import require
from ftops.emulator.http.auth import OWNER, Credentials
from ftops.emulator.http.errors import Plane, ServiceError, gateway_not_found, invalid, resource_not_found
from ftops.emulator.http.messages import impatient, reply
from ftops.emulator.http.mishaps import abort, fault_reply, send_half
from ftops.emulator.server.identity import issuer_of
from ftops.emulator.server.routes import Route, table

LOGGED = 1000
_KNOWN_VERSIONS = """
    2022-12-01 2023-05-15 2024-02-01 2024-06-01 2024-10-21 2023-12-01-preview 2024-02-15-preview
    2024-03-01-preview 2024-04-01-preview 2024-05-01-preview 2024-07-01-preview 2024-08-01-preview
    2024-09-01-preview 2024-10-01-preview 2024-12-01-preview 2025-01-01-preview 2025-02-01-preview
    2025-03-01-preview 2025-04-01-preview
"""
_DATA_VERSIONS = frozenset(_KNOWN_VERSIONS.split())
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


class App:
    """Answers HTTP requests for a cloud."""

    def __init__(
        self, cloud: Cloud, credentials: Credentials, notify: Callable[[], None], idle: float
    ) -> None:
        self.cloud = cloud
        self.schedule = Schedule(cloud, notify)
        self.last_request = time.monotonic()
        self.in_flight = 0
        self._credentials = credentials
        self._idle = idle
        self._routes = table(cloud.account)
        self._log: deque[JSON] = deque(maxlen=LOGGED)
        self._minds = Minds()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        self.in_flight += 1
        try:
            await self._serve(scope, impatient(receive, self._idle), send)
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
        no_host = plane in (Plane.DATED, Plane.V1) and not self.cloud.exists
        if rule.effect == "drop_before" or no_host:
            self._note(request, None)
            return abort(send)
        scope["emulator.job_fault"] = rule.job
        scope["emulator.deployment_fault"] = rule.deployment
        scope["emulator.file_fault"] = rule.file
        response = await self._response(request, plane, rule)
        self._note(request, response.status_code)
        if rule.effect == "drop_after":
            return abort(send)
        if rule.effect == "truncate":
            return await send_half(response, scope, receive, send)
        return await response(scope, receive, send)

    def _belongings(self, plane: Plane) -> dict[str, Any]:
        return {
            "emulator.plane": plane,
            "emulator.schedule": self.schedule,
            "emulator.minds": self._minds,
            "emulator.log": self._log,
            "emulator.key": self._credentials.key,
            "emulator.credentials": self._credentials,
        }

    async def _response(self, request: Request, plane: Plane, rule: Rule) -> Response:
        if rule.replies and rule.effect == "none":
            response = fault_reply(rule, plane)
        else:
            response = await self._answer(request, plane)
            if rule.replies:
                response = fault_reply(rule, plane)
        now = self.cloud.clock.now() + self.cloud.settings.clock_skew_seconds
        for name, value in {**_tracing_headers(plane), "date": formatdate(now, usegmt=True)}.items():
            response.headers.setdefault(name, value)
        return response

    async def _answer(self, request: Request, plane: Plane) -> Response:
        try:
            if issue := issuer_of(request.method, request.url.path):
                return await issue(self.cloud, self._credentials, request)
            route = self._route(request, plane)
            return await route.answer(self.cloud, request)
        except ServiceError as error:
            return reply(error.body(plane), error.status, error.headers)
        except RecursionError:
            return reply(_TOO_DEEP.body(plane), _TOO_DEEP.status)
        except MultiPartException as error:
            return reply(invalid(error.message).body(plane), 400)
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
            self._check_caller(plane, request)
        _check_version(plane, request)
        raw = request.scope.get("raw_path", path.encode()).decode("ascii").partition("?")[0]
        for route in self._routes[plane]:
            found = route.pattern.fullmatch(raw) if self._is_there(plane, path, route) else None
            if found and route.method == request.method and _since(request) >= route.since:
                request.scope["path_params"] = {
                    name: unquote(value) for name, value in found.groupdict().items()
                }
                return route
        raise self._unknown(plane, path)

    def _is_there(self, plane: Plane, path: str, route: Route) -> bool:
        """An account that is deleted has nothing in the control plane, but can be made again."""
        of_account = plane is Plane.ARM and _ACCOUNT_PATH.match(path)
        return self.cloud.exists or not of_account or route.answer in (account_life.put, account_life.delete)

    def _check_caller(self, plane: Plane, request: Request) -> None:
        settings = self.cloud.settings
        caller = self._credentials.check(plane, request.headers, settings)
        request.scope["emulator.caller"] = caller
        if caller == OWNER:
            return
        principal = self.cloud.principals.get(caller) or Principal(caller, 0.0)
        require(settings, plane, request.method, request.url.path, principal)

    def _unknown(self, plane: Plane, path: str) -> ServiceError:
        if plane is not Plane.ARM:
            return gateway_not_found()
        found = _ACCOUNT_PATH.match(path)
        if found is None:
            return ServiceError(404, "InvalidResourceType", f"Nothing is known at '{path}'.")
        resource = f"Microsoft.CognitiveServices/accounts/{found['account']}"
        return resource_not_found(resource, found["group"])

    def _note(self, request: Request, status: int | None) -> None:
        self._log.append(
            {
                "at": self.cloud.clock.now(),
                "method": request.method,
                "path": request.url.path,
                "query": sorted(request.query_params.keys()),
                "status": status,
                "body_keys": request.scope.get("emulator.body_keys", []),
                "headers": sorted(request.headers.keys()),
            }
        )


_NO_FAULT = Rule("* /")
_TOO_DEEP = invalid("The request body is nested too deeply.")


def _plane(path: str) -> Plane:
    found = (plane for prefix, plane in _PREFIXES if path.lower().startswith(prefix))
    return next(found, Plane.DATED)


def _check_version(plane: Plane, request: Request) -> None:
    version = request.query_params.get("api-version")
    if plane is Plane.DATED and version not in _DATA_VERSIONS:
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


def _since(request: Request) -> str:
    """The day of the dated api-version; v1 has everything."""
    return (request.query_params.get("api-version") or "9999")[:10]


def _tracing_headers(plane: Plane) -> dict[str, str]:
    identifier = str(uuid.uuid4())
    if plane is Plane.ARM:
        return {
            "x-ms-request-id": identifier,
            "x-ms-correlation-request-id": identifier,
            "cache-control": "no-cache",
        }
    return {"apim-request-id": identifier, "x-ms-request-id": identifier, "x-ms-region": "emulator"}

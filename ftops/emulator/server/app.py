"""ASGI application: routing, authentication, fault injection, request log."""

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
from functools import partial
from urllib.parse import unquote

from starlette.formparsers import MultiPartException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from ftops.emulator.account.cloud import JSON, Cloud, Principal
from ftops.emulator.account.faults import Rule
from ftops.emulator.account.storage import NameTooLong
from ftops.emulator.control_plane import arm_paths, resource_manager
from ftops.emulator.control_plane.account import delete_account, put_account
from ftops.emulator.data_plane import answering
from ftops.emulator.data_plane.eval_run import Runs
from ftops.emulator.data_plane.graders import Graders, Permissions
from ftops.emulator.data_plane.inference import Memory
from ftops.emulator.data_plane.job_schedule import Schedule
from ftops.emulator.grading.judge import Said
from ftops.emulator.grading.outcome import Ungraded, Usage
from ftops.emulator.http.auth import OWNER, Credentials, is_for_arm
from ftops.emulator.http.errors import (
    DATA_PLANES,
    Plane,
    ServiceError,
    gateway_not_found,
    invalid,
)
from ftops.emulator.http.messages import abort, fault_reply, reply, send_half, use_forwarded, with_timeout
from ftops.emulator.http.permissions import require
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
_V1_VERSIONS = (None, "v1", "preview")
_ACCOUNT_PATH = re.compile(
    r"/subscriptions/[^/]+/resourceGroups/(?P<group>[^/]+)/providers/Microsoft\.CognitiveServices"
    r"/accounts/(?P<account>[^/]+)",
    re.IGNORECASE,
)
_PROJECT = re.compile(r"/api/projects/[^/]+(?=/)", re.IGNORECASE)
"""Every project of the account has the same objects."""
_PREFIXES = (
    ("/openai/v1/", Plane.V1),
    ("/openai/", Plane.DATED),
    ("/_emulator/", Plane.ADMIN),
    *((path, Plane.ARM) for path in ("/subscriptions", "/tenants", "/providers", "/metadata")),
)


class App:
    def __init__(
        self,
        cloud: Cloud,
        credentials: Credentials,
        permissions: Permissions,
        notify: Callable[[], None],
        idle: float,
    ) -> None:
        self.cloud = cloud
        memory = Memory()
        graders = Graders(permissions, partial(_ask, cloud, memory))
        self.eval_runs = Runs(cloud, graders, partial(answering.at_once, cloud, memory))
        self.schedule = Schedule(cloud, graders, notify)
        self.last_request = time.monotonic()
        self.in_flight = 0
        self._credentials = credentials
        self._idle = idle
        self._routes = table(cloud.account)
        self._context = {
            "emulator.schedule": self.schedule,
            "emulator.graders": graders,
            "emulator.eval_runs": self.eval_runs,
            "emulator.memory": memory,
            "emulator.clear_log": self._clear_log,
            "emulator.credentials": credentials,
        }
        """What handlers find in the scope of a request."""
        self._clear_log()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        self.in_flight += 1
        try:
            await self._serve(scope, with_timeout(receive, self._idle), send)
        finally:
            self.in_flight -= 1
            self.last_request = time.monotonic()

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        use_forwarded(scope)
        request = Request(scope, receive)
        plane = _plane(request)
        injected = plane is not Plane.ADMIN and self.cloud.faults.take(scope["method"], request.url.path)
        rule = injected or _NO_FAULT
        scope.update(self._context, **{"emulator.plane": plane, "emulator.fault": rule})
        await asyncio.sleep(rule.delay)
        has_no_host = plane in DATA_PLANES and not self.cloud.exists
        if rule.effect == "drop_before" or has_no_host:
            self._log_request(request, None)
            return abort(send)
        response = await self._response(request, plane, rule)
        self._log_request(request, response.status_code)
        if rule.effect == "drop_after":
            return abort(send)
        if rule.effect == "truncate":
            return await send_half(response, scope, receive, send)
        return await response(scope, receive, send)

    async def _response(self, request: Request, plane: Plane, rule: Rule) -> Response:
        if not rule.replies or rule.effect == "applied":
            response = await self._handle(request, plane)
        if rule.replies:
            response = fault_reply(rule, plane)
        now = self.cloud.clock.now() + self.cloud.settings.clock_skew_seconds
        for name, value in {**_tracing_headers(plane), "date": formatdate(now, usegmt=True)}.items():
            response.headers.setdefault(name, value)
        return response

    async def _handle(self, request: Request, plane: Plane) -> Response:
        try:
            if issue := issuer_of(request.method, request.url.path):
                return await issue(self.cloud, self._credentials, request)
            route = self._route(request, plane)
            return await route.handler(self.cloud, request)
        except ServiceError as error:
            return reply(error.body(plane), error.status, error.headers)
        except RecursionError:
            return reply(_TOO_DEEP.body(plane), _TOO_DEEP.status)
        except NameTooLong as error:
            return reply(invalid(str(error)).body(plane), 400)
        except MultiPartException as error:
            return reply(invalid(error.message).body(plane), 400)
        except ClientDisconnect:
            return Response(status_code=499)
        except Exception:  # noqa: BLE001 - a bug: shown in the log of the server
            traceback.print_exc(file=sys.stderr)
            broken = ServiceError(500, "InternalServerError", "The emulator failed; see its log.")
            return reply(broken.body(plane), 500)

    def _route(self, request: Request, plane: Plane) -> Route:
        """The route of a request, after checks of the caller and the api-version. Raises ServiceError."""
        path = request.scope["path"]
        if not (plane is Plane.ADMIN and path == "/_emulator/health"):
            self._check_caller(plane, request)
        _check_version(plane, request)
        if plane is Plane.ARM:
            version = request.query_params.get("api-version")
            arm_paths.check_version(path, version, self.cloud.account.location, self.cloud.settings)
        raw = request.scope.get("raw_path", path.encode()).decode("ascii").partition("?")[0]
        raw = raw if plane is Plane.PROJECT else _PROJECT.sub("", raw, 1)
        version_date = (request.query_params.get("api-version") or "9999")[:10]  # v1 has every route
        for route in self._routes[plane]:
            match = route.pattern.fullmatch(raw) if self._exists(plane, path, route) else None
            if match and route.method == request.method and version_date >= route.since:
                parts = {name: unquote(value) for name, value in match.groupdict().items()}
                request.scope["path_params"] = parts
                return route
        if plane is not Plane.ARM:
            raise gateway_not_found()
        raise arm_paths.unknown(
            self.cloud.account, resource_manager.groups(self.cloud), path, request.query_params["api-version"]
        )

    def _exists(self, plane: Plane, path: str, route: Route) -> bool:
        """A deleted account has no resources in the control plane, but can be created again."""
        is_in_account = plane is Plane.ARM and _ACCOUNT_PATH.match(path)
        return self.cloud.exists or not is_in_account or route.handler in (put_account, delete_account)

    def _check_caller(self, plane: Plane, request: Request) -> None:
        settings = self.cloud.settings
        path = request.url.path
        in_project = _PROJECT.match(path) is not None
        caller = self._credentials.check(plane, request.headers, settings, in_project=in_project)
        request.scope["emulator.caller"] = caller
        if caller == OWNER:
            return
        principal = self.cloud.principals.get(caller) or Principal(caller, 0.0)
        require(settings, plane, request.method, _PROJECT.sub("", path, 1), principal)

    def _clear_log(self) -> None:
        """Requests that haven't ended won't be in the new log."""
        self._context["emulator.log"] = deque(maxlen=LOGGED)

    def _log_request(self, request: Request, status: int | None) -> None:
        request.scope["emulator.log"].append(
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


def _ask(cloud: Cloud, memory: Memory, name: str, body: JSON) -> Said:
    """A model that grades. Raises Ungraded."""
    try:
        found = answering.at_once(cloud, memory, name, body)
    except ServiceError as error:
        why = f"The model '{name}' can't be asked; here, only a deployment grades: {error.message}"
        raise Ungraded("model_grader_server_error", why) from error
    answer = found.answers[0]
    usage = Usage(found.model, found.question.prompt_tokens, answer.tokens)
    return Said(answer.message, answer.reason != "length", usage)


_NO_FAULT = Rule("* /")
_TOO_DEEP = invalid("The request body is nested too deeply.")


def _plane(request: Request) -> Plane:
    path = request.url.path
    inside = _PROJECT.sub("", path, 1)
    if inside != path and not inside.lower().startswith("/openai/v1/"):
        return Plane.PROJECT
    planes = (plane for prefix, plane in _PREFIXES if inside.lower().startswith(prefix))
    elsewhere = Plane.ARM if is_for_arm(request.headers.get("authorization", "")) else Plane.DATED
    return next(planes, elsewhere)


def _check_version(plane: Plane, request: Request) -> None:
    version = request.query_params.get("api-version")
    if plane is Plane.DATED and version not in _DATA_VERSIONS:
        raise gateway_not_found()
    if plane is Plane.V1 and version not in _V1_VERSIONS:
        message = "api-version query parameter is not allowed when using /v1 path"
        raise ServiceError(400, "BadRequest", message)


def _tracing_headers(plane: Plane) -> dict[str, str]:
    identifier = str(uuid.uuid4())
    if plane is Plane.ARM:
        return {
            "x-ms-request-id": identifier,
            "x-ms-correlation-request-id": identifier,
            "cache-control": "no-cache",
        }
    return {"apim-request-id": identifier, "x-ms-request-id": identifier, "x-ms-region": "emulator"}

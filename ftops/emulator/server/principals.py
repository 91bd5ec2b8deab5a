"""Principals other than the account's owner, under ``/_emulator/principals``: who, with which roles."""

from __future__ import annotations

import secrets
import uuid
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from ftops.emulator.account.cloud import JSON, Cloud, Principal
from ftops.emulator.http.access import ROLES
from ftops.emulator.http.auth import Credentials
from ftops.emulator.http.errors import ServiceError
from ftops.emulator.http.messages import read_object, reply

_KEYS = ("id", "roles", "actions", "data_actions", "subject")
_RESOURCES = {"data": "https://cognitiveservices.azure.com", "control": "https://management.azure.com"}


async def create(cloud: Cloud, request: Request) -> Response:
    """POST: a principal with ``roles`` or own ``actions`` and ``data_actions``; its tokens and secret.

    ``subject`` is that of the OIDC assertions that are taken for it (workload identity federation).
    """
    body = await read_object(request)
    if unknown := sorted(set(body) - set(_KEYS)):
        raise _bad(f"unknown keys {unknown} in a principal; known: {list(_KEYS)}")
    principal = Principal(
        id=str(body.get("id") or uuid.uuid4()),
        created=cloud.clock.now(),
        roles=_texts(body, "roles"),
        actions=_texts(body, "actions"),
        data_actions=_texts(body, "data_actions"),
        subject=body.get("subject"),
        secret=secrets.token_urlsafe(24),
    )
    if strange := [role for role in principal.roles if role not in ROLES]:
        raise _bad(f"unknown role {strange[0]!r}; known: {sorted(ROLES)}")
    cloud.principals.put(principal)
    credentials: Credentials = request.scope["emulator.credentials"]
    tokens = {
        plane: credentials.token(resource, principal.id)["access_token"]
        for plane, resource in _RESOURCES.items()
    }
    return reply({**_described(principal), "secret": principal.secret, "tokens": tokens})


async def list_all(cloud: Cloud, _: Request) -> Response:
    """GET: all principals, without what proves them."""
    return reply({"principals": [_described(principal) for principal in cloud.principals.all()]})


async def delete(cloud: Cloud, request: Request) -> Response:
    """DELETE: a principal; its tokens allow nothing from then on."""
    cloud.principals.remove(request.path_params["principal"])
    return await list_all(cloud, request)


def _described(principal: Principal) -> JSON:
    return {"client_id": principal.id, **{key: getattr(principal, key) for key in _KEYS}}


def _texts(body: JSON, key: str) -> list[str]:
    given: Any = body.get(key, [])
    if not isinstance(given, list) or not all(isinstance(item, str) for item in given):
        raise _bad(f"'{key}' must be a list of texts")
    return given


def _bad(message: str) -> ServiceError:
    return ServiceError(400, "BadRequest", message)

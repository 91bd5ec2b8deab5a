"""ARM objects: those of one type under an account, by bare requests, for types that the SDK in use lacks.

Every call is one attempt. Writes return the object and the URL of the operation in progress, if there is one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from ftops.providers.azure.clients import Clients
from ftops.providers.dataplane.errors import absent_is_none, refusal_from

if TYPE_CHECKING:
    from ftops.providers.azure.arm import Reply

Written = tuple[dict[str, Any], str]
_OPERATION = ("azure-asyncoperation", "location")
_NOT_OFFERED = frozenset({400, 404})
"""Statuses of a list that an account or a region doesn't have."""


class ArmObjects:
    """Managed deployments or adapters of one account."""

    def __init__(self, clients: Clients, segment: str) -> None:
        self._clients = clients
        self._path = f"{quote(clients.account.id)}/{segment}"
        self._version = clients.account.managed_api_version

    def get(self, name: str) -> dict[str, Any] | None:
        """None if it doesn't exist."""
        arm = self._clients.arm
        reply = absent_is_none(lambda: arm.send("GET", self._url(name)), control_plane=True)
        return None if reply is None else reply.body

    def put(self, name: str, body: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> Written:
        return _written(self._clients.arm.send("PUT", self._url(name), body, headers or {}))

    def patch(self, name: str, body: Mapping[str, Any]) -> Written:
        return _written(self._clients.arm.send("PATCH", self._url(name), body))

    def delete(self, name: str, headers: Mapping[str, str] | None = None) -> str:
        """The URL of the operation; empty if there is nothing to wait for."""
        arm = self._clients.arm
        reply = absent_is_none(
            lambda: arm.send("DELETE", self._url(name), None, headers or {}), control_plane=True
        )
        return "" if reply is None else _written(reply)[1]

    def list(self) -> list[dict[str, Any]]:
        """All of them; none where the service doesn't offer the type."""
        try:
            return self._clients.arm.list_at(self._path, self._version)
        except Exception as exc:
            refusal = refusal_from(exc, control_plane=True)
            if refusal is not None and refusal.status in _NOT_OFFERED:
                return []
            raise

    def failure(self, operation: str) -> str:
        """Why the operation at this URL failed; empty if it runs, has succeeded, or isn't known any more."""
        from ftops.providers.azure.arm import failure_in

        try:
            body = self._clients.arm.send("GET", operation).body
        except Exception as exc:
            if refusal_from(exc, control_plane=True) is None:
                raise
            return ""
        return failure_in(body, str(body.get("status") or ""))

    def _url(self, name: str) -> str:
        return f"{self._path}/{quote(name)}?{urlencode({'api-version': self._version})}"


def _written(reply: Reply) -> Written:
    addresses = (reply.headers.get(name, "") for name in _OPERATION)
    return reply.body, next(filter(None, addresses), "")

"""Managed types: what managed deployments and adapters have in common, ARM objects without a token."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ftops.core.address import Json
from ftops.providers.azure import deployment_wire as wire
from ftops.providers.azure import managed_wire
from ftops.providers.azure.arm_objects import ArmObjects
from ftops.providers.azure.clients import Clients
from ftops.providers.azure.provisioning import Provisioned
from ftops.providers.azure.readiness import Readiness
from ftops.providers.base import Request
from ftops.state.state import PendingOperation


class ManagedType(Provisioned):
    """Reads and deletes the objects of one type. An object of an interrupted creation is recognised by its
    name, its age and what it is made from. The rest may have been changed since."""

    def __init__(self, clients: Clients, readiness: Readiness) -> None:
        super().__init__(clients, readiness)
        self._objects = ArmObjects(clients, self.segment)

    # what subclasses know

    def _made_from(self, body: Mapping[str, Any]) -> str:
        """The model or the weights that it serves."""
        raise NotImplementedError

    def _is_as_asked(self, body: Mapping[str, Any], inputs: Mapping[str, Json]) -> bool:
        """In all that can't be changed."""
        raise NotImplementedError

    # what both have in common

    def _to_create(self, request: Request) -> tuple[str, str]:
        """The name of a new object, and what is done, for messages. Raises an error if the name is taken."""
        name = wire.name_for(request.inputs, request.address)
        action = f"create deployment {name}"
        existing = self._get(name, action)
        if existing is not None:
            self._refuse_deleting(existing, action)
            raise self._taken(request, name, action, self._made_from(existing))
        self._deletions.pop(name, None)
        return name, action

    def _was_made_by(
        self, body: Mapping[str, Any], operation: PendingOperation, inputs: Mapping[str, Json]
    ) -> bool:
        return managed_wire.may_be_of(body, operation) and self._is_as_asked(body, inputs)

    def _list(self) -> list[dict[str, Any]]:
        return self._objects.list()

    def _get(self, name: str, action: str) -> dict[str, Any] | None:
        with self._clients.calling(action, control_plane=True):
            return self._objects.get(name)

    def _operation_failure(self, name: str, token: str) -> str:
        return self._objects.failure(token)

"""Deployments on the OpenAI platform: a model is called by its ID as soon as it exists.

So a deployment stands for the model itself: nothing is created, billed or deleted.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from ftops.core.address import Address, Json
from ftops.core.errors import Permanent, ProviderError, Temporary
from ftops.core.model_names import base_of
from ftops.core.resource_types import RESOURCE_TYPES, is_tuned
from ftops.providers.account_facts import Access, AccountFacts, OfferedModel, Reach
from ftops.providers.base import Existing, Request
from ftops.providers.dataplane.client import body_of, plain, reach_of
from ftops.providers.openai.clients import PlatformClients
from ftops.state.state import PendingOperation, RemoteObject, ResourceState, Status

_SECONDS_UNTIL_LISTED = 5.0


class ServedModels:
    """Checks that the models of deployments exist."""

    def __init__(self, clients: PlatformClients) -> None:
        self._clients = clients

    def create(self, request: Request) -> RemoteObject:
        return self._serve(request)

    def read(self, resource: ResourceState) -> RemoteObject | None:
        body = self._model(resource.remote_id, f"read {resource.address}")
        return None if body is None else self._describe(body, plain(resource.inputs))

    def update(self, request: Request, resource: ResourceState) -> RemoteObject:
        """Only the ID of the called model changes."""
        return self._serve(request)

    def delete(self, resource: ResourceState) -> RemoteObject | None:
        return None

    def find_by_token(self, operation: PendingOperation, known: frozenset[str]) -> RemoteObject | None:
        """Nothing is created, so nothing can be lost."""
        return None

    def existing(self) -> list[Existing]:
        """No deployment is an object of its own."""
        return []

    def _serve(self, request: Request) -> RemoteObject:
        model = str(request.inputs["model"])
        body = self._model(model, f"look for {model}")
        if body is None:
            raise self._missing(request.address, model)
        return self._describe(body, request.inputs)

    def _missing(self, address: Address, model: str) -> Permanent | Temporary:
        if is_tuned(model):
            # A job can succeed a moment before its model is listed.
            return Temporary(
                f"{address}: the platform doesn't know {model} yet",
                hint="only the organization that trained a model can see it: check the provider's key",
                code="NoModel",
                retry_after=min(self._clients.account.poll_interval, _SECONDS_UNTIL_LISTED),
            )
        return Permanent(
            f"{address}: the platform has no model {model}",
            "A deployment on the OpenAI platform is the model itself, which must exist.",
            "check `model`, and the organization and project of the key",
            code="NoModel",
        )

    def _model(self, model: str, action: str) -> dict[str, Any] | None:
        retrieve = self._clients.data.models.with_raw_response.retrieve
        return self._clients.look_up(retrieve, model, action)

    def _describe(self, body: Mapping[str, Any], inputs: Mapping[str, Json]) -> RemoteObject:
        model = str(body["id"])
        asked = inputs.get("model")
        return RemoteObject(
            remote_id=model,
            status=Status.READY,
            attributes={
                "id": model,
                "name": model,
                "endpoint": f"{self._clients.account.base_url}/",
                "provisioning_state": "Succeeded",
                "model": model,
            },
            inputs={"model": asked if str(asked).casefold() == model.casefold() else model},
        )


def inspect(clients: PlatformClients, kinds: Collection[str]) -> AccountFacts:
    """The models of the project, including its fine-tuned ones: one read."""
    models, access = None, Access(Reach.USABLE)
    action = "list the models"
    try:
        with clients.calling(action):
            body = body_of(clients.data.models.with_raw_response.list(), action)
        named = [str(item.get("id") or "") for item in body.get("data") or () if isinstance(item, dict)]
        models = tuple(
            OfferedModel(name, base=base_of(name) if is_tuned(name) else "") for name in named if name
        )
    except ProviderError as error:
        access = Access(reach_of(error), error.summary, error.detail, error.hint)
    trains = any(not RESOURCE_TYPES[kind].serves for kind in kinds)
    return AccountFacts(
        clients.account.name or "of the OpenAI platform",
        service="openai",
        training=access if trains else Access(),
        deploying=Access() if trains else access,
        models=models,
    )

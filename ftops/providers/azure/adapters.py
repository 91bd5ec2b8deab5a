"""Adapters: fine-tuned models on the managed deployment of their base model.

Every write names the version of the object that it was decided for, so that nothing is overwritten which
somebody else has changed in the meantime.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace

from ftops.core.address import Json
from ftops.core.errors import Permanent
from ftops.providers.azure import deployment_wire as wire
from ftops.providers.azure import managed_wire
from ftops.providers.azure.clients import Clients
from ftops.providers.azure.managed_compute import ManagedCompute
from ftops.providers.azure.managed_type import ManagedType
from ftops.providers.azure.project_models import ProjectModels
from ftops.providers.azure.readiness import Readiness
from ftops.providers.base import Existing, Request
from ftops.state.state import RemoteObject, ResourceState, Status

_ONLY_NEW = {"If-None-Match": "*"}


class Adapters(ManagedType):
    """Creates and deletes adapters, and gives them other targets."""

    segment = "adapterDeployments"
    plural = "the adapters"

    def __init__(self, clients: Clients, readiness: Readiness, models: ProjectModels) -> None:
        super().__init__(clients, readiness)
        self._models = models

    def create(self, request: Request) -> RemoteObject:
        name, action = self._to_create(request)
        asked = managed_wire.adapter_body(
            self._source(request.inputs, action), self._target(request.inputs, action)
        )
        put = self._objects.put
        body, token = self._write(lambda: put(name, asked, _ONLY_NEW), action, creates=True)
        return self._describe(body, name, request.inputs, wire.Resume("create", token))

    def update(self, request: Request, resource: ResourceState) -> RemoteObject:
        name = self._own_name(resource)
        action = f"update deployment {name}"
        live, token = self._to_change(name, action), ""
        source, target = managed_wire.source_of(live), self._target(request.inputs, action)
        wanted = str(request.inputs.get("source_model") or source)
        if wanted.casefold() != source.casefold():
            raise Permanent(
                f"{action}: source_model can't be changed",
                f"It is {source}.",
                f"replace it (`--replace {request.address}`), or write what it has",
                code="Unchangeable",
            )
        if managed_wire.target_of(live).casefold() != target.casefold():
            if wire.status_of(live) is Status.PENDING:
                raise self._later(f"{action}: it is {wire.state_of(live)}", "InFlux")
            asked, seen = managed_wire.adapter_body(source, target), _if_unchanged(live)
            live, token = self._write(lambda: self._objects.put(name, asked, seen), action)
        return self._describe(live, name, request.inputs, wire.Resume("update", token), resource.outputs)

    def _existing(self, body: Mapping[str, Any], name: str) -> Existing:
        source = managed_wire.source_of(body)
        model = self._models.model_of(source)
        asked: dict[str, Json] = {"name": name, "model": model}
        inputs = managed_wire.adapter_inputs(body, asked, "", self._targets)
        inputs |= {"source_model": source} if model == source else {}
        remote = self._remote(body, name, asked, {}, wire.status_of(body), "", None)
        return Existing("deployment", replace(remote, inputs=inputs), name, carries_token=False)

    def _made_from(self, body: Mapping[str, Any]) -> str:
        return managed_wire.source_of(body)

    def _is_as_asked(self, body: Mapping[str, Any], inputs: Mapping[str, Json]) -> bool:
        source, asked = managed_wire.source_of(body), str(inputs.get("source_model") or "")
        if asked:
            return source.casefold() == asked.casefold()
        return self._models.model_of(source).casefold() == str(inputs.get("model") or "").casefold()

    @property
    def _targets(self) -> str:
        return f"{self._account.id}/{ManagedCompute.segment}"

    def _source(self, inputs: Mapping[str, Json], action: str) -> str:
        """The version of a project model that an adapter is made from."""
        return str(inputs.get("source_model") or "") or self._models.source_of(str(inputs["model"]), action)

    def _target(self, inputs: Mapping[str, Json], action: str) -> str:
        """The name of the target. Raises Permanent if it isn't managed compute of this account."""
        target = str(inputs["target"])
        name = wire.name_of(target)
        if target.casefold() != f"{self._targets}/{name}".casefold():
            raise Permanent(
                f"{action}: its target isn't on managed compute of the same account",
                f"The target is {target}; the account is {self._account.id}.",
                "choose a deployment with `sku: {name: GlobalManagedCompute}` of the same provider",
                code="Target",
            )
        return name

    def _lacks(
        self, body: Mapping[str, Any], name: str, inputs: Mapping[str, Json], resume: wire.Resume
    ) -> str:
        target, active = wire.name_of(str(inputs.get("target") or "")), managed_wire.serves(body)
        if target and active.casefold() != target.casefold():
            return f"the deployment is still served by {active}"
        return self._readiness.unanswered(self._clients.managed, name, str(inputs.get("model") or ""))

    def _attributes(
        self, body: Mapping[str, Any], remote_id: str, inputs: Mapping[str, Json]
    ) -> dict[str, Json]:
        model = str(inputs.get("model") or managed_wire.source_of(body))
        endpoint = self._account.serving_url.removesuffix("openai/v1/")
        return managed_wire.attributes_of(body, remote_id, endpoint, model)

    def _observed(
        self, body: Mapping[str, Any], inputs: Mapping[str, Json], outputs: Mapping[str, Json]
    ) -> dict[str, Json]:
        if not inputs.get("model"):  # of an object to import
            inputs = {**inputs, "model": self._models.model_of(managed_wire.source_of(body))}
        source = str(outputs.get("source_model") or "")
        return managed_wire.adapter_inputs(body, inputs, source, self._targets)

    def _begin_to_delete(self, name: str, action: str) -> str:
        live = self._get(name, action)
        if live is None:
            return ""
        with self._clients.calling(action, control_plane=True):
            return self._objects.delete(name, _if_unchanged(live))


def _if_unchanged(live: Mapping[str, Any]) -> dict[str, str]:
    """The header that lets a write take effect only on this version of an object."""
    etag = managed_wire.etag_of(live)
    return {"If-Match": etag} if etag else {}

"""Managed deployments: base models on GPUs, which adapters can be deployed on.

Only the number of instances can be changed. Creation takes a quarter of an hour.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from ftops import catalog
from ftops.core.address import Json
from ftops.core.errors import Permanent
from ftops.core.nested import object_at
from ftops.providers.azure import deployment_wire as wire
from ftops.providers.azure import managed_wire
from ftops.providers.azure.clients import Clients
from ftops.providers.azure.managed_type import ManagedType
from ftops.providers.azure.readiness import Readiness
from ftops.providers.base import Existing, Request
from ftops.state.state import RemoteObject, ResourceState, Status

_CHANGED_IN_PLACE = frozenset({"sku"})


class ManagedCompute(ManagedType):
    """Creates, scales and deletes managed deployments."""

    segment = "managedComputeDeployments"
    plural = "the deployments on managed compute"

    def __init__(self, clients: Clients, readiness: Readiness, project: Path) -> None:
        super().__init__(clients, readiness)
        self._project = project

    def create(self, request: Request) -> RemoteObject:
        name, action = self._to_create(request)
        asked = managed_wire.managed_body(request.inputs, self._asset_for(request.inputs, action))
        body, token = self._write(lambda: self._objects.put(name, asked), action, creates=True)
        return self._describe(body, name, request.inputs, wire.Resume("create", token))

    def update(self, request: Request, resource: ResourceState) -> RemoteObject:
        name = self._own_name(resource)
        action = f"update deployment {name}"
        live, token = self._to_change(name, action), ""
        changed = managed_wire.managed_differences(live, request.inputs, self._asset(request.inputs))
        if fixed := sorted(changed - _CHANGED_IN_PLACE):
            raise self._unchangeable(request, action, fixed)
        if changed:
            if wire.status_of(live) is Status.PENDING:
                raise self._later(f"{action}: it is {wire.state_of(live)}", "InFlux")
            size = managed_wire.sku_body(request.inputs)
            live, token = self._write(lambda: self._objects.patch(name, size), action)
            live = self._get(name, action) or live
        return self._describe(live, name, request.inputs, wire.Resume("update", token))

    def _existing(self, body: Mapping[str, Any], name: str) -> Existing:
        inputs = managed_wire.all_managed_inputs(body)
        known = self._catalog.of_asset(str(inputs.get("model")))
        if known and known.managed_compute and known.managed_compute.model == inputs.get("model"):
            inputs["model"] = known.id
        remote = self._remote(body, name, inputs, {}, wire.status_of(body), "", None)
        return Existing("deployment", replace(remote, inputs=inputs), name, carries_token=False)

    def _made_from(self, body: Mapping[str, Any]) -> str:
        return str(object_at(body, "properties").get("model"))

    def _is_as_asked(self, body: Mapping[str, Any], inputs: Mapping[str, Json]) -> bool:
        changed = managed_wire.managed_differences(body, inputs, self._asset(inputs))
        return changed <= _CHANGED_IN_PLACE

    @cached_property
    def _catalog(self) -> catalog.Catalog:
        return catalog.load(self._project, os.environ)

    def _asset(self, inputs: Mapping[str, Json]) -> str:
        """What a model means; empty if the catalogue doesn't know."""
        model, version = str(inputs.get("model") or ""), str(inputs.get("version") or "")
        if managed_wire.is_asset(model):
            return managed_wire.with_version(model, version)
        known = self._catalog.find(model) if model else None
        managed = known.managed_compute if known else None
        return managed_wire.with_version(managed.model, version) if managed else ""

    def _asset_for(self, inputs: Mapping[str, Json], action: str) -> str:
        asset = self._asset(inputs)
        if not asset:
            raise Permanent(
                f"{action}: the asset of {inputs['model']} on managed compute isn't known",
                "The service takes the ID of a model in a registry, which the catalogue doesn't have.",
                "write it as `model`: azureml://registries/…/models/…/versions/… (the model's page in the "
                "Foundry portal shows it), or add it to ftops.catalog.yaml",
                code="Model",
            )
        return asset

    def _unchangeable(self, request: Request, action: str, fixed: list[str]) -> Permanent:
        return Permanent(
            f"{action}: {', '.join(fixed)} can't be changed",
            "The service lets them be set only when the deployment is created.",
            f"replace it (`--replace {request.address}`), or write what it has",
            code="Unchangeable",
        )

    def _lacks(
        self, body: Mapping[str, Any], name: str, inputs: Mapping[str, Json], resume: wire.Resume
    ) -> str:
        live = object_at(body, "sku").get("capacity")
        if resume.operation == "update" and live != object_at(inputs, "sku").get("capacity", live):
            return "the service accepted the change but doesn't show it yet: sku"
        return self._readiness.unanswered(self._clients.managed, name, "")

    def _attributes(
        self, body: Mapping[str, Any], remote_id: str, inputs: Mapping[str, Json]
    ) -> dict[str, Json]:
        model = str(object_at(body, "properties").get("model") or "")
        known = self._catalog.of_asset(model)
        endpoint = self._account.serving_url.removesuffix("openai/v1/")
        return managed_wire.attributes_of(body, remote_id, endpoint, known.id if known else model)

    def _observed(
        self, body: Mapping[str, Any], inputs: Mapping[str, Json], outputs: Mapping[str, Json]
    ) -> dict[str, Json]:
        return managed_wire.managed_inputs(body, inputs, self._asset(inputs))

    def _begin_to_delete(self, name: str, action: str) -> str:
        with self._clients.calling(action, control_plane=True):
            return self._objects.delete(name)

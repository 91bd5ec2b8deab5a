"""The types of deployments that an account has: how each is made, changed and shown, by the functions of the
real provider."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from ftops.core.address import Json
from ftops.core.errors import Permanent
from ftops.core.serving import Serving, serving_of
from ftops.providers.azure import deployment_wire as wire
from ftops.providers.azure import managed_wire
from ftops.providers.base import Request
from ftops.providers.dataplane.client import plain
from ftops.state.state import PendingOperation, ResourceState

Body = Mapping[str, Any]

OPEN = "gpt-oss-120b"
"""A base model whose fine-tuned models are served as adapters only."""
_ASSET = "azureml://registries/azureml-openai-oss/models/gpt-oss-120b/versions/4"


class Type(Protocol):
    """One type of deployments. `home` is the ID of the account."""

    segment: str
    """Of IDs."""
    keeps_tokens: bool
    """Whether its objects have a place for the token of the request that made them."""

    def made(self, request: Request, home: str) -> dict[str, Any]:
        """The body of a new one."""
        ...

    def changed(self, live: Body, request: Request, resource: ResourceState, home: str) -> dict[str, Any]:
        """The body after a change. Raises Permanent if the service doesn't make it."""
        ...

    def observed(self, body: Body, inputs: Mapping[str, Json], outputs: Body, home: str) -> dict[str, Json]:
        """The requested inputs that it reports."""
        ...

    def attributes(self, body: Body, remote_id: str, home: str) -> dict[str, Json]: ...

    def all_inputs(self, body: Body, home: str) -> dict[str, Json]: ...

    def is_of(self, body: Body, operation: PendingOperation, inputs: Mapping[str, Json]) -> bool:
        """Whether one with the right name was made by a pending operation."""
        ...

    def model(self, body: Body) -> str: ...


class Serverless:
    """Those that share the GPUs of the service."""

    segment = "deployments"
    keeps_tokens = True

    def made(self, request: Request, home: str) -> dict[str, Any]:
        return wire.body_for(request.inputs, request.token, home)

    def changed(self, live: Body, request: Request, resource: ResourceState, home: str) -> dict[str, Any]:
        dropped = wire.dropped_inputs(live, plain(resource.inputs), request.inputs)
        own = wire.token_of(live) or resource.token
        return wire.changed_body(live, request.inputs, own, home, dropped)

    def observed(self, body: Body, inputs: Mapping[str, Json], outputs: Body, home: str) -> dict[str, Json]:
        return wire.observed_inputs(body, inputs)

    def attributes(self, body: Body, remote_id: str, home: str) -> dict[str, Json]:
        return wire.attributes_of(body, remote_id, f"https://{wire.name_of(home)}")

    def all_inputs(self, body: Body, home: str) -> dict[str, Json]:
        return wire.all_inputs(body, home)

    def is_of(self, body: Body, operation: PendingOperation, inputs: Mapping[str, Json]) -> bool:
        return wire.token_of(body) == operation.token

    def model(self, body: Body) -> str:
        return str(body["properties"]["model"]["name"])


class Managed:
    """Base models on GPUs of their own."""

    segment = "managedComputeDeployments"
    keeps_tokens = False

    def made(self, request: Request, home: str) -> dict[str, Any]:
        asset = _asset(request.inputs)
        if not asset:
            raise Permanent(f"{request.inputs['model']} isn't served on managed compute", code="Model")
        return managed_wire.managed_body(request.inputs, asset)

    def changed(self, live: Body, request: Request, resource: ResourceState, home: str) -> dict[str, Any]:
        differing = managed_wire.managed_differences(live, request.inputs, _asset(request.inputs))
        _refuse(differing - {"sku"})
        return {**live, **managed_wire.sku_body(request.inputs)}

    def observed(self, body: Body, inputs: Mapping[str, Json], outputs: Body, home: str) -> dict[str, Json]:
        return managed_wire.managed_inputs(body, inputs, _asset(inputs))

    def attributes(self, body: Body, remote_id: str, home: str) -> dict[str, Json]:
        return managed_wire.attributes_of(body, remote_id, f"https://{wire.name_of(home)}/", self.model(body))

    def all_inputs(self, body: Body, home: str) -> dict[str, Json]:
        return {**managed_wire.all_managed_inputs(body), "model": self.model(body)}

    def is_of(self, body: Body, operation: PendingOperation, inputs: Mapping[str, Json]) -> bool:
        changed = managed_wire.managed_differences(body, inputs, _asset(inputs))
        return changed <= {"sku"} and managed_wire.may_be_of(body, operation)

    def model(self, body: Body) -> str:
        return OPEN if body["properties"]["model"] == _ASSET else str(body["properties"]["model"])


class Adapters:
    """Fine-tuned models on the managed deployments of their base model."""

    segment = "adapterDeployments"
    keeps_tokens = False

    def made(self, request: Request, home: str) -> dict[str, Any]:
        return managed_wire.adapter_body(
            _source(request.inputs["model"], home), _target(request.inputs, home)
        )

    def changed(self, live: Body, request: Request, resource: ResourceState, home: str) -> dict[str, Any]:
        source = managed_wire.source_of(live)
        _refuse({"model"} if source != _source(request.inputs["model"], home) else set())
        return {**live, **managed_wire.adapter_body(source, _target(request.inputs, home))}

    def observed(self, body: Body, inputs: Mapping[str, Json], outputs: Body, home: str) -> dict[str, Json]:
        inputs = inputs if inputs.get("model") else {**inputs, "model": self.model(body)}
        source = str(outputs.get("source_model") or "")
        return managed_wire.adapter_inputs(body, inputs, source, f"{home}/{Managed.segment}")

    def attributes(self, body: Body, remote_id: str, home: str) -> dict[str, Json]:
        return managed_wire.attributes_of(body, remote_id, f"https://{wire.name_of(home)}/", self.model(body))

    def all_inputs(self, body: Body, home: str) -> dict[str, Json]:
        asked: dict[str, Json] = {"name": body["name"], "model": self.model(body)}
        return managed_wire.adapter_inputs(body, asked, "", f"{home}/{Managed.segment}")

    def is_of(self, body: Body, operation: PendingOperation, inputs: Mapping[str, Json]) -> bool:
        return self.model(body) == inputs["model"] and managed_wire.may_be_of(body, operation)

    def model(self, body: Body) -> str:
        return managed_wire.source_of(body).split("/models/")[-1].partition("/")[0]


TYPES: Mapping[Serving, Type] = {
    Serving.SERVERLESS: Serverless(),
    Serving.MANAGED: Managed(),
    Serving.ADAPTER: Adapters(),
}


def type_for(inputs: Mapping[str, Any]) -> Type:
    """The type of what is asked for."""
    return TYPES[serving_of(inputs)]


def type_of(remote_id: str, inputs: Mapping[str, Any]) -> Type:
    """The type of an object, by its ID or, if that is a plain name, its inputs."""
    segment = remote_id.rpartition("/")[0].rpartition("/")[2].casefold()
    named = (one for one in TYPES.values() if one.segment.casefold() == segment)
    return next(named, type_for(inputs))


def _asset(inputs: Mapping[str, Json]) -> str:
    return _ASSET if inputs.get("model") == OPEN else ""


def _source(model: Json, home: str) -> str:
    """The version of a project model that has the weights of a fine-tuned one."""
    return f"azureai:/{home}/projects/project/models/{model}/versions/1"


def _target(inputs: Mapping[str, Json], home: str) -> str:
    target = str(inputs["target"])
    name = wire.name_of(target)
    if target.casefold() != f"{home}/{Managed.segment}/{name}".casefold():
        raise Permanent(f"{target} isn't on managed compute of {home}", code="Target")
    return name


def _refuse(changed: set[str]) -> None:
    if changed:
        raise Permanent(f"{', '.join(sorted(changed))} can't be changed", code="Unchangeable")

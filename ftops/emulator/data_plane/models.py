"""Models of the data plane: base models and tuned ones."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from ftops.emulator.account import catalog, other_accounts
from ftops.emulator.account.cloud import JSON, Cloud, TunedModel
from ftops.emulator.control_plane.deployment_state import gone_at, model_of
from ftops.emulator.http.errors import Plane, ServiceError, gateway_not_found, not_found, wrong_state
from ftops.emulator.http.messages import plane_of, reply

_INFERENCE_ENDS = 1822867200  # 2027-10-07, seconds since the epoch


async def list_all(cloud: Cloud, _: Request) -> Response:
    other_accounts.receive(cloud)
    now = cloud.clock.now()
    tuned = [model for model in cloud.models.all() if model.final and model.created <= now]
    data = [_base(model) for model in catalog.BASE_MODELS] + [_tuned(model) for model in tuned]
    return reply({"object": "list", "data": data})


async def get(cloud: Cloud, request: Request) -> Response:
    name = request.path_params["model"]
    if base := catalog.BY_ID.get(name):
        return reply(_base(base))
    other_accounts.receive(cloud)
    return reply(_tuned(_existing(cloud, name)))


async def delete(cloud: Cloud, request: Request) -> Response:
    """Delete a tuned model with its checkpoints, unless one is deployed."""
    is_dated, settings = plane_of(request) is Plane.DATED, cloud.settings
    if not (settings.dated_model_delete if is_dated else settings.v1_model_delete):
        raise gateway_not_found()
    name = request.path_params["model"]
    if name in catalog.BY_ID:
        raise wrong_state(cloud.settings, f"The base model '{name}' cannot be deleted.")
    model = _existing(cloud, name)
    models = [other for other in cloud.models.all() if other.job == model.job] if model.final else [model]
    ids, now = {other.id for other in models}, cloud.clock.now()
    deployed_as = [
        deployment.name
        for deployment in cloud.deployments.all()
        if now < gone_at(cloud, deployment) and model_of(cloud, deployment.model) in ids
    ]
    deployed_as += [adapter.name for adapter in cloud.adapters.all() if adapter.model in ids]
    if deployed_as:
        message = f"The model is deployed as {', '.join(deployed_as)}; delete the deployment first."
        raise ServiceError(cloud.settings.deployed_model_delete_status, "conflict", message)
    for other in models:
        cloud.remove_model(other)
    return reply({"id": name, "object": "model", "deleted": True})


def _existing(cloud: Cloud, name: str) -> TunedModel:
    model = cloud.models.get(name)
    if model is None or model.created > cloud.clock.now():
        raise not_found("model", name)
    return model


def _base(model: catalog.BaseModel) -> JSON:
    ends = {"fine_tune": _INFERENCE_ENDS} if model.trainable else {}
    return {
        "id": model.id,
        "object": "model",
        "created_at": model.created,
        "status": "succeeded",
        "capabilities": _capabilities(model.trainable and not model.is_open),
        "lifecycle_status": "generally-available",
        "deprecation": {**ends, "inference": _INFERENCE_ENDS},
    }


def _tuned(model: TunedModel) -> JSON:
    return {
        "id": model.id,
        "object": "model",
        "created_at": int(model.created),
        "status": "succeeded",
        "model": model.base,
        "fine_tune": model.job,
        "capabilities": _capabilities(False),
        "lifecycle_status": "generally-available",
        "deprecation": {"inference": _INFERENCE_ENDS},
    }


def _capabilities(trainable: bool) -> JSON:
    return {
        "fine_tune": trainable,
        "inference": True,
        "completion": False,
        "chat_completion": True,
        "embeddings": False,
    }

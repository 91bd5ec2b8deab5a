"""The state of deployments as a function of the clock, and the model that answers for a name."""

from __future__ import annotations

import dataclasses

from ftops.emulator.account import catalog
from ftops.emulator.account.cloud import JSON, Cloud, Deployment, TunedModel
from ftops.emulator.control_plane import autodeploy
from ftops.emulator.http.errors import deployment_not_found, deployment_paused

STUCK = "Stuck"
_NOTED_EVERY = 3600.0  # seconds between two notes of a deployment's last call


def state(deployment: Deployment, now: float) -> str:
    """The provisioningState at the virtual time ``now``."""
    if deployment.deleting is not None:
        return "Deleting"
    if now < deployment.ready or deployment.fate == STUCK:
        return deployment.pending
    return deployment.fate


def busy(deployment: Deployment, now: float) -> bool:
    """Whether a write is in progress: the account takes no other one meanwhile."""
    return deployment.deleting is not None or now < deployment.ready


def gone_at(cloud: Cloud, deployment: Deployment) -> float:
    """When the deployment ceases: by its deletion, its tier's limit or for want of calls."""
    ends = [float("inf")]
    if deployment.deleting is not None:
        ends.append(deployment.deleting)
    if deployment.sku["name"] == "DeveloperTier":
        ends.append(deployment.created + cloud.settings.developer_tier_seconds)
    if model_of(cloud, deployment.model) is not None:
        used = max(deployment.last_call or 0.0, deployment.ready)
        ends.append(used + cloud.settings.idle_deployment_seconds)
    return min(ends)


def alive(cloud: Cloud, deployment: Deployment, now: float) -> bool:
    """Whether the deployment still exists."""
    return now < gone_at(cloud, deployment)


def settle(cloud: Cloud) -> None:
    """Take away the deployments that ceased, and forget what no longer matters of them."""
    autodeploy.settle(cloud)
    now = cloud.clock.now()
    for deployment in cloud.deployments.all():
        end = gone_at(cloud, deployment)
        if end <= now:
            cloud.retired.put(dataclasses.replace(deployment, deleting=end))
            cloud.deployments.remove(deployment.id)
    memory = max(cloud.settings.stale_route_seconds, cloud.settings.quota_return_seconds)
    for old in cloud.retired.all():
        if (old.deleting or 0.0) + memory < now:
            cloud.retired.remove(old.id)


def find(cloud: Cloud, name: str) -> Deployment | None:
    """The deployment of this name (in any case), if it exists now."""
    settle(cloud)
    return cloud.deployments.get(name.lower())


def tuned_model(cloud: Cloud, model: JSON) -> TunedModel | None:
    """The tuned model that a deployment's ``model`` names: by its name or its checkpoint's id."""
    now = cloud.clock.now()
    name = model["name"]
    named = cloud.models.get(name)
    if named is None and str(name).startswith("ftchkpt-"):
        named = next((item for item in cloud.models.all() if item.checkpoint == name), None)
    return named if named is not None and named.created <= now else None


def model_of(cloud: Cloud, model: JSON) -> str | None:
    """The id of the tuned model that is deployed; None for a base model."""
    if catalog.find(model["name"], model.get("version")) is not None:
        return None
    tuned = tuned_model(cloud, model)
    return tuned.id if tuned else str(model["name"])


def serving(cloud: Cloud, name: str) -> JSON:
    """The model that answers for a name right now, as the data plane knows it."""
    deployment = find(cloud, name)
    if deployment is None:
        raise deployment_not_found()
    now = cloud.clock.now()
    model: JSON | None = deployment.model
    if now < deployment.ready or deployment.fate != "Succeeded":
        model = deployment.serving
    elif now < deployment.routed:
        model = None
    if model is None:
        raise deployment_not_found()
    if deployment.paused:
        raise deployment_paused(name)
    _note_call(cloud, deployment, now)
    return model


def _note_call(cloud: Cloud, deployment: Deployment, now: float) -> None:
    if now - (deployment.last_call or 0.0) > _NOTED_EVERY:
        cloud.deployments.put(dataclasses.replace(deployment, last_call=now))


def serving_before(cloud: Cloud, name: str) -> JSON | None:
    """The model that answers for a name, without counting as a call; None when none does."""
    deployment = find(cloud, name)
    if deployment is None or deployment.fate != "Succeeded":
        return None
    return deployment.model if cloud.clock.now() >= deployment.routed else deployment.serving

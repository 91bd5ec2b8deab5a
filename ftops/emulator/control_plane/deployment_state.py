"""State of deployments as a function of the clock, their JSON, and the model that answers for a name.

Sources for deployments that the service creates when a job succeeds (``inference_configs``): the fine-tuning
samples of azure-sdk-for-python. Their name is not documented, so it is a setting, ``auto_deployment_name``.
"""

from __future__ import annotations

import re
import uuid
from datetime import UTC, datetime

from msgspec.structs import replace

from ftops.emulator.account import catalog
from ftops.emulator.account.cloud import JSON, Cloud, Deployment, Job, TunedModel
from ftops.emulator.account.managed import Adapter, ManagedDeployment
from ftops.emulator.http.errors import ServiceError, deployment_not_found, deployment_not_ready

TYPE = "Microsoft.CognitiveServices/accounts/deployments"
STUCK = "Stuck"
_LAST_CALL_PRECISION = 3600.0  # seconds: how often a deployment's last call is stored
_MAX_NAME = 64
AnyDeployment = Deployment | ManagedDeployment | Adapter


def described(cloud: Cloud, deployment: Deployment) -> JSON:
    """A deployment on the wire, as of now."""
    capacity = deployment.sku["capacity"]
    properties = {
        "model": deployment.model,
        **deployment.properties,
        "currentCapacity": capacity,
        "capabilities": {"chatCompletion": "true", "maxContextToken": "128000"},
        "provisioningState": state(deployment, cloud.clock.now()),
        **({"deploymentState": "Paused"} if deployment.paused else {}),
        "rateLimits": [
            {"key": key, "renewalPeriod": period, "count": per_unit * capacity}
            for key, period, per_unit in (
                ("request", 10, cloud.settings.requests_per_unit or 1),
                ("token", 60, cloud.settings.tokens_per_unit or 1000),
            )
        ],
    }
    return {
        "id": f"{cloud.account.id}/deployments/{deployment.name}",
        "type": TYPE,
        "name": deployment.name,
        "sku": deployment.sku,
        "properties": properties,
        "systemData": {
            "createdBy": "emulator",
            "createdByType": "User",
            "createdAt": timestamp(deployment.created),
            "lastModifiedBy": "emulator",
            "lastModifiedByType": "User",
            "lastModifiedAt": timestamp(deployment.modified),
        },
        **({"tags": deployment.tags} if deployment.tags else {}),
        "etag": f'"{deployment.etag}"',
    }


def timestamp(at: float) -> str:
    """Virtual seconds in the format of the control plane."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def state(deployment: AnyDeployment, now: float) -> str:
    """The provisioningState at the virtual time ``now``."""
    if deployment.deleting is not None:
        return "Deleting"
    if now < deployment.ready or deployment.final_state == STUCK:
        return deployment.pending
    return deployment.final_state


def final_state(fault: str | None) -> str:
    """The state in which a creation ends."""
    return {"fail": "Failed", "stuck": STUCK}.get(fault or "", "Succeeded")


def busy(deployment: AnyDeployment, now: float) -> bool:
    """Whether a write is in progress. The account refuses others until it ends."""
    return deployment.deleting is not None or now < deployment.ready


def gone_at(cloud: Cloud, deployment: Deployment) -> float:
    """When the deployment is gone: deleted, at the end of its tier's lifetime, or after a time without
    calls."""
    ends = [float("inf")]
    if deployment.deleting is not None:
        ends.append(deployment.deleting)
    if deployment.sku["name"] == "DeveloperTier":
        ends.append(deployment.created + cloud.settings.developer_tier_seconds)
    if model_of(cloud, deployment.model) is not None:
        last_use = max(deployment.last_call or 0.0, deployment.ready)
        ends.append(last_use + cloud.settings.idle_deployment_seconds)
    return min(ends)


def settle(cloud: Cloud) -> None:
    """Create and remove the deployments that the service creates and removes by itself."""
    now = cloud.clock.now()
    for job in cloud.jobs.all():
        if job.inference_sku is None or job.deployed or job.outcome is None:
            continue
        if job.outcome["status"] == "succeeded" and job.outcome["at"] <= now:
            cloud.jobs.put(replace(job, deployed=True))
            _deploy(cloud, job, float(job.outcome["at"]))
    for deployment in cloud.deployments.all():
        end = gone_at(cloud, deployment)
        if end <= now:
            cloud.retired.put(replace(deployment, deleting=end))
            cloud.deployments.remove(deployment.id)
    kept_for = max(cloud.settings.stale_route_seconds, cloud.settings.quota_return_seconds)
    for old in cloud.retired.all():
        if (old.deleting or 0.0) + kept_for < now:
            cloud.retired.remove(old.id)


def _deploy(cloud: Cloud, job: Job, at: float) -> None:
    name = cloud.settings.auto_deployment_name
    values = {"{job}": job.id, "{suffix}": job.suffix or "", "{model}": job.fine_tuned_model or ""}
    for key, value in values.items():
        name = name.replace(key, value)
    name = re.sub(r"[^A-Za-z0-9_.-]", "-", name).strip("-.")[:_MAX_NAME]
    name = name if len(name) > 1 else job.id
    if cloud.deployments.get(name.lower()) is not None:
        return
    tuned = cloud.models.get(job.fine_tuned_model or "")
    format_ = catalog.BY_ID[tuned.base].format if tuned is not None else "OpenAI"
    model = {"format": format_, "name": job.fine_tuned_model, "version": "1"}
    sku = {"name": job.inference_sku, "capacity": 1}
    made = new_deployment(name, at, model, sku, {"versionUpgradeOption": "OnceNewDefaultVersionAvailable"})
    ready = at + cloud.settings.deployment_seconds
    cloud.deployments.put(replace(made, ready=ready, routed=ready + cloud.settings.not_found_seconds))


def new_deployment(name: str, at: float, model: JSON, sku: JSON, properties: JSON) -> Deployment:
    etag = str(uuid.uuid4())
    return Deployment(
        name.lower(), at, name, model, sku, properties, modified=at, ready=at, routed=at, etag=etag
    )


def find(cloud: Cloud, name: str) -> Deployment | None:
    """The deployment with this name, in upper or lower case, if it exists now."""
    settle(cloud)
    return cloud.deployments.get(name.lower())


def tuned_model(cloud: Cloud, model: JSON) -> TunedModel | None:
    """The tuned model that a deployment's ``model`` names by its name or by the id of its checkpoint."""
    name = model["name"]
    tuned = cloud.models.get(name)
    if tuned is None and str(name).startswith("ftchkpt-"):
        tuned = next((item for item in cloud.models.all() if item.checkpoint == name), None)
    return tuned if tuned is not None and tuned.created <= cloud.clock.now() else None


def model_of(cloud: Cloud, model: JSON) -> str | None:
    """The id of the tuned model that is deployed; None for a base model."""
    if catalog.find(model["name"], model.get("version")) is not None:
        return None
    tuned = tuned_model(cloud, model)
    return tuned.id if tuned else str(model["name"])


def serving(cloud: Cloud, name: str) -> JSON:
    """The model that answers for a deployment's name now. Raises ServiceError."""
    deployment = find(cloud, name)
    if deployment is None:
        raise deployment_not_found()
    now = cloud.clock.now()
    model: JSON | None = deployment.model
    if now < deployment.ready or deployment.final_state != "Succeeded":
        model = deployment.serving
    elif now < deployment.routed:
        model = None
    if model is None:
        raise deployment_not_found()
    if deployment.unready and model is deployment.model:
        raise deployment_not_ready()
    if deployment.paused:
        # The status is documented, the message is not.
        raise ServiceError(423, "Locked", f"The deployment '{name}' is paused.")
    if now - (deployment.last_call or 0.0) > _LAST_CALL_PRECISION:
        cloud.deployments.put(replace(deployment, last_call=now))
    return model


def serving_before(cloud: Cloud, name: str) -> JSON | None:
    """The model that answers for a name, if any. Doesn't count as a call."""
    deployment = find(cloud, name)
    if deployment is None or deployment.final_state != "Succeeded":
        return None
    return deployment.model if cloud.clock.now() >= deployment.routed else deployment.serving

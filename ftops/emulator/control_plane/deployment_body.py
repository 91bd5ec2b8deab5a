"""Deployments as the control plane writes them."""

from __future__ import annotations

from datetime import UTC, datetime

from ftops.emulator.account.cloud import JSON, Cloud, Deployment
from ftops.emulator.control_plane import deployment_state

TYPE = "Microsoft.CognitiveServices/accounts/deployments"


def described(cloud: Cloud, deployment: Deployment) -> JSON:
    """The deployment on the wire, as it is now."""
    now = cloud.clock.now()
    capacity = deployment.sku["capacity"]
    properties = {
        "model": deployment.model,
        **deployment.properties,
        "currentCapacity": capacity,
        "capabilities": {"chatCompletion": "true", "maxContextToken": "128000"},
        "provisioningState": deployment_state.state(deployment, now),
        **({"deploymentState": "Paused"} if deployment.paused else {}),
        "rateLimits": [
            {"key": "request", "renewalPeriod": 10, "count": capacity},
            {"key": "token", "renewalPeriod": 60, "count": 1000 * capacity},
        ],
    }
    return {
        "id": f"{cloud.account.id}/deployments/{deployment.name}",
        "type": TYPE,
        "name": deployment.name,
        "sku": deployment.sku,
        "properties": properties,
        "systemData": _system_data(deployment),
        **({"tags": deployment.tags} if deployment.tags else {}),
        "etag": f'"{deployment.etag}"',
    }


def _system_data(deployment: Deployment) -> JSON:
    who = {"createdBy": "emulator", "createdByType": "User"}
    changed = {"lastModifiedBy": "emulator", "lastModifiedByType": "User"}
    return {
        **who,
        "createdAt": timestamp(deployment.created),
        **changed,
        "lastModifiedAt": timestamp(deployment.modified),
    }


def timestamp(at: float) -> str:
    """Virtual seconds as the control plane writes them."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")

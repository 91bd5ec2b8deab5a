"""A Foundry project: the deployments of its account, and its connections. Any name is a project.

Sources: the types of azure-ai-projects 2.10; public recordings of the list of deployments. The emulated
project has one connection, to the account itself.
"""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from ftops.emulator.account.cloud import JSON, Cloud, Deployment
from ftops.emulator.control_plane import deployment_state
from ftops.emulator.http.errors import not_found
from ftops.emulator.http.messages import reply

_DEPLOYMENT, _CONNECTION = "ModelDeployment", "AzureOpenAI"


async def list_deployments(cloud: Cloud, request: Request) -> Response:
    deployment_state.settle(cloud)
    wanted = {
        key: request.query_params.get(parameter)
        for key, parameter in (
            ("modelPublisher", "modelPublisher"), ("modelName", "modelName"), ("type", "deploymentType"),
        )
    }  # fmt: skip
    rows = [_deployment(item) for item in cloud.deployments.all()]
    return reply({"value": [row for row in rows if all(row[k] == v for k, v in wanted.items() if v)]})


async def get_deployment(cloud: Cloud, request: Request) -> Response:
    name = request.path_params["deployment"]
    deployment = deployment_state.find(cloud, name)
    if deployment is None:
        raise not_found("deployment", name)
    return reply(_deployment(deployment))


def _deployment(deployment: Deployment) -> JSON:
    model, sku = deployment.model, deployment.sku
    return {
        "name": deployment.name,
        "type": _DEPLOYMENT,
        "modelName": model["name"],
        "modelVersion": model.get("version", ""),
        "modelPublisher": model.get("format", ""),
        "capabilities": {"chat_completion": "true"},
        "sku": {"name": sku["name"], "capacity": sku["capacity"]},
    }


async def list_connections(cloud: Cloud, request: Request) -> Response:
    is_wanted = request.query_params.get("connectionType") in (None, _CONNECTION)
    is_default = request.query_params.get("defaultConnection", "true").lower() == "true"
    return reply({"value": [_connection(cloud, request)] if is_wanted and is_default else []})


async def get_connection(cloud: Cloud, request: Request) -> Response:
    return reply(_existing(cloud, request))


async def get_connection_with_credentials(cloud: Cloud, request: Request) -> Response:
    found = _existing(cloud, request)
    key = {} if cloud.settings.disable_local_auth else {"key": request.scope["emulator.credentials"].key}
    return reply({**found, "credentials": {**found["credentials"], **key}})


def _existing(cloud: Cloud, request: Request) -> JSON:
    name = request.path_params["connection"]
    if name != cloud.account.name:
        raise not_found("connection", name)
    return _connection(cloud, request)


def _connection(cloud: Cloud, request: Request) -> JSON:
    """The connection to the account. Its credentials are only their type."""
    account, project = cloud.account, request.path_params["project"]
    return {
        "name": account.name,
        "id": f"{account.id}/projects/{project}/connections/{account.name}",
        "type": _CONNECTION,
        "target": str(request.base_url),
        "isDefault": True,
        "credentials": {"type": "AAD" if cloud.settings.disable_local_auth else "ApiKey"},
        "metadata": {"ApiType": "Azure", "ResourceId": account.id},
    }

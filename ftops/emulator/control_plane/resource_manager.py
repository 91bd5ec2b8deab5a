"""Azure Resource Manager around the account: tenant, subscription, resource groups, the provider.

Source: the API description of Microsoft.Resources. There is one tenant with one subscription, in which the
account has a resource group; others can be created, but stay empty.
"""

from __future__ import annotations

import re

from msgspec.structs import replace
from starlette.requests import Request
from starlette.responses import Response

from ftops.emulator.account.cloud import JSON, Cloud, ResourceGroup
from ftops.emulator.control_plane.arm_paths import NAMESPACE, TYPES, group_not_found, versions_of
from ftops.emulator.http.auth import OWNER
from ftops.emulator.http.errors import ServiceError
from ftops.emulator.http.messages import read_object, reply
from ftops.emulator.http.permissions import roles_of

_GROUP_NAME = re.compile(r"[\w.()-]{0,89}[\w()-]")
_TITLE = "Emulator"


async def list_tenants(_: Cloud, request: Request) -> Response:
    tenant = _tenant(request)
    row = {"id": f"/tenants/{tenant}", "tenantId": tenant, "displayName": _TITLE, "tenantCategory": "Home"}
    return reply({"value": [row]})


async def list_subscriptions(cloud: Cloud, request: Request) -> Response:
    """The subscription, for callers with any role in it."""
    caller = request.scope["emulator.caller"]
    principal = cloud.principals.get(caller)
    is_allowed = caller == OWNER or (principal and any(role.actions for role in roles_of(principal)))
    rows = [_subscription(cloud, request)] if is_allowed else []
    return reply({"value": rows, "count": {"type": "Total", "value": len(rows)}})


async def get_subscription(cloud: Cloud, request: Request) -> Response:
    return reply(_subscription(cloud, request))


async def list_locations(cloud: Cloud, _: Request) -> Response:
    location = cloud.account.location
    row = {
        "id": f"/subscriptions/{cloud.account.subscription}/locations/{location}",
        "name": location,
        "type": "Region",
        "displayName": location,
        "regionalDisplayName": location,
        "metadata": {"regionType": "Physical", "regionCategory": "Recommended"},
    }
    return reply({"value": [row]})


async def list_groups(cloud: Cloud, _: Request) -> Response:
    return reply({"value": [_group(cloud, group) for group in _groups(cloud).values()]})


async def get_group(cloud: Cloud, request: Request) -> Response:
    return reply(_group(cloud, _existing_group(cloud, request)))


async def has_group(cloud: Cloud, request: Request) -> Response:
    is_there = request.path_params["group"].lower() in _groups(cloud)
    return Response(status_code=204 if is_there else 404)


async def put_group(cloud: Cloud, request: Request) -> Response:
    """Create a resource group, or change its tags."""
    name, body = request.path_params["group"], await read_object(request)
    location = str(body.get("location") or "").replace(" ", "").lower()
    existing = _groups(cloud).get(name.lower())
    if not _GROUP_NAME.fullmatch(name):
        raise ServiceError(400, "InvalidResourceGroup", f"The resource group name '{name}' is not valid.")
    if not location:
        message = "The location property is required for this definition."
        raise ServiceError(400, "LocationRequired", message)
    if existing is not None and existing.location != location:
        message = f"Invalid resource group location '{location}'. The Resource group already exists in "
        raise ServiceError(409, "InvalidResourceGroupLocation", f"{message}location '{existing.location}'.")
    group = existing or ResourceGroup(name.lower(), cloud.clock.now(), name, location)
    group = replace(group, tags=body.get("tags") or None)
    cloud.groups.put(group)
    return reply(_group(cloud, group), 200 if existing else 201)


async def delete_group(cloud: Cloud, request: Request) -> Response:
    """Delete an empty resource group."""
    group = _existing_group(cloud, request)
    if group.id == cloud.account.group.lower() and cloud.exists:
        raise ServiceError(
            409,
            "ResourceGroupDeletionBlocked",
            f"Deletion of resource group '{group.name}' failed as resources with identifiers "
            f"'{cloud.account.id}' exist in it.",
        )
    cloud.groups.remove(group.id)
    return Response(status_code=200)


async def list_providers(cloud: Cloud, _: Request) -> Response:
    return reply({"value": [_provider(cloud)]})


async def get_provider(cloud: Cloud, _: Request) -> Response:
    return reply(_provider(cloud))


def groups(cloud: Cloud) -> set[str]:
    """The names of the resource groups, in lower case."""
    return set(_groups(cloud))


def _groups(cloud: Cloud) -> dict[str, ResourceGroup]:
    """By their names in lower case. That of the account always exists."""
    account = cloud.account
    own = ResourceGroup(account.group.lower(), 0.0, account.group, account.location)
    return {own.id: own} | {group.id: group for group in cloud.groups.all()}


def _existing_group(cloud: Cloud, request: Request) -> ResourceGroup:
    name = request.path_params["group"]
    group = _groups(cloud).get(name.lower())
    if group is None:
        raise group_not_found(name)
    return group


def _tenant(request: Request) -> str:
    return str(request.scope["emulator.credentials"].tenant)


def _subscription(cloud: Cloud, request: Request) -> JSON:
    name = cloud.account.subscription
    return {
        "id": f"/subscriptions/{name}",
        "authorizationSource": "RoleBased",
        "managedByTenants": [],
        "subscriptionId": name,
        "tenantId": _tenant(request),
        "displayName": _TITLE,
        "state": "Enabled",
        "subscriptionPolicies": {
            "locationPlacementId": "Public_2014-09-01",
            "quotaId": "PayAsYouGo_2014-09-01",
            "spendingLimit": "Off",
        },
    }


def _group(cloud: Cloud, group: ResourceGroup) -> JSON:
    return {
        "id": f"/subscriptions/{cloud.account.subscription}/resourceGroups/{group.name}",
        "name": group.name,
        "type": "Microsoft.Resources/resourceGroups",
        "location": group.location,
        **({"tags": group.tags} if group.tags else {}),
        "properties": {"provisioningState": "Succeeded"},
    }


def _provider(cloud: Cloud) -> JSON:
    return {
        "id": f"/subscriptions/{cloud.account.subscription}/providers/{NAMESPACE}",
        "namespace": NAMESPACE,
        "registrationState": "Registered",
        "registrationPolicy": "RegistrationRequired",
        "resourceTypes": [
            {"resourceType": kind, "locations": [cloud.account.location], "apiVersions": versions_of(kind)}
            for kind in TYPES
        ],
    }

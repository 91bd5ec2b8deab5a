"""The account in the control plane: create, delete, restore and purge it;
its keys, projects and usages.

Sources: Azure's documents on recovering and purging deleted resources (they are kept for 48 hours; creating
one with the same name is refused with ``FlagMustBeSetForRestore``), and on deleting one: its deployments go
first.
"""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from ftops.emulator.account.cloud import JSON, Cloud
from ftops.emulator.control_plane import quota, resource_manager
from ftops.emulator.control_plane.arm_paths import group_not_found
from ftops.emulator.control_plane.deployment_state import timestamp
from ftops.emulator.http.auth import OWNER, Credentials
from ftops.emulator.http.errors import ServiceError, resource_not_found
from ftops.emulator.http.messages import read_object, reply
from ftops.emulator.http.permissions import Role, roles_of

_KEPT_SECONDS = 48 * 3600.0
_DELETED_TYPE = "Microsoft.CognitiveServices/deletedAccounts"
_PROJECT = "project"
_CREATED = 1700000000.0  # seconds since the epoch


async def get_account(cloud: Cloud, request: Request) -> Response:
    return reply(described(cloud, request))


async def list_accounts(cloud: Cloud, request: Request) -> Response:
    """The account; none for another resource group."""
    group = request.path_params.get("group", cloud.account.group)
    if group.lower() not in resource_manager.groups(cloud):
        raise group_not_found(group)
    is_here = cloud.exists and group.lower() == cloud.account.group.lower()
    return reply({"value": [described(cloud, request)] if is_here else []})


async def put_account(cloud: Cloud, request: Request) -> Response:
    """Create or restore the account. One that exists stays as it is."""
    properties = (await read_object(request)).get("properties") or {}
    purge_expired(cloud)
    if cloud.exists:
        return reply(described(cloud, request))
    if cloud.deleted is not None and not properties.get("restore"):
        raise ServiceError(
            409,
            "FlagMustBeSetForRestore",
            f"An existing resource with ID '{cloud.account.id}' has been soft-deleted. To restore the "
            "resource, you must specify 'restore' to be 'true' in the property. If you don't want to "
            "restore existing resource, please purge it first.",
        )
    cloud.set_deletion({})
    return reply(described(cloud, request), 201)


async def delete_account(cloud: Cloud, _: Request) -> Response:
    """Delete the account. It can be restored until it is purged."""
    if not cloud.exists:
        return Response(status_code=204)
    nested = [item for items in (cloud.deployments, cloud.managed, cloud.adapters) for item in items.all()]
    if nested:
        raise ServiceError(
            409,
            "CannotDeleteResource",
            "Cannot delete resource while nested resources exist. Some existing nested resource IDs "
            f"include: '{cloud.account.id}/deployments/{nested[0].name}'. Please delete "
            "all nested resources before deleting this resource.",
        )
    cloud.set_deletion({"deleted": cloud.clock.now()})
    return Response(status_code=200)


async def list_deleted(cloud: Cloud, _: Request) -> Response:
    purge_expired(cloud)
    return reply({"value": [] if cloud.deleted is None else [_deleted(cloud, cloud.deleted)]})


async def get_deleted(cloud: Cloud, request: Request) -> Response:
    purge_expired(cloud)
    if cloud.deleted is None or not _is_this_account(cloud, request):
        raise resource_not_found(
            f"{_DELETED_TYPE}/{request.path_params['account']}", request.path_params["group"]
        )
    return reply(_deleted(cloud, cloud.deleted))


async def purge(cloud: Cloud, request: Request) -> Response:
    """Purge the deleted account with all its objects. Its name can be used again."""
    purge_expired(cloud)
    if cloud.deleted is None or not _is_this_account(cloud, request):
        return Response(status_code=204)
    _purge(cloud)
    return Response(status_code=200)


async def list_permissions(cloud: Cloud, request: Request) -> Response:
    """What the roles of the caller allow on the account."""
    caller = request.scope["emulator.caller"]
    principal = None if caller == OWNER else cloud.principals.get(caller)
    roles = [Role(("*",), ("*",))] if caller == OWNER else roles_of(principal) if principal else []
    rows = [
        {
            "actions": list(role.actions),
            "notActions": [],
            "dataActions": list(role.data_actions),
            "notDataActions": [],
        }
        for role in roles
    ]
    return reply({"value": rows})


def purge_expired(cloud: Cloud) -> None:
    """Purge the account if it was deleted long enough ago."""
    if cloud.deleted is not None and cloud.clock.now() >= cloud.deleted + _KEPT_SECONDS:
        _purge(cloud)


async def list_keys(cloud: Cloud, request: Request) -> Response:
    return reply(request.scope["emulator.credentials"].keys)


async def regenerate_key(cloud: Cloud, request: Request) -> Response:
    """Replace one of the keys."""
    credentials: Credentials = request.scope["emulator.credentials"]
    name = str((await read_object(request)).get("keyName"))
    if name.lower() not in credentials.keys:
        raise ServiceError(400, "InvalidKeyName", f"The key name '{name}' is not valid; use Key1 or Key2.")
    credentials.regenerate(name.lower())
    return await list_keys(cloud, request)


async def check_domain(cloud: Cloud, request: Request) -> Response:
    """Whether a name can be the subdomain of a new account. A deleted account keeps its own."""
    body = await read_object(request)
    name = body.get("subdomainName")
    if not isinstance(name, str) or not name:
        raise ServiceError(400, "InvalidRequestContent", "The property 'subdomainName' is required.")
    is_held = cloud.exists or cloud.deleted is not None
    is_free = name.lower() != cloud.account.name.lower() or not is_held
    used = f"Sub domain name '{name}' is already used. Please pick a different name."
    row = {"isSubdomainAvailable": is_free, "subdomainName": name, "type": body.get("type")}
    return reply({**row, "kind": body.get("kind"), "reason": None if is_free else used})


async def list_projects(cloud: Cloud, request: Request) -> Response:
    """One project. Every name of a project leads to the same objects."""
    place = f"{cloud.account.id}/projects/{_PROJECT}"
    endpoint = f"{request.base_url}api/projects/{_PROJECT}"
    project = {
        "id": place,
        "name": f"{cloud.account.name}/{_PROJECT}",
        "type": "Microsoft.CognitiveServices/accounts/projects",
        "location": cloud.account.location,
        "properties": {
            "displayName": _PROJECT,
            "isDefault": True,
            "endpoints": {"AI Foundry API": endpoint},
            "provisioningState": "Succeeded",
        },
    }
    return reply({"value": [project]})


async def list_usages(cloud: Cloud, _: Request) -> Response:
    return reply({"value": quota.usages(cloud)})


def described(cloud: Cloud, request: Request) -> JSON:
    settings, endpoint = cloud.settings, str(request.base_url)
    limits = {
        "MaxFineTuneCount": settings.jobs_limit,
        "MaxRunningFineTuneCount": settings.running_jobs_limit,
        "MaxRunningGlobalStandardFineTuneCount": settings.running_jobs_limit,
        "MaxUserFileCount": settings.files_limit,
        "MaxTrainingFileSize": settings.max_file_bytes,
        "MaxFineTuneJobDurationInHours": 720,
        "MaxUserFileImportDurationInHours": 1,
    }
    return {
        "id": cloud.account.id,
        "name": cloud.account.name,
        "type": "Microsoft.CognitiveServices/accounts",
        "location": cloud.account.location,
        "sku": {"name": "S0"},
        "kind": "OpenAI",
        "properties": {
            "endpoint": endpoint,
            "endpoints": {"OpenAI Language Model Instance API": endpoint},
            "provisioningState": settings.account_state,
            "disableLocalAuth": settings.disable_local_auth,
            "customSubDomainName": cloud.account.name,
            "dateCreated": timestamp(_CREATED),
            "publicNetworkAccess": "Enabled",
            "capabilities": [{"name": name, "value": str(value)} for name, value in limits.items()],
            "callRateLimit": {"rules": [{"key": "openai", "renewalPeriod": 1, "count": 30}]},
        },
        "systemData": {"createdBy": "emulator", "createdAt": timestamp(_CREATED)},
        "etag": '"emulator"',
    }


def _purge(cloud: Cloud) -> None:
    with cloud.lock:
        cloud.forget_objects()
        cloud.set_deletion({"purged": True})


def _is_this_account(cloud: Cloud, request: Request) -> bool:
    path, account = request.path_params, cloud.account
    pairs = (
        (path["group"], account.group),
        (path["account"], account.name),
        (path["location"].replace(" ", ""), account.location.replace(" ", "")),
    )
    return all(one.lower() == other.lower() for one, other in pairs)


def _deleted(cloud: Cloud, at: float) -> JSON:
    account = cloud.account
    return {
        "id": f"{account.location_id}/resourceGroups/{account.group}/deletedAccounts/{account.name}",
        "type": _DELETED_TYPE,
        "name": account.name,
        "location": account.location,
        "kind": "OpenAI",
        "sku": {"name": "S0"},
        "properties": {
            "deletionDate": timestamp(at),
            "scheduledPurgeDate": timestamp(at + _KEPT_SECONDS),
            "provisioningState": "Succeeded",
        },
    }

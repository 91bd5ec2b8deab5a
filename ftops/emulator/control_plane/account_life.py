"""The life of the account itself: made, deleted and still holding its name, restored, purged.

Sources: Azure's documents on recovering and purging deleted resources (kept for 48 hours; a name in use by a
deleted account is refused with ``FlagMustBeSetForRestore``), and on deleting one: its deployments go first.
What a caller may do is listed at ``Microsoft.Authorization/permissions`` of the account.
"""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from ftops.emulator.account.cloud import JSON, Cloud
from ftops.emulator.control_plane import account as control_account
from ftops.emulator.control_plane.deployment_body import timestamp
from ftops.emulator.http.access import grants
from ftops.emulator.http.auth import OWNER
from ftops.emulator.http.errors import ServiceError, resource_not_found
from ftops.emulator.http.messages import read_object, reply

_KEPT_SECONDS = 48 * 3600.0
_TYPE = "Microsoft.CognitiveServices/deletedAccounts"


async def put(cloud: Cloud, request: Request) -> Response:
    """PUT the account: as it is, restored, or anew where the last one was purged."""
    properties = (await read_object(request)).get("properties") or {}
    settle(cloud)
    if cloud.exists:
        return reply(control_account.described(cloud, request))
    if cloud.deleted is not None and not properties.get("restore"):
        raise ServiceError(
            409,
            "FlagMustBeSetForRestore",
            f"An existing resource with ID '{cloud.account.id}' has been soft-deleted. To restore the "
            "resource, you must specify 'restore' to be 'true' in the property. If you don't want to "
            "restore existing resource, please purge it first.",
        )
    cloud.end_account({})
    return reply(control_account.described(cloud, request), 201)


async def delete(cloud: Cloud, _: Request) -> Response:
    """DELETE the account: it can be restored until it is purged."""
    if not cloud.exists:
        return Response(status_code=204)
    if len(cloud.deployments):
        raise ServiceError(
            409,
            "CannotDeleteResource",
            "Cannot delete resource while nested resources exist. Some existing nested resource IDs "
            f"include: '{cloud.account.id}/deployments/{cloud.deployments.all()[0].name}'. Please delete "
            "all nested resources before deleting this resource.",
        )
    cloud.end_account({"deleted": cloud.clock.now()})
    return Response(status_code=200)


async def list_deleted(cloud: Cloud, _: Request) -> Response:
    """GET the deleted accounts of the subscription."""
    settle(cloud)
    return reply({"value": [] if cloud.deleted is None else [_deleted(cloud, cloud.deleted)]})


async def get_deleted(cloud: Cloud, request: Request) -> Response:
    """GET a deleted account."""
    settle(cloud)
    if cloud.deleted is None or not _is_ours(cloud, request):
        raise resource_not_found(f"{_TYPE}/{request.path_params['account']}", request.path_params["group"])
    return reply(_deleted(cloud, cloud.deleted))


async def purge(cloud: Cloud, request: Request) -> Response:
    """DELETE a deleted account: its name is free, and all that it held is gone."""
    settle(cloud)
    if cloud.deleted is None or not _is_ours(cloud, request):
        return Response(status_code=204)
    _purge(cloud)
    return Response(status_code=200)


async def list_permissions(cloud: Cloud, request: Request) -> Response:
    """GET what the roles of the caller allow on the account."""
    caller = request.scope["emulator.caller"]
    principal = None if caller == OWNER else cloud.principals.get(caller)
    rows = [(("*",), ("*",))] if caller == OWNER else grants(principal) if principal else []
    return reply({"value": [_permission(*row) for row in rows]})


def settle(cloud: Cloud) -> None:
    """Purge what has been deleted for long enough."""
    if cloud.deleted is not None and cloud.clock.now() >= cloud.deleted + _KEPT_SECONDS:
        _purge(cloud)


def _purge(cloud: Cloud) -> None:
    with cloud.lock:
        cloud.forget_objects()
        cloud.end_account({"purged": True})


def _is_ours(cloud: Cloud, request: Request) -> bool:
    given, account = request.path_params, cloud.account
    asked = (given["group"], given["account"], given["location"].replace(" ", ""))
    ours = (account.group, account.name, account.location.replace(" ", ""))
    return [text.lower() for text in asked] == [text.lower() for text in ours]


def _deleted(cloud: Cloud, at: float) -> JSON:
    account = cloud.account
    place = f"/subscriptions/{account.subscription}/providers/Microsoft.CognitiveServices/locations"
    return {
        "id": f"{place}/{account.location}/resourceGroups/{account.group}/deletedAccounts/{account.name}",
        "type": _TYPE,
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


def _permission(actions: tuple[str, ...], data_actions: tuple[str, ...]) -> JSON:
    return {
        "actions": list(actions),
        "notActions": [],
        "dataActions": list(data_actions),
        "notDataActions": [],
    }

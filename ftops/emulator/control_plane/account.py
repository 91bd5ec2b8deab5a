"""The account in the control plane: create, delete, restore and purge it; its keys, models and capacities.

Sources: Azure's documents on recovering and purging deleted resources (they are kept for 48 hours; creating
one with the same name is refused with ``FlagMustBeSetForRestore``), and on deleting one: its deployments go
first.
"""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from ftops.emulator.account import catalog, other_accounts
from ftops.emulator.account.cloud import JSON, Cloud, TunedModel
from ftops.emulator.control_plane import quota
from ftops.emulator.control_plane.deployment_state import timestamp
from ftops.emulator.http.auth import OWNER
from ftops.emulator.http.errors import ServiceError, resource_not_found
from ftops.emulator.http.messages import read_object, reply
from ftops.emulator.http.permissions import Role, roles_of

_KEPT_SECONDS = 48 * 3600.0
_DELETED_TYPE = "Microsoft.CognitiveServices/deletedAccounts"
_DEPRECATION = {"fineTune": "2027-04-07T00:00:00Z", "inference": "2027-10-07T00:00:00Z"}
_PROJECT = "project"
_CREATED = 1700000000.0  # seconds since the epoch


async def get_account(cloud: Cloud, request: Request) -> Response:
    return reply(described(cloud, request))


async def list_accounts(cloud: Cloud, request: Request) -> Response:
    return reply({"value": [described(cloud, request)] if cloud.exists else []})


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
    key = request.scope["emulator.credentials"].key
    return reply({"key1": key, "key2": key})


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


async def list_models(cloud: Cloud, _: Request) -> Response:
    """The models that the account can deploy, including its tuned ones."""
    other_accounts.receive(cloud)
    now = cloud.clock.now()
    tuned = [model for model in cloud.models.all() if model.created <= now]
    rows = [_base(cloud, model) for model in catalog.BASE_MODELS]
    return reply({"value": rows + [_tuned(cloud, model) for model in tuned]})


async def list_location_models(cloud: Cloud, _: Request) -> Response:
    rows = [
        {"kind": "OpenAI", "skuName": "S0", "model": _base(cloud, model)} for model in catalog.BASE_MODELS
    ]
    return reply({"value": rows})


async def list_capacities(cloud: Cloud, request: Request) -> Response:
    """The capacity that is left for a model, for each SKU."""
    query = request.query_params
    model = catalog.find(query.get("modelName", ""), query.get("modelVersion"))
    if model is None:
        return reply({"value": []})
    used = quota.used(cloud)
    return reply({"value": [_capacity(cloud, model, sku, used) for sku in catalog.FINETUNE_SKUS]})


def _capacity(cloud: Cloud, model: catalog.BaseModel, sku: str, used: dict[str, int]) -> JSON:
    limit = cloud.settings.model_quota
    full = f"OpenAI.{model.name}.{model.version}"
    base = used.get(quota.usage_name(sku, model.name, False), 0)
    tuned = used.get(quota.usage_name(sku, model.name, True), 0)
    return {
        "id": f"{cloud.account.location_id}/models/{full}/skuCapacities/{sku}",
        "type": "Microsoft.CognitiveServices/locations/models/skuCapacities",
        "name": sku,
        "location": cloud.account.location,
        "properties": {
            "model": {"format": model.format, "name": model.name, "version": model.version},
            "skuName": sku,
            "availableCapacity": limit - base if sku in model.skus else 0,
            "availableFinetuneCapacity": limit - tuned if model.trainable else 0,
        },
    }


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


def _base(cloud: Cloud, model: catalog.BaseModel) -> JSON:
    trainable = {"fineTune": "true"} if model.trainable and not model.is_open else {}
    newest = next(row for row in catalog.BASE_MODELS if row.name == model.name)
    return {
        "format": model.format,
        "name": model.name,
        "version": model.version,
        "isDefaultVersion": model is newest,
        "skus": [_sku(cloud, sku, model.name, False) for sku in model.skus],
        "maxCapacity": 3,
        "capabilities": {
            **trainable,
            "inference": "true",
            "chatCompletion": "true",
            "maxContextToken": str(model.max_context),
            "FineTuneTokensMaxValue": "2000000000",
            "FineTuneTokensMaxValuePerExample": str(model.max_example_tokens),
        },
        "finetuneCapabilities": {"chatCompletion": "true"} if model.trainable else {},
        "deprecation": _DEPRECATION if model.trainable else {"inference": _DEPRECATION["inference"]},
        "lifecycleStatus": "GenerallyAvailable",
        "systemData": {
            "createdBy": "Microsoft",
            "createdAt": timestamp(model.created),
            "lastModifiedBy": "Microsoft",
            "lastModifiedAt": timestamp(model.created),
        },
    }


def _tuned(cloud: Cloud, model: TunedModel) -> JSON:
    base = catalog.BY_ID[model.base]
    return {
        "baseModel": {"format": base.format, "name": base.name, "version": base.version},
        "format": base.format,
        "name": model.id,
        "version": "1",
        "isDefaultVersion": False,
        "skus": [_sku(cloud, sku, base.name, True) for sku in base.tuned_skus],
        "maxCapacity": 3,
        "capabilities": {"inference": "true", "chatCompletion": "true"},
        "deprecation": {"inference": _DEPRECATION["inference"]},
        "lifecycleStatus": "GenerallyAvailable",
        "systemData": {"createdBy": "emulator", "createdAt": timestamp(model.created)},
    }


def _sku(cloud: Cloud, sku: str, model: str, tuned: bool) -> JSON:
    return {
        "name": sku,
        "usageName": quota.usage_name(sku, model, tuned),
        "capacity": {"maximum": cloud.settings.model_quota, "minimum": 1, "step": 1, "default": 10},
        "deprecationDate": _DEPRECATION["inference"],
        "rateLimits": [
            {"key": "request", "renewalPeriod": 10, "count": 1},
            {"key": "token", "renewalPeriod": 60, "count": 1000},
        ],
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

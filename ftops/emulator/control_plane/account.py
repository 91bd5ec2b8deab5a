"""The account in the control plane: itself, its keys, models, usages and capacities."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from ftops.emulator.account import catalog, other_accounts
from ftops.emulator.account.cloud import JSON, Cloud, TunedModel
from ftops.emulator.control_plane import quota
from ftops.emulator.control_plane.deployment_body import timestamp
from ftops.emulator.http.messages import reply

_DEPRECATION = {"fineTune": "2027-04-07T00:00:00Z", "inference": "2027-10-07T00:00:00Z"}
_MADE = 1700000000.0  # when the account says that it was made, seconds since the epoch


async def get_account(cloud: Cloud, request: Request) -> Response:
    """GET the account."""
    return reply(described(cloud, request))


async def list_accounts(cloud: Cloud, request: Request) -> Response:
    """GET the accounts of the subscription or of the resource group: there is one, or none any more."""
    return reply({"value": [described(cloud, request)] if cloud.exists else []})


async def list_keys(cloud: Cloud, request: Request) -> Response:
    """POST …/listKeys: both keys are the emulator's."""
    key = request.scope["emulator.key"]
    return reply({"key1": key, "key2": key})


async def list_usages(cloud: Cloud, _: Request) -> Response:
    """GET the usages of a location or of the account."""
    return reply({"value": quota.usages(cloud)})


async def list_models(cloud: Cloud, _: Request) -> Response:
    """GET …/models: what the account can deploy, its own tuned models included."""
    other_accounts.receive(cloud)
    now = cloud.clock.now()
    tuned = [model for model in cloud.models.all() if model.created <= now]
    rows = [_base(cloud, model) for model in catalog.BASE_MODELS]
    return reply({"value": rows + [_tuned(cloud, model) for model in tuned]})


async def list_location_models(cloud: Cloud, _: Request) -> Response:
    """GET the models of a location."""
    rows = [
        {"kind": "OpenAI", "skuName": "S0", "model": _base(cloud, model)} for model in catalog.BASE_MODELS
    ]
    return reply({"value": rows})


async def list_capacities(cloud: Cloud, request: Request) -> Response:
    """GET modelCapacities: what is left per SKU for a model."""
    query = request.query_params
    model = catalog.find(query.get("modelName", ""), query.get("modelVersion"))
    if model is None:
        return reply({"value": []})
    used, limit = quota.used(cloud), cloud.settings.model_quota
    rows = [_capacity(cloud, model, sku, used, limit) for sku in catalog.FINETUNE_SKUS]
    return reply({"value": rows})


def _capacity(cloud: Cloud, model: catalog.BaseModel, sku: str, used: dict[str, int], limit: int) -> JSON:
    location, full = cloud.account.location, f"OpenAI.{model.name}.{model.version}"
    own = used.get(quota.usage_name(sku, model.name, False), 0)
    tuned = used.get(quota.usage_name(sku, model.name, True), 0)
    return {
        "id": f"/subscriptions/{cloud.account.subscription}/providers/Microsoft.CognitiveServices"
        f"/locations/{location}/models/{full}/skuCapacities/{sku}",
        "type": "Microsoft.CognitiveServices/locations/models/skuCapacities",
        "name": sku,
        "location": location,
        "properties": {
            "model": {"format": "OpenAI", "name": model.name, "version": model.version},
            "skuName": sku,
            "availableCapacity": limit - own if sku in model.skus else 0,
            "availableFinetuneCapacity": limit - tuned if model.trainable else 0,
        },
    }


def described(cloud: Cloud, request: Request) -> JSON:
    """The account on the wire."""
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
            "dateCreated": timestamp(_MADE),
            "publicNetworkAccess": "Enabled",
            "capabilities": [{"name": name, "value": str(value)} for name, value in limits.items()],
            "callRateLimit": {"rules": [{"key": "openai", "renewalPeriod": 1, "count": 30}]},
        },
        "systemData": {"createdBy": "emulator", "createdAt": timestamp(_MADE)},
        "etag": '"emulator"',
    }


def _base(cloud: Cloud, model: catalog.BaseModel) -> JSON:
    trainable = {"fineTune": "true"} if model.trainable else {}
    newest = next(row for row in catalog.BASE_MODELS if row.name == model.name)
    return {
        "format": "OpenAI",
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
        "baseModel": {"format": "OpenAI", "name": base.name, "version": base.version},
        "format": "OpenAI",
        "name": model.id,
        "version": "1",
        "isDefaultVersion": False,
        "skus": [_sku(cloud, sku, base.name, True) for sku in catalog.FINETUNE_SKUS],
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

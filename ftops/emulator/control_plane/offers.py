"""What the account and its location offer in the control plane: models, their SKUs and capacities."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from ftops.emulator.account import catalog, other_accounts
from ftops.emulator.account.cloud import JSON, Cloud, TunedModel
from ftops.emulator.control_plane import quota
from ftops.emulator.control_plane.deployment_state import timestamp
from ftops.emulator.http.messages import reply

_DEPRECATION = {"fineTune": "2027-04-07T00:00:00Z", "inference": "2027-10-07T00:00:00Z"}
_KIND = "OpenAI"
_SKU = {"name": "S0", "tier": "Standard"}


async def list_skus(cloud: Cloud, _: Request) -> Response:
    """The SKUs of accounts in the subscription."""
    location = cloud.account.location
    row = {"resourceType": "accounts", **_SKU, "kind": _KIND, "locations": [location], "restrictions": []}
    return reply({"value": [row]})


async def list_account_skus(_: Cloud, __: Request) -> Response:
    """The SKUs that the account can have."""
    return reply({"value": [{"resourceType": "Microsoft.CognitiveServices/accounts", "sku": _SKU}]})


async def list_models(cloud: Cloud, _: Request) -> Response:
    """The models that the account can deploy, including its tuned ones."""
    other_accounts.receive(cloud)
    now = cloud.clock.now()
    tuned = [model for model in cloud.models.all() if model.created <= now]
    rows = [_base(cloud, model) for model in catalog.BASE_MODELS]
    return reply({"value": rows + [_tuned(cloud, model) for model in tuned]})


async def list_location_models(cloud: Cloud, _: Request) -> Response:
    offer = {"kind": _KIND, "skuName": _SKU["name"]}
    rows = [{**offer, "model": _base(cloud, model)} for model in catalog.BASE_MODELS]
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

"""Quota of the subscription: how much deployments use, and the error if a write needs more than is left.

Units are thousands of tokens per minute, for each SKU and model, as in the service's usages.
"""

from __future__ import annotations

from ftops.emulator.account import catalog
from ftops.emulator.account.cloud import JSON, Cloud, Deployment
from ftops.emulator.control_plane import deployment_state
from ftops.emulator.http.errors import ServiceError

FINETUNED = "OpenAI.FineTuned.Deployments"
_FINETUNED_TITLE = "Standard Fine-Tuned Deployments"


def usage_name(sku: str, model: str, tuned: bool) -> str:
    """The name of a quota. For tuned models the service writes gpt-4.1 without its first hyphen."""
    if not tuned:
        return f"OpenAI.{sku}.{model}"
    return f"OpenAI.{sku}.{model.replace('gpt-4.1', 'gpt4.1')}-finetune"


def title(sku: str, model: str, tuned: bool) -> str:
    """The display name of a quota."""
    return f"Tokens Per Minute (thousands) - {model} - {sku}{' - finetune' if tuned else ''}"


def base_of(cloud: Cloud, model: JSON) -> tuple[catalog.BaseModel | None, bool]:
    """The base model of a deployment's model, if it is known, and whether that is tuned."""
    tuned = deployment_state.tuned_model(cloud, model)
    if tuned is not None:
        return catalog.BY_ID[tuned.base], True
    known = catalog.find(model["name"], model.get("version"))
    return known, known is None


def base_name(cloud: Cloud, model: JSON) -> tuple[str, bool]:
    """The name of the base model of a deployment's model, and whether that is tuned."""
    base, tuned = base_of(cloud, model)
    return (base.name if base else str(model["name"]).partition(".ft-")[0]), tuned


def skus_of(cloud: Cloud, model: JSON) -> tuple[str, ...]:
    """The SKUs under which a model can be deployed."""
    base, tuned = base_of(cloud, model)
    if base is None:
        return catalog.FINETUNE_SKUS
    return base.tuned_skus if tuned else base.skus


def capacity(sku: JSON, most: int) -> int:
    """The capacity that ``sku`` asks for; 1 if it doesn't say. az sends a string of digits.

    Raises ServiceError with ``InvalidCapacity``, whose text is that of Azure/business-process-automation#259.
    """
    given = sku.get("capacity")
    number = 1 if given is None else int(given) if str(given).isdecimal() else 0
    if number >= 1:
        return number
    raise ServiceError(
        400,
        "InvalidCapacity",
        f"The specified capacity '{given}' of account deployment should be greater than 0 and no more than "
        f"{most}.",
    )


def used(cloud: Cloud) -> dict[str, int]:
    """Used capacity by the name of the quota. A deleted deployment may count for a while."""
    deployment_state.settle(cloud)
    now, delay = cloud.clock.now(), cloud.settings.quota_return_seconds
    late = [old for old in cloud.retired.all() if now < (old.deleting or 0.0) + delay]
    sums: dict[str, int] = {}
    for deployment in [*cloud.deployments.all(), *late]:
        name, tuned = base_name(cloud, deployment.model)
        key = usage_name(deployment.sku["name"], name, tuned)
        sums[key] = sums.get(key, 0) + int(deployment.sku["capacity"])
        if tuned:
            sums[FINETUNED] = sums.get(FINETUNED, 0) + 1
    return sums


def usages(cloud: Cloud) -> list[JSON]:
    """Every quota with its use and limit."""
    sums, limit = used(cloud), cloud.settings.model_quota
    quotas: dict[str, tuple[str, int]] = {}  # name → display name, limit
    for model in catalog.BASE_MODELS:
        for tuned, skus in ((False, model.skus), (True, model.tuned_skus if model.trainable else ())):
            for sku in skus:
                quotas[usage_name(sku, model.name, tuned)] = (title(sku, model.name, tuned), limit)
    quotas[FINETUNED] = (_FINETUNED_TITLE, cloud.settings.finetuned_deployments_limit)
    quotas["AccountCount"] = ("Maximum Resources per Region", 200)
    sums["AccountCount"] = 1
    return [
        {
            "name": {"value": name, "localizedValue": text},
            "currentValue": sums.get(name, 0),
            "limit": limit,
            "unit": "Count",
        }
        for name, (text, limit) in quotas.items()
    ]


def require(cloud: Cloud, model: JSON, sku: JSON, existing: Deployment | None) -> None:
    """Raise ``InsufficientQuota`` if a write needs more than is left."""
    name, tuned = base_name(cloud, model)
    sums, key, text = used(cloud), usage_name(sku["name"], name, tuned), title(sku["name"], name, tuned)
    needed = int(sku["capacity"]) - (int(existing.sku["capacity"]) if existing else 0)
    _refuse_beyond(needed, sums.get(key, 0), cloud.settings.model_quota, text)
    if tuned and existing is None:
        limit = cloud.settings.finetuned_deployments_limit
        _refuse_beyond(1, sums.get(FINETUNED, 0), limit, _FINETUNED_TITLE)


def _refuse_beyond(needed: int, current: int, limit: int, text: str) -> None:
    if needed <= 0 or current + needed <= limit:
        return
    raise ServiceError(
        400,
        "InsufficientQuota",
        f"This operation require {needed} new capacity in quota {text}, which is bigger than the "
        f"current available capacity {limit - current}. The current quota usage is {current} and "
        f"the quota limit is {limit} for quota {text}.",
    )

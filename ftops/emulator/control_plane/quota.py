"""Capacity of the subscription: what deployments use, what is left, and the refusal beyond it.

Units are thousands of tokens a minute, per SKU and model, as in the service's usages.
"""

from __future__ import annotations

from collections.abc import Iterator

from ftops.emulator.account import catalog
from ftops.emulator.account.cloud import JSON, Cloud, Deployment
from ftops.emulator.control_plane import deployment_state
from ftops.emulator.http.errors import ServiceError

FINETUNED = "OpenAI.FineTuned.Deployments"
_FINETUNED_TITLE = "Standard Fine-Tuned Deployments"


def usage_name(sku: str, model: str, tuned: bool) -> str:
    """The name of a quota; the service spells tuned gpt-4.1 without its first hyphen."""
    if not tuned:
        return f"OpenAI.{sku}.{model}"
    return f"OpenAI.{sku}.{model.replace('gpt-4.1', 'gpt4.1')}-finetune"


def title(sku: str, model: str, tuned: bool) -> str:
    """The name of a quota for people."""
    return f"Tokens Per Minute (thousands) - {model} - {sku}{' - finetune' if tuned else ''}"


def base_name(cloud: Cloud, model: JSON) -> tuple[str, bool]:
    """The base model's name behind a deployment's model, and whether it is tuned."""
    tuned = deployment_state.tuned_model(cloud, model)
    if tuned is not None:
        return catalog.BY_ID[tuned.base].name, True
    known = catalog.find(model["name"], model.get("version"))
    return (known.name, False) if known else (str(model["name"]).partition(".ft-")[0], True)


def used(cloud: Cloud) -> dict[str, int]:
    """Capacity in use by quota name; a deleted deployment may still count for a while."""
    deployment_state.settle(cloud)
    now = cloud.clock.now()
    waiting = cloud.settings.quota_return_seconds
    late = [old for old in cloud.retired.all() if now < (old.deleting or 0.0) + waiting]
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
    sums = used(cloud)
    rows = [_usage(key, text, sums.get(key, 0), cloud.settings.model_quota) for key, text in _names()]
    limit = cloud.settings.finetuned_deployments_limit
    rows.append(_usage(FINETUNED, _FINETUNED_TITLE, sums.get(FINETUNED, 0), limit))
    rows.append(_usage("AccountCount", "Maximum Resources per Region", 1, 200))
    return rows


def _names() -> Iterator[tuple[str, str]]:
    seen: dict[str, str] = {}
    for model in catalog.BASE_MODELS:
        for sku in model.skus:
            seen[usage_name(sku, model.name, False)] = title(sku, model.name, False)
        for sku in catalog.FINETUNE_SKUS if model.trainable else ():
            seen[usage_name(sku, model.name, True)] = title(sku, model.name, True)
    return iter(seen.items())


def _usage(key: str, text: str, current: int, limit: int) -> JSON:
    return {
        "name": {"value": key, "localizedValue": text},
        "currentValue": current,
        "limit": limit,
        "unit": "Count",
    }


def require(cloud: Cloud, model: JSON, sku: JSON, existing: Deployment | None) -> None:
    """Raise ``InsufficientQuota`` when a write needs more than there is."""
    name, tuned = base_name(cloud, model)
    key = usage_name(sku["name"], name, tuned)
    sums = used(cloud)
    had = int(existing.sku["capacity"]) if existing else 0
    needed = int(sku["capacity"]) - had
    text = title(sku["name"], name, tuned)
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

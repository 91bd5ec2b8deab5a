"""Costs of recorded objects: what jobs have cost by what was billed, and what deployments cost. Pure."""

from __future__ import annotations

from datetime import datetime

from ftops.catalog import Catalog
from ftops.core.hosting_hours import hours_of
from ftops.core.model_names import base_of
from ftops.planning.cost.durations import hours_between
from ftops.planning.estimate import HostingCost
from ftops.state.state import ResourceState


def training_dollars(
    job: ResourceState, tokens: int | None, known: Catalog, trained: float | None = None
) -> float | None:
    """What a job has cost: its billed `tokens`, or where the hour of training has a price the seconds that it
    `trained`. None if that isn't known."""
    price = training_price(job, known)
    if price is not None:
        return None if tokens is None else price * tokens / 1e6
    model = known.find(base_of(str(job.inputs.get("model") or "")))
    per_hour = model.training_per_hour if model else None
    return None if per_hour is None or trained is None else per_hour * trained / 3600


def training_price(job: ResourceState, known: Catalog) -> float | None:
    """US dollars per million training tokens. None if they have no price."""
    model = known.find(base_of(str(job.inputs.get("model") or "")))
    training_type = str(job.inputs.get("training_type") or "standard")
    return model.training_per_million.get(training_type) if model else None


def hosted_dollars(deployment: ResourceState, cost: HostingCost, now: datetime) -> float | None:
    """What a deployment has cost since its object was created, as far as its hours go on average. None if
    that isn't known; an object that is off costs nothing."""
    if deployment.is_off:
        return 0.0
    created_at = deployment.outputs.get("created_at") or deployment.created_at
    hours = hours_between(created_at, now.isoformat())
    if hours is None or cost.per_hour is None:
        return None
    scheduled = hours_of(deployment.inputs)
    # Within hours, the object was created at their beginning; what lasts longer was off in between.
    return cost.per_hour * (hours if scheduled is None or hours <= 24 else hours * scheduled.share)

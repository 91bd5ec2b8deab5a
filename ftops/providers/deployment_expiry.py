"""Deployment expiry: when the service itself deletes a deployment. Pure.

Source: Azure's documentation on deploying fine-tuned models. A deployment of the developer tier exists for 24
hours; any other deployment of a fine-tuned model is deleted after 15 days without calls.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from ftops.core.address import Value
from ftops.core.nested import object_at
from ftops.core.normal_form import squeezed
from ftops.core.resource_types import is_tuned

CREATED, EXPIRES = "created_at", "expires"
"""Computed attributes of a deployment: when it was created, and when it expires."""


class Expiry(NamedTuple):
    """How long a deployment exists."""

    span: timedelta
    idle: bool
    """Counted from the last call, which the service doesn't report; else from its creation."""

    @property
    def planned(self) -> str:
        """Of a planned deployment, as text."""
        if self.idle:
            return f"after {self.span.days} days without calls"
        return f"{self.span // timedelta(hours=1)} hours after it is created"

    def expected(self, created: datetime | None) -> str:
        """Of an existing deployment: a time in UTC if that is certain, else as text."""
        return self.planned if self.idle or created is None else f"{created + self.span:%Y-%m-%dT%H:%M:%SZ}"


_DEVELOPER = Expiry(timedelta(hours=24), idle=False)
_IDLE = Expiry(timedelta(days=15), idle=True)


def expiry_of(inputs: Mapping[str, Value]) -> Expiry | None:
    """How long a deployment with these inputs exists; None: until somebody deletes it."""
    model = inputs.get("model")
    if squeezed(str(object_at(inputs, "sku").get("name"))) in ("developertier", "developer"):
        return _DEVELOPER
    return _IDLE if is_tuned(model) or str(model).startswith("ftchkpt-") else None


def lasting_expiry(inputs: Mapping[str, Value]) -> Expiry | None:
    """The same of what always exists: one with hosting hours is never idle for so long."""
    expiry = expiry_of(inputs)
    return None if expiry is None or (expiry.idle and "hosting" in inputs) else expiry


def time_of(text: object) -> datetime | None:
    """A time as the service or the state writes it; None if it isn't one."""
    try:
        found = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def may_have_expired(inputs: Mapping[str, Value], created: object, now: datetime) -> bool:
    """Whether the service may have deleted it by `now`."""
    expiry, since = expiry_of(inputs), time_of(created)
    return expiry is not None and since is not None and now >= since + expiry.span

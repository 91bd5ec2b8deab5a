"""Deployments on the wire: states of provisioning, and properties that ftops doesn't set itself."""

from __future__ import annotations

from typing import Any

import pytest

from ftops.providers.azure.deployment_wire import changed_body, observed_inputs, status_of
from ftops.state.state import Status

MINI = "gpt-4o-mini-2024-07-18"
MODEL = {"format": "OpenAI", "name": "gpt-4o-mini", "version": "2024-07-18"}
SET_ELSEWHERE: dict[str, Any] = {
    "contextCacheContainerId": "cache-1",
    "costControlIds": ["cost-1"],
    "routing": {"mode": "cost"},
    "speculativeDecoding": {"draftModel": "draft", "draftTokenCount": 4},
    "serviceTier": "Priority",
    "deploymentState": "Paused",
    "spilloverDeploymentName": "other",
}
"""Properties that were set in the portal or by another tool."""
READ_ONLY = {"provisioningState": "Succeeded", "capabilities": {}, "rateLimits": [], "currentCapacity": 1}


@pytest.mark.parametrize(
    ("state", "status"),
    [
        ("Succeeded", Status.READY),
        ("Disabled", Status.READY),
        ("Failed", Status.TAINTED),
        ("Canceled", Status.TAINTED),
        *((word, Status.PENDING) for word in ("Accepted", "Creating", "Deleting", "Moving")),
        *((word, Status.PENDING) for word in ("Updating", "ResolvingDNS", "ExtensionUnreachable", "", "New")),
    ],
)
def test_states_of_provisioning(state: str, status: Status) -> None:
    assert status_of({"properties": {"provisioningState": state}}) is status


def test_a_change_leaves_properties_that_the_spec_does_not_have() -> None:
    sku: dict[str, Any] = {"name": "Standard", "capacity": 1}
    live = {
        "name": "d",
        "sku": sku,
        "properties": {"model": MODEL, **SET_ELSEWHERE, **READ_ONLY},
    }
    wanted: dict[str, Any] = {"name": "d", "model": MINI, "rai_policy": "Strict", "sku": sku}
    sent = changed_body(live, wanted, "token", "/accounts/a", ())["properties"]
    assert sent == {"model": MODEL, "raiPolicyName": "Strict", **SET_ELSEWHERE}
    assert "service_tier" not in observed_inputs(live, wanted)

"""Foundry projects: their own lists, and the same data plane as the account."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.emulator.server import Emulator, base_deployment, deployment

PROJECT = "/api/projects/support"
QUERY = "?api-version=v1"


@pytest.fixture
def cloud(shared: Emulator) -> Iterator[Emulator]:
    shared.reset()
    with shared.control() as control:
        for name, body in (
            ("mini", base_deployment()),
            ("open", deployment("Ministral-3B", "2411", sku="GlobalStandard")),
        ):
            body["properties"]["model"]["format"] = "Mistral AI" if name == "open" else "OpenAI"
            control.deployments.begin_create_or_update("rg-emulator", "emulator", name, body).result()
    yield shared
    shared.reset()


def names(cloud: Emulator, more: str = "") -> list[str]:
    status, _, body = cloud.call("GET", f"{PROJECT}/deployments{QUERY}{more}")
    assert status == 200, body
    return [row["name"] for row in body["value"]]


def test_deployments_are_those_of_the_account(cloud: Emulator) -> None:
    assert names(cloud) == ["mini", "open"]
    assert names(cloud, "&modelPublisher=OpenAI") == ["mini"]
    assert names(cloud, "&modelName=Ministral-3B&deploymentType=ModelDeployment") == ["open"]
    assert cloud.call("GET", f"{PROJECT}/deployments/mini{QUERY}")[2] == {
        "name": "mini",
        "type": "ModelDeployment",
        "modelName": "gpt-4o-mini",
        "modelVersion": "2024-07-18",
        "modelPublisher": "OpenAI",
        "capabilities": {"chat_completion": "true"},
        "sku": {"name": "Standard", "capacity": 1},
    }
    assert cloud.call("GET", f"{PROJECT}/deployments/other{QUERY}")[0] == 404


def test_the_connection_shows_its_key_only_when_it_is_asked_for(cloud: Emulator) -> None:
    status, _, body = cloud.call("GET", f"{PROJECT}/connections{QUERY}")
    (row,) = body["value"]
    assert (status, row["type"], row["target"]) == (200, "AzureOpenAI", f"{cloud.url}/")
    assert row["isDefault"] is True
    path = f"{PROJECT}/connections/{row['name']}"
    assert cloud.call("GET", f"{path}{QUERY}")[2] == row
    assert row["credentials"] == {"type": "ApiKey"}
    shown = cloud.call("POST", f"{path}/getConnectionWithCredentials{QUERY}")[2]
    assert shown["credentials"] == {"type": "ApiKey", "key": cloud.key}
    others = f"{PROJECT}/connections{QUERY}&connectionType=CognitiveSearch"
    assert cloud.call("GET", others)[2] == {"value": []}
    assert cloud.call("GET", f"{PROJECT}/connections/other{QUERY}")[0] == 404


def test_without_keys_the_connection_uses_entra_id(cloud: Emulator) -> None:
    token = cloud.call("GET", "/msi/token?resource=https://ai.azure.com", **{"x-identity-header": cloud.key})
    bearer = {"authorization": f"Bearer {token[2]['access_token']}"}
    cloud.settings(disable_local_auth=True)
    assert cloud.call("GET", f"{PROJECT}/connections{QUERY}")[0] == 403
    path = f"{PROJECT}/connections/emulator/getConnectionWithCredentials{QUERY}"
    assert cloud.call("POST", path, **bearer)[2]["credentials"] == {"type": "AAD"}


@pytest.mark.parametrize(
    ("action", "allowed"),
    [("read", {"GET"}), ("listSecrets/action", {"POST"})],
)
def test_a_principal_needs_the_action(cloud: Emulator, action: str, allowed: set[str]) -> None:
    prefix = "Microsoft.CognitiveServices/accounts/AIServices/connections"
    who = cloud.admin("POST", "principals", {"data_actions": [f"{prefix}/{action}"]})
    bearer = {"authorization": f"Bearer {who['tokens']['data']}"}
    path = f"{PROJECT}/connections/emulator"
    found: dict[str, Any] = {
        "GET": cloud.call("GET", f"{path}{QUERY}", **bearer),
        "POST": cloud.call("POST", f"{path}/getConnectionWithCredentials{QUERY}", **bearer),
    }
    assert {method for method, (status, *_) in found.items() if status == 200} == allowed
    refused = next(body for status, _, body in found.values() if status != 200)
    assert f"`{prefix}/" in refused["error"]["message"]


def test_any_other_path_of_a_project_is_unknown(cloud: Emulator) -> None:
    assert cloud.call("GET", f"{PROJECT}/indexes{QUERY}")[0] == 404
    assert cloud.call("GET", f"{PROJECT}/openai/v1/models")[0] == 200
    assert cloud.call("GET", f"/deployments{QUERY}")[0] == 404

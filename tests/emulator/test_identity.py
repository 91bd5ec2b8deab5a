"""Principals with roles, and the places that their tokens come from."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from azure.core.exceptions import ClientAuthenticationError
from azure.core.pipeline.transport import RequestsTransport
from azure.identity import ClientSecretCredential, ManagedIdentityCredential, WorkloadIdentityCredential

from tests.emulator.server import Emulator, base_deployment

TENANT = "11111111-1111-1111-1111-111111111111"
SCOPES = {
    "data": "https://cognitiveservices.azure.com/.default",
    "control": "https://management.azure.com/.default",
}
FILES = "/openai/files?api-version=2024-10-21"
JOBS = "/openai/fine_tuning/jobs?api-version=2024-10-21"
CHAT = "/openai/deployments/a/chat/completions?api-version=2024-10-21"
TRAINER = {
    "actions": ["Microsoft.CognitiveServices/*/read"],
    "data_actions": ["Microsoft.CognitiveServices/accounts/OpenAI/*"],
}
DEPLOYER = {
    "actions": [
        "Microsoft.CognitiveServices/*/read",
        "Microsoft.CognitiveServices/accounts/deployments/*",
    ],
    "data_actions": ["Microsoft.CognitiveServices/accounts/OpenAI/*/read"],
}
READER = {"roles": ["Reader"], "data_actions": ["Microsoft.CognitiveServices/accounts/OpenAI/*/read"]}


@pytest.fixture
def cloud(shared: Emulator) -> Iterator[Emulator]:
    shared.reset()
    yield shared
    shared.reset()


def principal(cloud: Emulator, **given: Any) -> Any:
    return cloud.admin("POST", "principals", given)


def answers(cloud: Emulator, who: Any) -> dict[str, int]:
    """The status of one request of each sort."""
    data = {"authorization": f"Bearer {who['tokens']['data']}"}
    control = {"authorization": f"Bearer {who['tokens']['control']}"}
    place = f"{cloud.arm}/deployments/aa?api-version=2025-09-01"
    return {
        "read": cloud.call("GET", FILES, **data)[0],
        "train": cloud.call("POST", JOBS, {}, **data)[0],
        "ask": cloud.call("POST", CHAT, {}, **data)[0],
        "look": cloud.call("GET", place, **control)[0],
        "deploy": cloud.call("PUT", place, base_deployment(), **control)[0],
        "keys": cloud.call("POST", f"{cloud.arm}/listKeys?api-version=2025-09-01", **control)[0],
    }


# 400 and 404 are answers to somebody who may ask.
@pytest.mark.parametrize(
    ("who", "expected"),
    [
        (TRAINER, {"read": 200, "train": 400, "ask": 404, "look": 404, "deploy": 403, "keys": 403}),
        (DEPLOYER, {"read": 200, "train": 401, "ask": 401, "look": 404, "deploy": 201, "keys": 403}),
        (READER, {"read": 200, "train": 401, "ask": 401, "look": 404, "deploy": 403, "keys": 403}),
        (
            {"roles": ["Cognitive Services OpenAI Contributor"]},
            {"read": 200, "train": 400, "ask": 404, "look": 404, "deploy": 201, "keys": 403},
        ),
        (
            {"roles": ["Cognitive Services OpenAI User"]},
            {"read": 200, "train": 401, "ask": 404, "look": 404, "deploy": 403, "keys": 403},
        ),
        (
            {"roles": ["Contributor"]},
            {"read": 401, "train": 401, "ask": 401, "look": 404, "deploy": 201, "keys": 200},
        ),
        (
            {"roles": ["Foundry User"]},
            {"read": 200, "train": 400, "ask": 404, "look": 404, "deploy": 403, "keys": 200},
        ),
        (
            {"roles": ["Foundry Owner"]},
            {"read": 200, "train": 400, "ask": 404, "look": 404, "deploy": 201, "keys": 200},
        ),
        ({}, {"read": 401, "train": 401, "ask": 401, "look": 403, "deploy": 403, "keys": 403}),
    ],
    ids=[
        "trainer",
        "deployer",
        "reader",
        "openai-contributor",
        "openai-user",
        "contributor",
        "foundry-user",
        "foundry-owner",
        "nobody",
    ],
)
def test_roles_decide(cloud: Emulator, who: Any, expected: dict[str, int]) -> None:
    assert answers(cloud, principal(cloud, **who)) == expected


def test_a_refusal_names_the_missing_action(cloud: Emulator) -> None:
    who = principal(cloud, id="robot", **READER)
    data = {"authorization": f"Bearer {who['tokens']['data']}"}
    _, _, body = cloud.call("POST", JOBS, {}, **data)
    assert body["error"]["code"] == "PermissionDenied"
    assert "The principal `robot` lacks the required data action" in body["error"]["message"]
    assert "accounts/OpenAI/fine-tunes/write`" in body["error"]["message"]
    control = {"authorization": f"Bearer {who['tokens']['control']}"}
    place = f"{cloud.arm}/deployments/aa"
    _, _, body = cloud.call("PUT", f"{place}?api-version=2025-09-01", base_deployment(), **control)
    assert body["error"]["code"] == "AuthorizationFailed"
    assert "'Microsoft.CognitiveServices/accounts/deployments/write'" in body["error"]["message"]
    assert f"over scope '{place}'" in body["error"]["message"]


def test_the_status_of_a_missing_data_action_can_be_set(cloud: Emulator) -> None:
    cloud.settings(missing_data_action_status=403)
    assert answers(cloud, principal(cloud, **READER))["train"] == 403


def test_a_token_counts_on_its_own_plane_only(cloud: Emulator) -> None:
    who = principal(cloud, roles=["Cognitive Services OpenAI Contributor"])
    tokens = {"data": who["tokens"]["control"], "control": who["tokens"]["data"]}
    assert set(answers(cloud, {"tokens": tokens}).values()) == {401}
    for token in who["tokens"].values():
        assert cloud.call("GET", "/_emulator/settings", authorization=f"Bearer {token}")[0] == 401


def test_who_was_removed_may_nothing(cloud: Emulator) -> None:
    who = principal(cloud, **TRAINER)
    cloud.admin("DELETE", f"principals/{who['id']}")
    assert answers(cloud, who)["read"] == 401


@pytest.mark.parametrize(
    "given",
    [
        {"roles": ["King"]},
        {"role": []},
        {"actions": "all"},
        {"subject": 5},
        {"secret": {}},
        {"id": 0},
        {"id": "x" * 200_000},
        {"id": "é" * 40},
    ],
    ids=["role", "key", "text", "subject", "secret", "id", "long-id", "long-name-of-a-file"],
)
def test_principals_that_cannot_be(cloud: Emulator, given: Any) -> None:
    status, _, answer = cloud.call("POST", "/_emulator/principals", given)
    assert status == 400
    assert answer["error"]["message"]


def test_no_name_is_too_long_to_be_asked_for(cloud: Emulator) -> None:
    """Nor to be deleted: there is nothing of that name."""
    long = "x" * 5000
    assert cloud.call("DELETE", f"/_emulator/principals/{long}")[0] == 200
    assert cloud.call("DELETE", f"{cloud.arm}/raiPolicies/{long}?api-version=2024-10-01")[0] == 204
    path = f"/api/projects/p/models/{long}/versions/1/createAsync?api-version=v1"
    status, _, answer = cloud.call("POST", path, {"blobUri": "https://example.com/"})
    assert (status, "is too long" in answer["error"]["message"]) == (400, True)


def test_a_managed_identity_of_its_own(cloud: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IDENTITY_ENDPOINT", f"{cloud.url}/msi/token")
    monkeypatch.setenv("IDENTITY_HEADER", cloud.key)
    who = principal(cloud, **TRAINER)
    with ManagedIdentityCredential(client_id=who["client_id"]) as credential:
        tokens = {plane: credential.get_token(scope).token for plane, scope in SCOPES.items()}
    assert answers(cloud, {"tokens": tokens}) == answers(cloud, who)
    with (
        ManagedIdentityCredential(client_id="nobody") as stranger,
        pytest.raises(ClientAuthenticationError),
    ):
        stranger.get_token(SCOPES["data"])


def _authority(cloud: Emulator) -> dict[str, Any]:
    return {
        "authority": cloud.tls_url,
        "disable_instance_discovery": True,
        "transport": RequestsTransport(connection_verify=cloud.ca),
        "retry_total": 0,
    }


def test_workload_identity_federation(cloud: Emulator, tmp_path: Path) -> None:
    """As a pipeline does it: a token of the runner's issuer is exchanged for one of Entra's."""
    subject = "repo:team/models:ref:refs/heads/main"
    who = principal(cloud, subject=subject, **TRAINER)
    file = tmp_path / "token"
    for given, right in ((subject, True), ("repo:other/models:ref:refs/heads/main", False)):
        said = cloud.call("GET", f"/oidc/token?audience=api://AzureADTokenExchange&subject={given}")[2]
        file.write_text(said["value"], "ascii")
        options = {"tenant_id": TENANT, "client_id": who["client_id"], "token_file_path": str(file)}
        with WorkloadIdentityCredential(**options, **_authority(cloud)) as credential:
            if right:
                tokens = {plane: credential.get_token(scope).token for plane, scope in SCOPES.items()}
                assert answers(cloud, {"tokens": tokens})["train"] == 400
            else:
                with pytest.raises(ClientAuthenticationError, match="AADSTS70021"):
                    credential.get_token(SCOPES["data"])


def test_a_client_secret(cloud: Emulator) -> None:
    who = principal(cloud, **DEPLOYER)
    for secret, right in ((who["secret"], True), ("wrong", False)):
        with ClientSecretCredential(TENANT, who["client_id"], secret, **_authority(cloud)) as credential:
            if right:
                assert credential.get_token(SCOPES["control"]).token
            else:
                with pytest.raises(ClientAuthenticationError, match="AADSTS7000215"):
                    credential.get_token(SCOPES["control"])


def test_http_authorities_are_refused_by_the_library(cloud: Emulator) -> None:
    """Why TLS is needed above: if this fails, the documentation can be simpler."""
    with pytest.raises(ValueError, match="https"):
        ClientSecretCredential(TENANT, "a", "b", authority=cloud.url)


def test_the_runner_wants_its_request_token(cloud: Emulator) -> None:
    assert cloud.call("GET", "/oidc/token", authorization="Bearer wrong")[0] == 401

"""@azure/identity and @azure/arm-cognitiveservices for JavaScript."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.clients.conftest import Did
from tests.clients.install import Client, from_npm
from tests.emulator.server import Emulator

SCRIPTS = Path(__file__).parent / "scripts"
DEPLOYER = {"id": "deployer", "secret": "not-secret", "roles": ["Cognitive Services Contributor"]}


@pytest.fixture(scope="module")
def arm() -> Client:
    return from_npm("@azure/arm-cognitiveservices", "@azure/arm-cognitiveservices", "@azure/identity")


@pytest.fixture(scope="module")
def identity(arm: Client) -> Client:
    return arm.part("@azure/identity (JavaScript)", "@azure/identity")


@pytest.fixture(scope="module")
def answer(arm: Client, emulator: Emulator) -> Any:
    """What the script did, as a service principal over HTTPS."""
    emulator.admin("POST", "principals", DEPLOYER)
    return arm.json(
        SCRIPTS / "arm_js.mjs",
        ENDPOINT=emulator.tls_url,
        SUBSCRIPTION=str(emulator.place["subscription_id"]),
        CLIENT_ID="deployer",
        CLIENT_SECRET="not-secret",
        NODE_EXTRA_CA_CERTS=emulator.ca,
    )


def test_a_token_of_the_managed_identity(identity: Client, emulator: Emulator, did: Did) -> None:
    did(identity, "gets a token of a managed identity, which the control plane accepts")
    answer = identity.json(
        SCRIPTS / "identity.mjs",
        ENDPOINT=emulator.url,
        ACCOUNT_ID=emulator.arm,
        IDENTITY_ENDPOINT=f"{emulator.url}/msi/token",
        IDENTITY_HEADER=emulator.key,
    )
    assert answer == {"status": 200, "name": "emulator"}


def test_a_client_secret(identity: Client, answer: Any, did: Did) -> None:
    did(identity, "gets tokens of a service principal by its secret, over HTTPS")
    assert answer["accounts"] == ["emulator"]


def test_deployments(arm: Client, answer: Any, did: Did) -> None:
    did(arm, "creates, changes, lists and deletes a deployment")
    assert answer["states"] == [["Succeeded", 2], ["Succeeded", 5], ["Succeeded", 5]]
    assert (answer["listed"], answer["left"]) == (["base"], [])
    assert "GlobalStandard" in answer["skus"]


def test_refusals(arm: Client, answer: Any, did: Did) -> None:
    did(arm, "gets the status and code of errors")
    assert answer["missing"] == [404, "ResourceNotFound"]
    assert answer["refused"] == [400, "InvalidCapacity"]


def test_the_account(arm: Client, answer: Any, emulator: Emulator, did: Did) -> None:
    did(arm, "gets the account, its keys, models, usages, capacities and content filters")
    assert answer["endpoint"] == f"{emulator.tls_url}/"
    assert answer["keys"]["key1"] == emulator.key
    assert "gpt-4.1" in answer["models"] and "gpt-4.1" in answer["locationModels"]
    assert answer["usages"] == answer["locationUsages"]
    assert "OpenAI.FineTuned.Deployments" in answer["usages"]
    assert "Standard" in answer["capacities"]
    assert answer["policies"] == ["Microsoft.Default", "Microsoft.DefaultV2"]
    assert answer["domain"] is False

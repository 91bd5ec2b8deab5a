"""az, the Azure CLI, over HTTPS: the emulator is registered as a cloud of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.clients.conftest import Did
from tests.clients.install import Client, from_pypi
from tests.emulator.samples import jsonl, lines
from tests.emulator.server import MODEL, STANDARD, Emulator, ended, until, upload

ACCOUNT = ("--resource-group", "rg-emulator", "--name", "emulator")
DEPLOYER = {
    "id": "deployer",
    "secret": "not-secret",
    "roles": ["Contributor", "Cognitive Services OpenAI User"],
}
MODEL_OPTIONS = ("--model-format", "OpenAI", "--model-name", "gpt-4o-mini", "--model-version", "2024-07-18")
TENANT = "acme.example"


class Az:
    """az with a configuration of its own, in which the emulator is the active cloud."""

    def __init__(self, client: Client, emulator: Emulator, folder: Path) -> None:
        self.client = client
        self.environ = {
            "AZURE_CONFIG_DIR": str(folder),
            "AZURE_CORE_COLLECT_TELEMETRY": "false",
            "AZURE_CORE_INSTANCE_DISCOVERY": "false",
            "REQUESTS_CA_BUNDLE": emulator.ca,
            "IDENTITY_ENDPOINT": f"{emulator.tls_url}/msi/token",
            "IDENTITY_HEADER": emulator.key,
        }

    def __call__(self, *command: str) -> Any:
        """What a command prints."""
        return self.client.json("az", *command, "--output", "json", **self.environ)

    def account(self, *command: str) -> Any:
        return self("cognitiveservices", "account", *command, *ACCOUNT)

    def fails(self, *command: str) -> str:
        """What a command that fails says."""
        done = self.client.run("az", *command, **self.environ)
        assert done.returncode != 0, done.stdout
        return done.stderr


@pytest.fixture(scope="module")
def client() -> Client:
    return from_pypi("az", "azure-cli")


@pytest.fixture(scope="module")
def registered(client: Client, emulator: Emulator, tmp_path_factory: pytest.TempPathFactory) -> Az:
    az = Az(client, emulator, tmp_path_factory.mktemp("az"))
    az("cloud", "register", "--name", "Emulator", "--endpoint-resource-manager", emulator.tls_url)
    az("cloud", "set", "--name", "Emulator")
    return az


@pytest.fixture(scope="module")
def az(registered: Az, emulator: Emulator) -> Az:
    """Logged in as a service principal."""
    emulator.admin("POST", "principals", DEPLOYER)
    registered("login", "--service-principal", "-u", "deployer", "-p", "not-secret", "--tenant", TENANT)
    return registered


@pytest.fixture
def deployed(az: Az) -> Iterator[str]:
    name = "base"
    create = ("deployment", "create", "--deployment-name", name, "--sku-name", "Standard")
    az.account(*create, "--sku-capacity", "3", *MODEL_OPTIONS)
    yield name
    az.account("deployment", "delete", "--deployment-name", name)


def test_registration(registered: Az, emulator: Emulator, did: Did) -> None:
    did(registered.client, "registers the emulator as a cloud, from its metadata")
    endpoints = registered("cloud", "show")["endpoints"]
    assert endpoints["resourceManager"] == endpoints["activeDirectory"] == emulator.tls_url


def test_managed_identity(registered: Az, did: Did) -> None:
    did(registered.client, "logs in by a managed identity")
    (subscription,) = registered("login", "--identity")
    assert subscription["tenantId"] == "00000000-0000-0000-0000-000000000001"
    assert subscription["user"]["assignedIdentityInfo"] == "MSI"
    assert registered.account("show")["name"] == "emulator"


def test_managed_identity_of_its_own(registered: Az, emulator: Emulator, did: Did) -> None:
    did(registered.client, "logs in by a managed identity with a client id, which has a role")
    emulator.admin("POST", "principals", {"id": "reader", "roles": ["Reader"]})
    registered("login", "--identity", "--client-id", "reader")
    assert registered.account("show")["name"] == "emulator"
    refused = registered.fails("cognitiveservices", "account", "keys", "list", *ACCOUNT)
    assert "AuthorizationFailed" in refused and "accounts/listKeys/action" in refused


def test_federated_token(registered: Az, emulator: Emulator, did: Did) -> None:
    did(registered.client, "logs in as a service principal by the token of a CI runner")
    emulator.admin("POST", "principals", {"id": "runner", "subject": "repo:acme", "roles": ["Reader"]})
    token = emulator.call("GET", "/oidc/token?audience=api://AzureADTokenExchange&subject=repo:acme")[2]
    login = ("login", "--service-principal", "-u", "runner", "--tenant", TENANT)
    (subscription,) = registered(*login, "--federated-token", token["value"])
    assert subscription["user"] == {"name": "runner", "type": "servicePrincipal"}


def test_client_secret(az: Az, emulator: Emulator, did: Did) -> None:
    did(az.client, "logs in as a service principal by its secret")
    assert az("account", "show")["user"]["name"] == "deployer"
    emulator.admin("POST", "principals", {"id": "other", "roles": ["Reader"]})
    login = ("login", "--service-principal", "-u", "other", "-p", "wrong", "--tenant", TENANT)
    assert "AADSTS7000215" in az.fails(*login)


def test_token(az: Az, emulator: Emulator, did: Did) -> None:
    did(az.client, "gets a token for the data plane")
    token = az("account", "get-access-token", "--resource", "https://cognitiveservices.azure.com")
    header = f"Bearer {token['accessToken']}"
    assert emulator.call("GET", "/openai/files?api-version=2024-10-21", authorization=header)[0] == 200


def test_account(az: Az, emulator: Emulator, did: Did) -> None:
    did(az.client, "shows and lists accounts and their usages, models, SKUs and kinds")
    assert az.account("show")["properties"]["endpoint"] == f"{emulator.tls_url}/"
    assert [row["name"] for row in az("cognitiveservices", "account", "list")] == ["emulator"]
    assert az("cognitiveservices", "account", "list", "--resource-group", "rg-emulator")
    assert "gpt-4o-mini" in {row["name"] for row in az.account("list-models")}
    assert "OpenAI.FineTuned.Deployments" in {row["name"]["value"] for row in az.account("list-usage")}
    assert [row["name"] for row in az("cognitiveservices", "account", "list-skus", "--kind", "OpenAI")] == [
        "S0"
    ]
    assert az("cognitiveservices", "account", "list-kinds") == ["OpenAI"]


def test_location(az: Az, did: Did) -> None:
    did(az.client, "lists the usages and models of a location")
    usages = az("cognitiveservices", "usage", "list", "--location", "swedencentral")
    assert {row["unit"] for row in usages} == {"Count"}
    models = az("cognitiveservices", "model", "list", "--location", "swedencentral")
    assert "gpt-4.1" in {row["model"]["name"] for row in models}


def test_keys(az: Az, emulator: Emulator, did: Did) -> None:
    did(az.client, "lists and regenerates keys")
    keys = az.account("keys", "list")
    assert keys["key1"] == emulator.key
    new = az.account("keys", "regenerate", "--key-name", "Key2")
    assert (new["key1"], new["key2"] == keys["key2"]) == (keys["key1"], False)


def test_deployment(az: Az, deployed: str, did: Did) -> None:
    did(az.client, "creates a deployment with --sku-capacity, lists, shows and deletes it")
    assert [row["name"] for row in az.account("deployment", "list")] == [deployed]
    found = az.account("deployment", "show", "--deployment-name", deployed)
    assert (found["sku"]["capacity"], found["properties"]["provisioningState"]) == (3, "Succeeded")
    az.account("deployment", "delete", "--deployment-name", deployed)
    assert az.account("deployment", "list") == []


def test_deployment_of_a_tuned_model(az: Az, emulator: Emulator, did: Did) -> None:
    did(az.client, "deploys a fine-tuned model, and deletes the deployment, which takes time")
    with emulator.data() as data:
        file = upload(data, jsonl(lines(12)))
        job = data.fine_tuning.jobs.create(model=MODEL, training_file=file, extra_body=STANDARD)
        model = str(ended(data, job.id).fine_tuned_model)
    emulator.settings(retry_after_seconds=1)  # az polls every 30 seconds otherwise
    create = ("deployment", "create", "--deployment-name", "tuned", "--sku-name", "Standard")
    options = ("--model-format", "OpenAI", "--model-name", model, "--model-version", "1")
    made = az.account(*create, "--sku-capacity", "1", *options)
    assert made["properties"]["provisioningState"] in ("Creating", "Succeeded")
    show = ("deployment", "show", "--deployment-name", "tuned")
    until(lambda: az.account(*show)["properties"]["provisioningState"] == "Succeeded")
    az.account("deployment", "delete", "--deployment-name", "tuned")
    assert az.account("deployment", "list") == []


def test_managed_compute(az: Az, emulator: Emulator, did: Did) -> None:
    did(az.client, "creates, changes, lists and deletes a managed compute deployment")
    emulator.settings(retry_after_seconds=1, managed_seconds=1.0)
    name = ("--deployment-name", "managed")
    size = ("--sku-name", "GlobalManagedCompute", "--sku-capacity")
    model = "azureml://registries/azureml-openai-oss/models/gpt-oss-120b/versions/4"
    command = "managed-compute-deployment"
    made = az.account(command, "create", *name, "--model", model, *size, "1")
    assert made["properties"]["provisioningState"] == "Succeeded"
    assert az.account(command, "update", *name, "--sku-capacity", "2")["sku"]["capacity"] == 2
    assert [row["name"] for row in az.account(command, "list")] == ["managed"]
    az.account(command, "delete", *name)
    assert az.account(command, "list") == []


@pytest.mark.parametrize(("options", "code"), [
    (("--sku-capacity", "0", *MODEL_OPTIONS), "InvalidCapacity"),
    (("--sku-capacity", "2000", *MODEL_OPTIONS), "InsufficientQuota"),
    (("--sku-capacity", "1", *MODEL_OPTIONS[:-1], "2020-01-01"), "DeploymentModelNotSupported"),
], ids=["capacity", "quota", "model"])  # fmt: skip
def test_refusals(az: Az, options: tuple[str, ...], code: str, did: Did) -> None:
    did(az.client, "shows why a deployment is refused")
    create = ("cognitiveservices", "account", "deployment", "create", "--deployment-name", "no")
    assert f"({code})" in az.fails(*create, *ACCOUNT, "--sku-name", "Standard", *options)


def test_generic_commands(az: Az, emulator: Emulator, deployed: str, did: Did) -> None:
    did(az.client, "calls the control plane by `az rest` and `az resource show`")
    url = f"{emulator.tls_url}{emulator.arm}/deployments?api-version=2024-10-01"
    (row,) = az("rest", "--method", "get", "--url", url)["value"]
    assert row["name"] == deployed
    assert az("resource", "show", "--ids", row["id"])["sku"]["capacity"] == 3
    assert "MissingApiVersionParameter" in az.fails("rest", "--url", f"{emulator.tls_url}{emulator.arm}")


def test_groups(az: Az, did: Did) -> None:
    did(az.client, "creates, lists and deletes resource groups")
    az("group", "create", "--name", "team", "--location", "westeurope")
    assert [row["name"] for row in az("group", "list")] == ["rg-emulator", "team"]
    assert az("group", "exists", "--name", "team") is True
    az("group", "delete", "--name", "team", "--yes")
    assert az("group", "exists", "--name", "team") is False


def test_deletion_of_the_account(az: Az, did: Did) -> None:
    did(az.client, "deletes, recovers and purges the account")
    az.account("delete")
    (deleted,) = az("cognitiveservices", "account", "list-deleted")
    assert deleted["name"] == "emulator"
    az.account("recover", "--location", "swedencentral")
    assert az.account("show")["properties"]["provisioningState"] == "Succeeded"
    az.account("delete")
    az.account("purge", "--location", "swedencentral")
    assert az("cognitiveservices", "account", "list-deleted") == []

"""Managed compute, adapters and project models, as clients of the API of 2026-09-15-preview see them."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from typing import Any

import openai
import pytest

from tests.emulator.conftest import Start
from tests.emulator.samples import jsonl, lines
from tests.emulator.server import Emulator, ended, upload

VERSION = "api-version=2026-09-15-preview"
ASSET = "azureml://registries/azureml-openai-oss/models/gpt-oss-120b/versions/4"
TEMPLATE = "azureml://registries/azureml-openai-oss/deploymenttemplates/gpt-oss-120b-short-context/versions/1"
HELLO: Any = [{"role": "user", "content": "make the light red"}]
Reply = tuple[int, dict[str, str], Any]


@pytest.fixture(scope="module")
def tuned(shared: Emulator) -> str:
    """A tuned model of gpt-oss-120b."""
    with shared.data() as client:
        training = upload(client, jsonl(lines(12)))
        job = client.fine_tuning.jobs.create(
            model="gpt-oss-120b",
            training_file=training,
            hyperparameters={"n_epochs": 1},
            extra_body={"trainingType": "GlobalStandard"},
        )
        return ended(client, job.id).fine_tuned_model or ""


@pytest.fixture
def cloud(shared: Emulator, tuned: str) -> Iterator[Emulator]:
    """Everything but the model is deleted after the test."""
    before = shared.admin("GET", "settings")
    shared.settings(managed_seconds=900.0, adapter_seconds=60.0, deletion_seconds=30.0, not_found_seconds=0.0)
    yield shared
    shared.settings(**before)
    shared.admin("DELETE", "faults")
    shared.advance(5000)
    for kind in ("adapters", "managed", "deployments"):
        for item in shared.admin("GET", "objects")[kind]:
            shared.admin("DELETE", f"objects/{kind}/{item['name']}")


def arm(cloud: Emulator, method: str, path: str, body: Any = None, **headers: str) -> Reply:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return cloud.call(method, f"{cloud.arm}/{path}?{VERSION}", body, **named)


def managed(capacity: int = 1, **properties: Any) -> Any:
    return {
        "sku": {"name": "GlobalManagedCompute", "capacity": capacity},
        "properties": {"model": ASSET, **properties},
    }


def source(tuned: str, version: str = "1") -> str:
    return f"azureai://accounts/emulator/projects/project/models/{tuned}/versions/{version}"


def adapter(tuned: str, target: str = "base") -> Any:
    return {"properties": {"sourceModelId": source(tuned), "targetDeploymentName": target}}


def base(cloud: Emulator, name: str = "base", **properties: Any) -> None:
    """A managed deployment that is ready."""
    status, _, _ = arm(cloud, "PUT", f"managedComputeDeployments/{name}", managed(**properties))
    assert status == 201
    cloud.advance(901)


def state(cloud: Emulator, path: str) -> str:
    return str(arm(cloud, "GET", path)[2]["properties"]["provisioningState"])


def code(reply: Reply) -> tuple[int, str]:
    return reply[0], reply[2]["error"]["code"]


def test_a_managed_deployment_takes_a_quarter_of_an_hour(cloud: Emulator) -> None:
    body = managed(deploymentTemplate=TEMPLATE, acceleratorType="H100_80GB")
    status, headers, made = arm(cloud, "PUT", "managedComputeDeployments/base", body)
    assert status == 201 and made["properties"]["provisioningState"] == "Accepted"
    assert "operationResultResponseType=Location" in headers["location"]
    path = headers["azure-asyncoperation"].removeprefix(cloud.url)
    assert cloud.call("GET", path)[2]["status"] == "Creating"
    assert cloud.call("GET", headers["location"].removeprefix(cloud.url))[0] == 202
    cloud.advance(300)
    assert state(cloud, "managedComputeDeployments/base") == "Creating"
    with cloud.v1() as client, pytest.raises(openai.NotFoundError):
        client.chat.completions.create(model="base", messages=HELLO)
    cloud.advance(601)
    assert cloud.call("GET", path)[2]["status"] == "Succeeded"
    found = cloud.call("GET", headers["location"].removeprefix(cloud.url))[2]
    assert found == arm(cloud, "GET", "managedComputeDeployments/BASE")[2]
    assert found["properties"]["totalAccelerators"] == 4
    assert found["properties"]["deploymentTemplate"] == TEMPLATE
    assert found["properties"]["routes"]["chatCompletionsScoringPath"].endswith("base/chat/completions")
    with cloud.v1() as client:
        assert client.chat.completions.create(model="base", messages=HELLO).model == "gpt-oss-120b"
    with cloud.data() as client, pytest.raises(openai.NotFoundError):
        client.chat.completions.create(model="base", messages=HELLO)


def test_only_the_size_can_be_changed(cloud: Emulator) -> None:
    base(cloud, acceleratorType="A100_80GB")
    status, _, changed = arm(cloud, "PATCH", "managedComputeDeployments/base", {"sku": {"capacity": "2"}})
    assert status == 202 and changed["properties"]["provisioningState"] == "Updating"
    with cloud.v1() as client:
        client.chat.completions.create(model="base", messages=HELLO)
    cloud.advance(901)
    for key, value in {
        "model": ASSET.replace("/4", "/5"),
        "deploymentTemplate": TEMPLATE,
        "acceleratorType": "H100_80GB",
        "versionUpgradeOption": "NoAutoUpgrade",
    }.items():
        asked = managed(2, **{"acceleratorType": "A100_80GB", key: value})
        refused = arm(cloud, "PUT", "managedComputeDeployments/base", asked)
        assert code(refused) == (400, "PropertyChangeNotAllowed"), key
    assert arm(cloud, "PUT", "managedComputeDeployments/base", managed(2))[0] == 200


def test_quotas_are_of_a_family_of_gpus(cloud: Emulator) -> None:
    base(cloud, "one", acceleratorType="A100_80GB")
    location = f"/subscriptions/{cloud.place['subscription_id']}/providers/Microsoft.CognitiveServices"
    path = f"{location}/locations/swedencentral/managedComputeUsages?{VERSION}"
    rows = {row["name"]["value"]: row for row in cloud.call("GET", path)[2]["value"]}
    row = rows["GlobalManagedCompute.A100_80GB"]
    assert (row["currentValue"], row["limit"], row["offerScope"]) == (4, 16, "Global")
    assert row["deployments"][0]["instanceCount"] == 1
    asked = managed(4, acceleratorType="A100_80GB")
    assert code(arm(cloud, "PUT", "managedComputeDeployments/two", asked)) == (400, "InsufficientQuota")
    other = managed(4, acceleratorType="H100_80GB")
    assert arm(cloud, "PUT", "managedComputeDeployments/two", other)[0] == 201


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"sku": {"name": "Standard"}, "properties": {"model": ASSET}}, "InvalidResourceProperties"),
        (managed(0), "InvalidCapacity"),
        (managed(model="gpt-oss-120b"), "DeploymentModelNotSupported"),
        (managed(model=ASSET.replace("gpt-oss-120b", "gpt-4o")), "DeploymentModelNotSupported"),
        (managed(acceleratorType="V100"), "InvalidResourceProperties"),
        (managed(deploymentTemplate="short"), "InvalidResourceProperties"),
    ],
)
def test_what_cannot_be_deployed_is_refused(cloud: Emulator, body: Any, expected: str) -> None:
    assert code(arm(cloud, "PUT", "managedComputeDeployments/base", body)) == (400, expected)


def test_a_template_of_another_model_fails_later(cloud: Emulator) -> None:
    template = TEMPLATE.replace("gpt-oss-120b", "gpt-oss-20b")
    assert arm(cloud, "PUT", "managedComputeDeployments/base", managed(deploymentTemplate=template))[0] == 201
    cloud.advance(901)
    found = arm(cloud, "GET", "managedComputeDeployments/base")[2]["properties"]
    assert found["provisioningState"] == "Failed"
    assert "template" in found["provisioningDetails"]["message"]


def test_the_routes_are_new(cloud: Emulator) -> None:
    path = f"{cloud.arm}/managedComputeDeployments?api-version=2025-09-01"
    status, _, body = cloud.call("GET", path)
    assert (status, body["error"]["code"]) == (400, "NoRegisteredProviderFound")


def test_an_adapter_from_its_creation_to_its_deletion(cloud: Emulator, tuned: str) -> None:
    base(cloud)
    base(cloud, "other")
    path, created = "adapterDeployments/drone", {"if_none_match": "*"}
    status, headers, made = arm(cloud, "PUT", path, adapter(tuned), **created)
    assert status == 201 and headers["etag"] == made["etag"]
    assert made["properties"]["lastOperation"]["type"] == "Create"
    assert "activeTargetDeploymentName" not in made["properties"]
    assert (
        cloud.call("GET", headers["azure-asyncoperation"].removeprefix(cloud.url))[2]["status"] == "Creating"
    )
    assert code(arm(cloud, "PUT", path, adapter(tuned), **created)) == (412, "PreconditionFailed")
    cloud.advance(61)
    with cloud.v1() as client:
        assert client.chat.completions.create(model="drone", messages=HELLO).model == tuned

    stale = {"if_match": '"stale"'}
    assert code(arm(cloud, "PUT", path, adapter(tuned, "other"), **stale)) == (412, "PreconditionFailed")
    status, headers, moved = arm(cloud, "PUT", path, adapter(tuned, "other"), if_match=made["etag"])
    assert status == 200 and headers["etag"] != made["etag"]
    assert moved["properties"] | {"lastOperation": None} == {
        "sourceModelId": source(tuned),
        "targetDeploymentName": "other",
        "activeTargetDeploymentName": "base",
        "provisioningState": "Updating",
        "lastOperation": None,
    }
    assert code(arm(cloud, "DELETE", "managedComputeDeployments/base"))[0] == 409
    with cloud.v1() as client:
        client.chat.completions.create(model="drone", messages=HELLO)
    cloud.advance(61)
    found = arm(cloud, "GET", path)[2]
    assert found["properties"]["activeTargetDeploymentName"] == "other"
    assert found["properties"]["lastOperation"]["status"] == "Succeeded"
    assert arm(cloud, "DELETE", "managedComputeDeployments/base")[0] == 202

    assert code(arm(cloud, "DELETE", path, **stale)) == (412, "PreconditionFailed")
    status, headers, _ = arm(cloud, "DELETE", path, if_match=found["etag"])
    assert status == 202 and state(cloud, path) == "Deleting"
    with cloud.v1() as client, pytest.raises(openai.NotFoundError):
        client.chat.completions.create(model="drone", messages=HELLO)
    cloud.advance(31)
    assert (
        cloud.call("GET", headers["azure-asyncoperation"].removeprefix(cloud.url))[2]["status"] == "Succeeded"
    )
    assert arm(cloud, "GET", path)[0] == 404
    assert arm(cloud, "DELETE", path)[0] == 204


def test_what_an_adapter_cannot_be_is_refused(cloud: Emulator, tuned: str) -> None:
    arm(cloud, "PUT", "managedComputeDeployments/base", managed())
    path = "adapterDeployments/drone"
    assert code(arm(cloud, "PUT", path, adapter(tuned))) == (409, "TargetNotReady")
    cloud.advance(901)
    wrong = {
        "TargetDeploymentNotFound": adapter(tuned, "nobody"),
        "SourceModelNotFound": adapter("nobody"),
        "InvalidResourceProperties": adapter(tuned, f"{cloud.arm}/managedComputeDeployments/base"),
    }
    for expected, body in wrong.items():
        assert code(arm(cloud, "PUT", path, body)) == (400, expected)
    itself = arm(cloud, "PUT", "adapterDeployments/base", adapter(tuned))
    assert code(itself) == (409, "Conflict")
    arm(cloud, "PUT", path, adapter(tuned))
    cloud.advance(61)
    changed = arm(cloud, "PUT", path, adapter("other"))
    assert code(changed) == (400, "PropertyChangeNotAllowed")


def test_a_plain_base_takes_no_adapter(cloud: Emulator, tuned: str) -> None:
    cloud.settings(default_template="plain")
    base(cloud, "plain")
    base(cloud, "open", deploymentTemplate=TEMPLATE)
    refused = arm(cloud, "PUT", "adapterDeployments/drone", adapter(tuned, "plain"))
    assert code(refused) == (400, "IncompatibleAdapter")
    assert arm(cloud, "PUT", "adapterDeployments/drone", adapter(tuned, "open"))[0] == 201


def project(cloud: Emulator, method: str, path: str, body: Any = None) -> Reply:
    return cloud.call(method, f"/api/projects/support/{path}?api-version=v1", body)


def test_training_registers_an_adapter_or_you_do(cloud: Emulator, tuned: str) -> None:
    listed = project(cloud, "GET", "models")[2]["value"]
    assert [(one["name"], one["version"], one["weightType"]) for one in listed] == [(tuned, "1", "LoRA")]
    assert listed[0]["id"] == source(tuned).replace("/project/", "/support/")
    job = listed[0]["source"]["jobId"]
    with cloud.data() as client:
        assert client.fine_tuning.jobs.retrieve(job).fine_tuned_model == tuned

    cloud.settings(adapter_registration="nobody")
    assert project(cloud, "GET", "models")[2]["value"] == []
    body = {"blobUri": "https://storage.invalid/x", "weightType": "LoRA", "source": {"jobId": job}}
    assert project(cloud, "POST", "models/mine/versions/3/createAsync", body)[0] == 202
    assert [v["version"] for v in project(cloud, "GET", "models/mine/versions")[2]["value"]] == ["3"]
    base(cloud)
    made = {"sourceModelId": source("mine", "3"), "targetDeploymentName": "base"}
    assert arm(cloud, "PUT", "adapterDeployments/drone", {"properties": made})[0] == 201
    cloud.advance(61)
    with cloud.v1() as client:
        assert client.chat.completions.create(model="drone", messages=HELLO).model == tuned


def test_a_model_with_an_adapter_is_not_deleted(cloud: Emulator, tuned: str) -> None:
    base(cloud)
    arm(cloud, "PUT", "adapterDeployments/drone", adapter(tuned))
    with cloud.data() as client, pytest.raises(openai.ConflictError, match="drone"):
        client.models.delete(tuned)
    assert code(cloud.call("DELETE", f"{cloud.arm}?{VERSION}")) == (409, "CannotDeleteResource")


def test_faults_of_managed_deployments(cloud: Emulator, tuned: str) -> None:
    cloud.fault(match="PUT */managedComputeDeployments/*", deployment="fail")
    base(cloud, "broken")
    assert state(cloud, "managedComputeDeployments/broken") == "Failed"
    base(cloud)
    cloud.fault(match="PUT */adapterDeployments/*", deployment="unready")
    arm(cloud, "PUT", "adapterDeployments/drone", adapter(tuned))
    cloud.advance(10_000)
    assert state(cloud, "adapterDeployments/drone") == "Succeeded"
    with cloud.v1() as client, pytest.raises(openai.NotFoundError) as caught:
        client.chat.completions.create(model="drone", messages=HELLO)
    assert caught.value.code == "DeploymentNotReady"


def test_the_switches_of_what_is_not_known(cloud: Emulator, tuned: str) -> None:
    cloud.settings(
        managed_async_header=False,
        managed_model_name="deployment",
        managed_on_dated_routes=True,
        managed_conflicts=True,
        managed_names="own",
        targeted_delete="allowed",
        retarget_state="Creating",
        adapter_etag="operation",
        managed_usages="empty",
    )
    headers = arm(cloud, "PUT", "managedComputeDeployments/base", managed())[1]
    assert "azure-asyncoperation" not in headers
    assert code(arm(cloud, "PUT", "managedComputeDeployments/other", managed())) == (409, "RequestConflict")
    cloud.advance(901)
    base(cloud, "other")
    before = arm(cloud, "PUT", "adapterDeployments/drone", adapter(tuned))[2]["etag"]
    cloud.advance(61)
    after = arm(cloud, "GET", "adapterDeployments/drone")[2]["etag"]
    assert before != after
    with cloud.data() as client:
        assert client.chat.completions.create(model="drone", messages=HELLO).model == "drone"
    moved = arm(cloud, "PUT", "adapterDeployments/drone", adapter(tuned, "other"), if_match=after)[2]
    assert moved["properties"]["provisioningState"] == "Creating"
    cloud.advance(61)
    assert arm(cloud, "DELETE", "managedComputeDeployments/other")[0] == 202
    cloud.advance(31)
    with cloud.v1() as client, pytest.raises(openai.NotFoundError):
        client.chat.completions.create(model="drone", messages=HELLO)
    assert arm(cloud, "PUT", "managedComputeDeployments/drone", managed())[0] == 201


def test_a_restarted_server_goes_on_with_them(start: Start) -> None:
    first = start("--managed-seconds=900", "--adapter-seconds=60")
    with first.data() as client:
        training = upload(client, jsonl(lines(12)))
        made = client.fine_tuning.jobs.create(
            model="gpt-oss-120b",
            training_file=training,
            hyperparameters={"n_epochs": 1},
            extra_body={"trainingType": "GlobalStandard"},
        )
        model = ended(client, made.id).fine_tuned_model or ""
    base(first)
    arm(first, "PUT", "adapterDeployments/drone", adapter(model))
    first.stop(signal.SIGKILL)
    second = start()
    assert state(second, "adapterDeployments/drone") in ("Accepted", "Creating")
    second.advance(61)
    with second.v1() as client:
        assert client.chat.completions.create(model="drone", messages=HELLO).model == model

"""Managed deployments and adapters of the Azure provider, against a running emulator."""

from __future__ import annotations

import itertools
import json
import socket
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from ftops.core.address import Json
from ftops.core.azure_endpoint import of_foundry
from ftops.core.errors import Permanent, Temporary
from ftops.evaluation.answers import Question
from ftops.providers.azure.provider import AzureProvider
from ftops.providers.base import Request
from ftops.state.state import ResourceState, Status, observed_as
from tests.contract.azure_cloud import (
    Cloud,
    changed,
    dataset,
    gone,
    job,
    made,
    operation_of,
    recorded,
    request,
    settled,
)

HELLO: Any = ({"role": "user", "content": "turn 1"},)
_names = (f"m-{number}" for number in itertools.count(1))


@pytest.fixture
def name() -> str:
    return next(_names)


@pytest.fixture(scope="module")
def tuned(running: Cloud, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ResourceState]:
    """A trained job of an open model."""
    azure, folder = running.provider(), tmp_path_factory.mktemp("open")
    training = made(azure, dataset(folder))
    asked = job(folder, training.remote_id, model="gpt-oss-120b", training_type="global_standard")
    yield made(azure, asked)
    azure.close()


@pytest.fixture
def base(cloud: Cloud, azure: AzureProvider, tmp_path: Path) -> Iterator[ResourceState]:
    resource = made(azure, managed(tmp_path, next(_names)))
    yield resource
    assert gone(azure, resource)


def managed(folder: Path, name: str, **inputs: Json) -> Request:
    chosen: dict[str, Json] = {
        "name": name,
        "model": "gpt-oss-120b",
        "sku": {"name": "GlobalManagedCompute", "capacity": 1},
    }
    return request(f"deployment.{name}", folder, chosen | inputs)


def adapter(folder: Path, name: str, tuned: ResourceState, base: ResourceState, **inputs: Json) -> Request:
    model = str(tuned.outputs["fine_tuned_model"])
    chosen: dict[str, Json] = {"name": name, "model": model, "target": base.remote_id}
    return request(f"deployment.{name}", folder, chosen | inputs)


def headers(cloud: Cloud, method: str, part: str) -> list[set[str]]:
    """Of the requests in the log, the names of their headers."""
    log = cloud.admin("GET", "log")["requests"]
    return [set(one["headers"]) for one in log if one["method"] == method and part in one["path"]]


def test_life_cycle_of_a_managed_deployment(
    cloud: Cloud, azure: AzureProvider, tmp_path: Path, name: str
) -> None:
    with cloud.set(managed_seconds=1000.0):
        asked = managed(tmp_path, name, accelerator_type="A100_80GB")
        created = azure.create(asked)
        assert created.status is Status.PENDING and created.holds_concurrency_key
        assert "Accepted" in created.message and cloud.key not in created.resume
        resource = recorded(asked, created)
        other = cloud.provider()
        remote = other.read(resource)
        assert remote is not None and remote.status is Status.PENDING
        cloud.admin("POST", "clock", {"advance": 1001})
        ready = settled(other, observed_as(resource, remote))
        assert ready.status is Status.READY and not ready.resume
        assert ready.remote_id == f"{azure.account.id}/managedComputeDeployments/{name}"
        assert {k: v for k, v in ready.outputs.items() if k != "created_at"} == {
            "id": ready.remote_id,
            "name": name,
            "endpoint": f"{cloud.url}/",
            "provisioning_state": "Succeeded",
            "model": "gpt-oss-120b",
        }
        read = other.read(ready)
        assert read is not None and read.inputs == asked.inputs
        bigger = changed(asked, sku={"name": "GlobalManagedCompute", "capacity": 2})
        updating = other.update(bigger, ready)
        assert updating.status is Status.PENDING
        cloud.admin("POST", "clock", {"advance": 1001})
        grown = settled(other, replace(observed_as(ready, updating), inputs=bigger.inputs))
        assert grown.status is Status.READY
        with pytest.raises(Permanent, match="accelerator_type can't be changed"):
            other.update(changed(bigger, accelerator_type="H100_80GB"), grown)
        assert gone(other, grown)
        other.close()


@pytest.mark.parametrize("shown", ["requested", "former"])
def test_life_cycle_of_an_adapter(
    cloud: Cloud,
    azure: AzureProvider,
    tmp_path: Path,
    tuned: ResourceState,
    base: ResourceState,
    name: str,
    shown: str,
) -> None:
    cloud.admin("DELETE", "log")
    asked = adapter(tmp_path, name, tuned, base)
    resource = made(azure, asked)
    assert resource.status is Status.READY
    assert str(resource.outputs["source_model"]).startswith("azureai://accounts/emulator/projects/project/")
    remote = azure.read(resource)
    assert remote is not None and remote.inputs == asked.inputs
    assert ["if-none-match" in one for one in headers(cloud, "PUT", "/adapterDeployments/")] == [True]

    other = made(azure, managed(tmp_path, f"{name}-2"))
    with cloud.set(adapter_seconds=1000.0, retarget_reply=shown):
        moved = changed(asked, target=other.remote_id)
        updating = azure.update(moved, resource)
        assert updating.status is Status.PENDING and "Updating" in updating.message
        cloud.admin("POST", "clock", {"advance": 1001})
    resource = settled(azure, replace(observed_as(resource, updating), inputs=moved.inputs))
    assert resource.status is Status.READY
    assert azure.update(moved, resource).status is Status.READY, "there is nothing left to send"
    assert ["if-match" in one for one in headers(cloud, "PUT", "/adapterDeployments/")] == [False, True]
    seen = azure.read(replace(resource, inputs=asked.inputs))
    assert seen is not None and seen.inputs["target"] == other.remote_id, "as it would look after drift"
    assert gone(azure, resource)
    assert ["if-match" in one for one in headers(cloud, "DELETE", "/adapterDeployments/")] == [True]
    assert gone(azure, other)


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
def test_what_somebody_else_has_changed_is_left_alone(
    cloud: Cloud,
    azure: AzureProvider,
    tmp_path: Path,
    tuned: ResourceState,
    base: ResourceState,
    name: str,
    method: str,
) -> None:
    """The etag is of another version: the account changes it between the read and the write."""
    asked = adapter(tmp_path, name, tuned, base)
    resource = made(azure, asked)
    other = made(azure, managed(tmp_path, f"{name}-2"))
    cloud.fault(f"{method} */adapterDeployments/*", status=412, code="PreconditionFailed", message="etag")
    with pytest.raises(Permanent, match="somebody has changed it in the meantime") as caught:
        if method == "PUT":
            azure.update(changed(asked, target=other.remote_id), resource)
        else:
            azure.delete(resource)
    assert "ftops plan" in caught.value.hint
    assert gone(azure, resource) and gone(azure, other)


def test_one_of_somebody_else_is_left_alone(
    cloud: Cloud, azure: AzureProvider, tmp_path: Path, tuned: ResourceState, base: ResourceState, name: str
) -> None:
    asked = adapter(tmp_path, name, tuned, base)
    theirs = made(azure, asked)
    for again in (asked, managed(tmp_path, str(base.outputs["name"]))):
        with pytest.raises(Permanent, match="already exists") as caught:
            azure.create(again)
        assert "import" in caught.value.hint
    assert gone(azure, theirs)


def test_an_interrupted_creation_is_found_by_name_and_age(
    cloud: Cloud, azure: AzureProvider, tmp_path: Path, tuned: ResourceState, base: ResourceState, name: str
) -> None:
    asked, plain = adapter(tmp_path, name, tuned, base), managed(tmp_path, f"{name}-2")
    for one in (asked, plain):
        intent = operation_of(one)
        resource = made(azure, one)
        found = azure.find_by_token(intent, frozenset())
        assert found is not None and found.remote_id == resource.remote_id
        assert azure.find_by_token(intent, frozenset({resource.remote_id})) is None
        late = (datetime.now(UTC) + timedelta(days=900)).isoformat()
        assert azure.find_by_token(replace(intent, started_at=late), frozenset()) is None
        changed = {"sku": {"name": "GlobalManagedCompute", "capacity": 9}, "target": f"{base.remote_id}x"}
        inputs = {name: changed.get(name, value) for name, value in one.inputs.items()}
        found = azure.find_by_token(replace(intent, inputs=inputs), frozenset())
        assert found is not None and found.inputs != inputs, "somebody has changed it since"
        other = {**one.inputs, "model": f"{one.inputs['model']}0"}
        assert azure.find_by_token(replace(intent, inputs=other), frozenset()) is None
        assert gone(azure, resource)


def test_a_failure_says_why_also_to_another_process(
    cloud: Cloud, azure: AzureProvider, tmp_path: Path, tuned: ResourceState, base: ResourceState, name: str
) -> None:
    for part, asked in (
        ("managedComputeDeployments", managed(tmp_path, name)),
        ("adapterDeployments", adapter(tmp_path, name, tuned, base)),
    ):
        with cloud.set(managed_seconds=1000.0, adapter_seconds=1000.0):
            cloud.fault(f"PUT */{part}/*", deployment="fail")
            resource = recorded(asked, azure.create(asked))
            cloud.admin("POST", "clock", {"advance": 1001})
            other = cloud.provider()
            failed = settled(other, resource)
            other.close()
        assert failed.status is Status.TAINTED and "internal error" in failed.message
        assert gone(azure, failed)


def test_an_operation_elsewhere_is_not_asked_for(
    cloud: Cloud, azure: AzureProvider, tmp_path: Path, tuned: ResourceState, base: ResourceState, name: str
) -> None:
    cloud.fault("PUT */adapterDeployments/*", deployment="fail")
    asked = adapter(tmp_path, name, tuned, base)
    resource = recorded(asked, azure.create(asked))
    with socket.create_server(("127.0.0.1", 0)) as elsewhere:
        elsewhere.setblocking(False)
        url = f"http://127.0.0.1:{elsewhere.getsockname()[1]}/operations/1"
        resume = json.dumps({"operation": "create", "token": url})
        unsaid = replace(resource, resume=resume, status=Status.PENDING, message="")
        remote = azure.read(unsaid)
        assert remote is not None and f"isn't at {cloud.url}" in remote.message
        with pytest.raises(BlockingIOError):
            elsewhere.accept()
    assert gone(azure, resource)


def test_provisioned_is_not_ready_before_it_answers(
    cloud: Cloud, azure: AzureProvider, tmp_path: Path, tuned: ResourceState, base: ResourceState, name: str
) -> None:
    cloud.fault("PUT */adapterDeployments/*", deployment="unready")
    asked = adapter(tmp_path, name, tuned, base)
    resource = recorded(asked, azure.create(asked))
    remote = azure.read(resource)
    assert remote is not None and remote.status is Status.PENDING and "answer" in remote.message
    assert gone(azure, resource)


def test_a_target_elsewhere_is_refused(
    azure: AzureProvider, tmp_path: Path, tuned: ResourceState, base: ResourceState, name: str
) -> None:
    for target in (base.remote_id.replace("emulator", "other"), f"{azure.account.id}/deployments/x"):
        with pytest.raises(Permanent, match="isn't on managed compute of the same account"):
            azure.create(adapter(tmp_path, name, tuned, base, target=target, source_model="azureai://x"))


def test_weights_that_are_not_registered_yet(
    cloud: Cloud, tmp_path: Path, tuned: ResourceState, base: ResourceState, name: str
) -> None:
    asked = adapter(tmp_path, name, tuned, base)
    cloud.admin("PATCH", "settings", {"adapter_registration": "nobody"})
    try:
        patient, azure = cloud.provider(visible_after=60), cloud.provider()
        with pytest.raises(Temporary, match="no version of a project model"):
            patient.create(asked)
        with pytest.raises(Permanent, match="no version of a project model") as caught:
            azure.create(asked)
        assert "source_model" in caught.value.hint and "project" in caught.value.detail
    finally:
        cloud.admin("PATCH", "settings", {"adapter_registration": "job"})
    inside = cloud.provider(endpoint=f"{cloud.url}/api/projects/support")
    resource = made(inside, asked)
    assert "/projects/support/" in str(resource.outputs["source_model"])
    assert gone(azure, resource)
    for one in (patient, azure, inside):
        one.close()


def test_they_are_listed_with_the_models_of_jobs(
    cloud: Cloud, azure: AzureProvider, tmp_path: Path, tuned: ResourceState, base: ResourceState, name: str
) -> None:
    asked = adapter(tmp_path, name, tuned, base)
    resource = made(azure, asked)
    listed = {one.name: one for one in azure.existing("deployment")}
    assert listed[name].remote.inputs == asked.inputs
    assert listed[str(base.outputs["name"])].remote.inputs["model"] == "gpt-oss-120b"
    assert not listed[name].carries_token
    imported = azure.read(replace(resource, remote_id=name, inputs={"model": "", "target": ""}, outputs={}))
    assert imported is not None and imported.inputs["model"] == asked.inputs["model"]
    for part in ("managedComputeDeployments", "adapterDeployments"):
        cloud.fault(f"GET */{part}", status=404, code="InvalidResourceType", times=2)
    assert name not in {one.name for one in azure.existing("deployment")}, "the account doesn't offer them"
    assert gone(azure, resource)


def test_they_are_asked_on_v1_whatever_the_version_is(
    cloud: Cloud, tmp_path: Path, tuned: ResourceState, base: ResourceState, name: str
) -> None:
    dated = cloud.provider(api_version="2024-10-21")
    resource = made(dated, adapter(tmp_path, name, tuned, base))
    assert dated.ask(name, Question(HELLO)).finish_reason == "stop"
    with pytest.raises(Temporary, match="doesn't answer yet"):
        dated.ask(f"{name}-nobody", Question(HELLO))
    assert gone(dated, resource)
    dated.close()


@pytest.mark.parametrize(
    ("endpoint", "expected"),
    [
        ("https://acme.openai.azure.com", "https://acme.services.ai.azure.com"),
        ("https://acme.cognitiveservices.azure.us/", "https://acme.services.ai.azure.us"),
        ("https://acme.services.ai.azure.com", "https://acme.services.ai.azure.com"),
        (
            "https://swedencentral.api.cognitive.microsoft.com",
            "https://swedencentral.api.cognitive.microsoft.com",
        ),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
    ],
)
def test_the_address_of_managed_compute(endpoint: str, expected: str) -> None:
    assert of_foundry(endpoint) == expected

"""Deployments of the Azure provider, against a running emulator."""

from __future__ import annotations

import base64
import itertools
import json
import pickle
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from ftops.core.address import Address
from ftops.core.errors import Permanent, Temporary
from ftops.providers.azure.all_deployments import AllDeployments
from ftops.providers.azure.provider import AzureProvider
from ftops.state.state import ResourceState, Status, observed_as
from tests.contract.azure_cloud import (
    BASE_MODEL,
    Cloud,
    changed,
    dataset,
    deployment,
    gone,
    job,
    made,
    new_token,
    operation_of,
    recorded,
    settled,
    until,
)

_names = (f"d-{number}" for number in itertools.count(1))


@pytest.fixture
def name() -> str:
    return next(_names)


@pytest.fixture(scope="module")
def tuned(running: Cloud, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ResourceState]:
    """A trained job, whose model is deployed by the tests."""
    azure, folder = running.provider(), tmp_path_factory.mktemp("tuned")
    training = made(azure, dataset(folder))
    yield made(azure, job(folder, training.remote_id))
    azure.close()


def model_of(tuned: ResourceState) -> str:
    return str(tuned.outputs["fine_tuned_model"])


def live(azure: AzureProvider, resource: ResourceState) -> dict[str, Any]:
    """What the control plane shows."""
    kind = azure._kinds["deployment"]
    assert isinstance(kind, AllDeployments)
    body = kind.serverless._get(resource.remote_id.rsplit("/", 1)[-1], "look")
    assert body is not None
    return body


@pytest.mark.parametrize("api_version", ["2024-10-21", "v1"])
@pytest.mark.parametrize("with_header", [True, False], ids=["async-header", "provisioning-state"])
def test_life_cycle_of_a_tuned_model(
    cloud: Cloud, tmp_path: Path, tuned: ResourceState, name: str, with_header: bool, api_version: str
) -> None:
    azure = cloud.provider(api_version=api_version)
    model = model_of(tuned)
    with cloud.set(ft_put_async_header=with_header, deployment_seconds=0.2, deletion_seconds=0.2):
        asked = deployment(tmp_path, name, model, tags={"team": "drones"})
        created = azure.create(asked)
        assert created.status is Status.PENDING and created.holds_concurrency_key
        resource = settled(azure, recorded(asked, created))
        assert resource.status is Status.READY and not resource.resume
        assert resource.remote_id == f"{azure.account.id}/deployments/{name}"
        assert resource.outputs == {
            "id": resource.remote_id,
            "name": name,
            "endpoint": f"{cloud.url}/",
            "provisioning_state": "Succeeded",
            "model": model,
            "created_at": live(azure, resource)["systemData"]["createdAt"][:19] + "Z",
            "expires": "after 15 days without calls",
        }
        body = live(azure, resource)
        assert body["properties"]["versionUpgradeOption"] == "NoAutoUpgrade"
        assert body["properties"]["model"] == {"format": "OpenAI", "name": model, "version": "1"}
        remote = azure.read(resource)
        assert remote is not None and remote.inputs == {
            key: asked.inputs[key] for key in ("name", "model", "sku", "tags")
        }
        going = azure.delete(resource)
        assert going is not None and going.holds_concurrency_key
        assert gone(azure, resource)
    azure.close()


def test_a_base_model_is_ready_at_once(azure: AzureProvider, tmp_path: Path, name: str) -> None:
    asked = deployment(tmp_path, name)
    created = azure.create(asked)
    assert created.status is Status.READY
    assert created.attributes["model"] == BASE_MODEL
    assert live(azure, recorded(asked, created))["properties"]["model"] == {
        "format": "OpenAI",
        "name": "gpt-4o-mini",
        "version": "2024-07-18",
    }
    assert gone(azure, recorded(asked, created))


@pytest.mark.parametrize(
    "inputs",
    [
        {"model": "gpt-4o-mini"},
        {"model": "gpt-4o-mini", "version": "2024-07-18"},
        {"sku": {"name": "standard", "capacity": 2}},
        {"sku": {"name": "Standard"}},
        {"tags": {"cost": "7", "Team": "x"}, "rai_policy": "Microsoft.Default"},
        {"version_upgrade_option": "once_current_version_expired"},
        {"version_upgrade_option": "NoAutoUpgrade"},
        {"tags": {}},
    ],
)
def test_nothing_differs_after_creation(
    azure: AzureProvider, tmp_path: Path, name: str, inputs: dict[str, Any]
) -> None:
    asked = deployment(tmp_path, name)
    asked = replace(asked, inputs={**asked.inputs, **inputs})
    resource = made(azure, asked)
    remote = azure.read(resource)
    assert remote is not None and remote.status is Status.READY
    assert remote.inputs == {key: asked.inputs[key] for key in remote.inputs}
    assert gone(azure, resource)


def test_properties_of_2026_are_set_and_reset(cloud: Cloud, tmp_path: Path, name: str) -> None:
    """The SDK's own types lack them."""
    control: Any = {"endpoint": cloud.url, "token": cloud.key, "api_version": "2026-09-15-preview"}
    azure = cloud.provider(control_plane=control)
    plain = deployment(tmp_path, name)
    resource = made(azure, plain)
    wanted = changed(plain, spillover="other", service_tier="Priority", deployment_state="Paused")
    azure.update(wanted, resource)
    names = ("spilloverDeploymentName", "serviceTier", "deploymentState")
    shown = live(azure, resource)["properties"]
    assert [shown.get(key) for key in names] == ["other", "Priority", "Paused"]
    remote = azure.read(replace(resource, inputs=wanted.inputs))
    assert remote is not None and remote.inputs == {key: wanted.inputs[key] for key in remote.inputs}
    azure.update(changed(plain), replace(resource, inputs=wanted.inputs))
    shown = live(azure, resource)["properties"]
    assert [shown.get(key) for key in names] in ([None, "Default", "Running"], [None, "Default", None])
    assert gone(azure, resource)
    azure.close()


def test_drift_is_shown(cloud: Cloud, azure: AzureProvider, tmp_path: Path, name: str) -> None:
    asked = deployment(tmp_path, name, tags={"team": "a"})
    resource = made(azure, asked)
    azure.update(changed(asked, sku={"name": "Standard", "capacity": 9}, tags={"team": "b"}), resource)
    remote = azure.read(resource)
    assert remote is not None and remote.status is Status.READY
    assert remote.inputs["sku"] == {"name": "Standard", "capacity": 9}
    assert remote.inputs["tags"] == {"team": "b"}
    assert gone(azure, resource)
    assert azure.read(resource) is None


def test_provisioned_is_not_ready_before_it_answers(
    cloud: Cloud, azure: AzureProvider, tmp_path: Path, tuned: ResourceState, name: str
) -> None:
    with cloud.set(not_found_seconds=1000.0):
        asked = deployment(tmp_path, name, model_of(tuned))
        resource = recorded(asked, azure.create(asked))
        remote = azure.read(resource)
        assert remote is not None and remote.status is Status.PENDING
        assert not remote.holds_concurrency_key and remote.resume and "answer" in remote.message
        unasked = cloud.provider(probe=False).read(resource)
        assert unasked is not None and unasked.status is Status.READY
        cloud.admin("POST", "clock", {"advance": 1001})
        ready = settled(azure, observed_as(resource, remote))
        assert ready.status is Status.READY
        assert gone(azure, ready)


def test_weights_that_are_not_loaded_yet_are_waited_for(
    cloud: Cloud, azure: AzureProvider, tmp_path: Path, tuned: ResourceState, name: str
) -> None:
    """As tuned open models answer for some minutes: more often than a failing call is tried."""
    times = 15
    cloud.fault("POST */chat/completions", status=500, message="Failed to load LoRA adapter", times=times)
    asked = deployment(tmp_path, name, model_of(tuned))
    resource = recorded(asked, azure.create(asked))
    for _ in range(times - 1):
        remote = azure.read(resource)
        assert remote is not None and remote.status is Status.PENDING and remote.resume
        assert "hasn't loaded its model yet" in remote.message and "100" in remote.message
    ready = settled(azure, resource)
    assert ready.status is Status.READY
    assert gone(azure, ready)


@pytest.mark.parametrize("which", ["best", "3", "6"])
def test_a_checkpoint_is_deployed(
    azure: AzureProvider, tmp_path: Path, tuned: ResourceState, name: str, which: str
) -> None:
    checkpoints: Any = tuned.outputs["checkpoint"]
    resource = made(azure, deployment(tmp_path, name, checkpoints[which]))
    assert resource.status is Status.READY
    assert resource.outputs["model"] == checkpoints[which]
    assert gone(azure, resource)


def test_replacing_under_one_name(
    cloud: Cloud, azure: AzureProvider, tmp_path: Path, tuned: ResourceState, name: str
) -> None:
    """While the new one is in the making, the name answers as the old one: that doesn't count."""
    old = made(azure, deployment(tmp_path, name))
    assert gone(azure, old)
    with cloud.set(stale_route_seconds=3600.0, deployment_seconds=0.3):
        new = made(azure, deployment(tmp_path, name, model_of(tuned)))
        assert new.outputs["model"] == model_of(tuned)
        assert gone(azure, new)


def test_blue_green_names_follow_from_the_model(
    azure: AzureProvider, tmp_path: Path, tuned: ResourceState, name: str
) -> None:
    blue = made(azure, deployment(tmp_path, name, replace="blue_green"))
    green = made(azure, deployment(tmp_path, name, model_of(tuned), replace="blue_green"))
    assert blue.outputs["name"] != green.outputs["name"]
    assert str(green.outputs["name"]).startswith(f"{name}-")
    remote = azure.read(green)
    assert remote is not None and remote.inputs["name"] == name
    assert gone(azure, blue)
    assert gone(azure, green)


def test_another_process_goes_on_waiting(
    cloud: Cloud, azure: AzureProvider, tmp_path: Path, tuned: ResourceState, name: str
) -> None:
    with cloud.set(deployment_seconds=1000.0):
        asked = deployment(tmp_path, name, model_of(tuned))
        resource = recorded(asked, azure.create(asked))
        before = _puts(cloud)
        other = cloud.provider()
        remote = other.read(resource)
        assert remote is not None and remote.status is Status.PENDING and remote.holds_concurrency_key
        cloud.admin("POST", "clock", {"advance": 1001})
        ready = settled(other, observed_as(resource, remote))
        assert ready.status is Status.READY
        assert _puts(cloud) == before
        assert gone(other, ready)
        other.close()


def _puts(cloud: Cloud) -> int:
    return sum(line["method"] == "PUT" for line in cloud.admin("GET", "log")["requests"])


def test_what_goes_on_waiting_holds_no_credential(
    cloud: Cloud, azure: AzureProvider, tmp_path: Path, tuned: ResourceState, name: str
) -> None:
    with cloud.set(deployment_seconds=0.2):
        asked = deployment(tmp_path, name, model_of(tuned))
        remote = azure.create(asked)
        inside = base64.b64decode(json.loads(remote.resume)["token"] + "==").decode("utf-8", "replace")
        assert "azure-asyncoperation" in inside.lower()
        for text in (remote.resume, inside, repr(remote)):
            assert cloud.key not in text
            assert "authorization" not in text.lower()
        assert gone(azure, settled(azure, recorded(asked, remote)))


def test_a_failed_deployment_is_tainted_and_says_why(
    cloud: Cloud, azure: AzureProvider, tmp_path: Path, tuned: ResourceState, name: str
) -> None:
    cloud.fault("PUT /subscriptions/*/deployments/*", deployment="fail")
    resource = made(azure, deployment(tmp_path, name, model_of(tuned)))
    assert resource.status is Status.TAINTED
    assert "internal error" in resource.message and "DeploymentFailed" in resource.message
    other = cloud.provider()
    assert other.read(resource) is not None
    assert gone(other, resource)
    other.close()


class _Canary:
    """Makes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


def _redirected(token: str, url: str, header: str = "") -> str:
    """A continuation token that leads to `url`: by its request, or by a header of the reply."""
    value = json.loads(base64.b64decode(token))
    headers = value["data"]["response"]["headers"]
    if header:
        headers[next(name for name in headers if name.lower() == header)] = url
    else:
        headers.clear()
        value["data"]["request"]["url"] = url
    return base64.b64encode(json.dumps(value).encode()).decode()


@pytest.mark.parametrize("forged", ["pickle", "request", "header", "nested", "garbage"])
def test_an_operation_of_another_form_or_place_is_not_asked_for(
    cloud: Cloud, tmp_path: Path, tuned: ResourceState, name: str, forged: str
) -> None:
    canary = tmp_path / "canary"
    with socket.create_server(("127.0.0.1", 0)) as elsewhere, cloud.set(deployment_seconds=1000.0):
        elsewhere.setblocking(False)
        url = f"http://127.0.0.1:{elsewhere.getsockname()[1]}/operations/1"
        cloud.fault("PUT /subscriptions/*/deployments/*", deployment="fail")
        azure = cloud.provider()
        asked = deployment(tmp_path, name, model_of(tuned))
        resource = recorded(asked, azure.create(asked))
        token = json.loads(resource.resume)["token"]
        forgeries = {
            "pickle": base64.b64encode(pickle.dumps(_Canary(canary))).decode(),
            "request": _redirected(token, url),
            "header": _redirected(token, url, "azure-asyncoperation"),
            "nested": base64.b64encode(b"[" * 100_000).decode(),
            "garbage": "token",
        }
        cloud.admin("POST", "clock", {"advance": 1001})
        resume = json.dumps({"operation": "create", "token": forgeries[forged]})
        remote = azure.read(replace(resource, resume=resume))
        assert remote is not None and remote.status is Status.TAINTED
        assert f"the operation in the state isn't at {cloud.url}" in remote.message
        assert not canary.exists()
        with pytest.raises(BlockingIOError):
            elsewhere.accept()
        assert gone(azure, resource)
        azure.close()


def test_a_failed_one_of_ours_makes_room(
    cloud: Cloud, azure: AzureProvider, tmp_path: Path, tuned: ResourceState, name: str
) -> None:
    asked = deployment(tmp_path, name, model_of(tuned))
    cloud.fault("PUT /subscriptions/*/deployments/*", deployment="fail")
    assert made(azure, asked).status is Status.TAINTED
    with pytest.raises(Temporary):
        azure.create(asked)
    resource = until(lambda: _patiently(azure, asked))
    assert gone(azure, settled(azure, resource))


def _patiently(azure: AzureProvider, asked: Any) -> ResourceState | None:
    try:
        return recorded(asked, azure.create(asked))
    except Temporary:
        return None


def test_one_of_somebody_else_is_left_alone(azure: AzureProvider, tmp_path: Path, name: str) -> None:
    asked = deployment(tmp_path, name)
    resource = made(azure, asked)
    with pytest.raises(Permanent) as caught:
        azure.create(replace(asked, token=new_token()))
    assert "import" in caught.value.hint and name in caught.value.summary
    assert gone(azure, resource)


def test_creating_again_with_the_same_token_adopts(azure: AzureProvider, tmp_path: Path, name: str) -> None:
    asked = deployment(tmp_path, name)
    first = azure.create(asked)
    assert azure.create(asked).remote_id == first.remote_id
    assert gone(azure, recorded(asked, first))


@pytest.mark.parametrize("effect", ["drop_after", "truncate"])
def test_found_after_a_lost_reply(
    cloud: Cloud, azure: AzureProvider, tmp_path: Path, tuned: ResourceState, name: str, effect: str
) -> None:
    asked = deployment(tmp_path, name, model_of(tuned))
    cloud.fault("PUT /subscriptions/*/deployments/*", effect=effect)
    with pytest.raises(Temporary) as caught:
        azure.create(asked)
    assert caught.value.effect_unknown
    found = azure.find_by_token(operation_of(asked), frozenset())
    assert found is not None
    assert azure.find_by_token(operation_of(asked), frozenset({found.remote_id})) is None
    assert azure.find_by_token(operation_of(replace(asked, token=new_token())), frozenset()) is None
    assert gone(azure, settled(azure, recorded(asked, found)))


def test_not_found_where_nothing_was_made(
    cloud: Cloud, azure: AzureProvider, tmp_path: Path, name: str
) -> None:
    asked = deployment(tmp_path, name)
    cloud.fault("PUT /subscriptions/*/deployments/*", effect="drop_before")
    with pytest.raises(Temporary) as caught:
        azure.create(asked)
    assert caught.value.effect_unknown
    assert azure.find_by_token(operation_of(asked), frozenset()) is None


@pytest.mark.parametrize("patch_async", [False, True], ids=["200", "202"])
def test_capacity_and_tags_change_in_place(
    cloud: Cloud, azure: AzureProvider, tmp_path: Path, tuned: ResourceState, name: str, patch_async: bool
) -> None:
    asked = deployment(tmp_path, name, model_of(tuned), tags={"a": "1"})
    resource = made(azure, asked)
    with cloud.set(patch_async=patch_async, deployment_seconds=0.2):
        wanted = changed(asked, sku={"name": "Standard", "capacity": 5}, tags={"b": "2"})
        remote = azure.update(wanted, resource)
        assert remote.holds_concurrency_key is patch_async
        updated = settled(azure, observed_as(replace(resource, inputs=wanted.inputs), remote))
    body = live(azure, updated)
    assert body["sku"] == {"name": "Standard", "capacity": 5}
    assert body["tags"] == {"b": "2", "ftops-token": asked.token}
    assert azure.find_by_token(operation_of(asked), frozenset()) is not None
    assert gone(azure, updated)


@pytest.mark.parametrize("slow", [False, True], ids=["at-once", "slow"])
def test_everything_changes_in_steps(
    cloud: Cloud, azure: AzureProvider, tmp_path: Path, name: str, slow: bool
) -> None:
    """The service refuses a new capacity and a new model in one request."""
    asked = deployment(tmp_path, name, "gpt-4o-2024-08-06", tags={"a": "1"}, rai_policy="Strict")
    resource = made(azure, asked)
    wanted = changed(
        asked, model=BASE_MODEL, sku={"name": "Standard", "capacity": 3}, rai_policy="Loose", tags={"a": "2"}
    )
    with cloud.set(patch_async=slow, base_deployment_async=slow, deployment_seconds=0.2):
        remote = until(lambda: _update_patiently(azure, wanted, resource))
        updated = settled(azure, observed_as(replace(resource, inputs=wanted.inputs), remote))
    final = azure.read(updated)
    assert final is not None and final.status is Status.READY
    assert final.inputs == {key: wanted.inputs[key] for key in final.inputs}
    assert live(azure, updated)["properties"]["model"]["name"] == "gpt-4o-mini"
    before = _puts(cloud)
    azure.update(wanted, updated)
    assert _puts(cloud) == before
    assert gone(azure, updated)


def _update_patiently(azure: AzureProvider, wanted: Any, resource: ResourceState) -> Any:
    try:
        return azure.update(wanted, resource)
    except Temporary:
        return None


def test_what_is_no_longer_asked_for_goes(azure: AzureProvider, tmp_path: Path, name: str) -> None:
    asked = deployment(tmp_path, name, tags={"a": "1"}, rai_policy="Strict")
    resource = made(azure, asked)
    wanted = deployment(tmp_path, name)
    remote = azure.update(wanted, resource)
    assert remote.status is Status.READY
    body = live(azure, resource)
    assert body["tags"] == {"ftops-token": asked.token}
    assert "raiPolicyName" not in body["properties"]
    assert gone(azure, resource)


def test_what_the_spec_says_nothing_about_stays(azure: AzureProvider, tmp_path: Path, name: str) -> None:
    by_hand = deployment(tmp_path, name, tags={"by": "hand"}, rai_policy="Strict")
    resource = made(azure, by_hand)
    plain = deployment(tmp_path, name)
    bare = replace(resource, inputs=plain.inputs)
    azure.update(changed(plain, version_upgrade_option="NoAutoUpgrade"), bare)
    body = live(azure, resource)
    assert body["tags"]["by"] == "hand" and body["properties"]["raiPolicyName"] == "Strict"
    assert gone(azure, resource)


def test_a_tuned_model_is_not_exchanged(
    azure: AzureProvider, tmp_path: Path, tuned: ResourceState, name: str
) -> None:
    asked = deployment(tmp_path, name, model_of(tuned))
    resource = made(azure, asked)
    with pytest.raises(Permanent) as caught:
        azure.update(changed(asked, model=BASE_MODEL), resource)
    assert caught.value.code == "ModelUpgradeNotSupported"
    assert "replace" in caught.value.hint
    assert gone(azure, resource)


def test_two_changes_at_once_are_worth_another_try(
    cloud: Cloud, azure: AzureProvider, tmp_path: Path, tuned: ResourceState, name: str
) -> None:
    with cloud.set(deployment_seconds=0.3):
        asked = deployment(tmp_path, name, model_of(tuned))
        resource = recorded(asked, azure.create(asked))
        with pytest.raises(Temporary) as caught:
            azure.create(deployment(tmp_path, f"{name}-other"))
        assert caught.value.code == "RequestConflict" and not caught.value.effect_unknown
        resource = settled(azure, resource)
    assert gone(azure, resource)


def test_quota(cloud: Cloud, azure: AzureProvider, tmp_path: Path, name: str) -> None:
    """Missing quota is final, but for a while after a deletion it is on its way back."""
    fresh = cloud.provider()
    with cloud.set(model_quota=10, quota_return_seconds=3600.0):
        much = deployment(tmp_path, name, sku={"name": "Standard", "capacity": 11})
        with pytest.raises(Permanent) as refused:
            fresh.create(much)
        assert refused.value.code == "InsufficientQuota" and "sku.capacity" in refused.value.hint
        old = made(azure, deployment(tmp_path, name, sku={"name": "Standard", "capacity": 8}))
        assert gone(azure, old)
        with pytest.raises(Temporary) as caught:
            azure.create(deployment(tmp_path, name, sku={"name": "Standard", "capacity": 8}))
        assert caught.value.code == "InsufficientQuota" and caught.value.retry_after is not None
    fresh.close()


@pytest.mark.parametrize("base_delete_async", [True, False], ids=["202", "200"])
def test_deletion_can_be_repeated_after_it_broke(
    cloud: Cloud, azure: AzureProvider, tmp_path: Path, name: str, base_delete_async: bool
) -> None:
    resource = made(azure, deployment(tmp_path, name))
    with cloud.set(base_delete_async=base_delete_async):
        cloud.fault("DELETE /subscriptions/*/deployments/*", effect="drop_before")
        with pytest.raises(Temporary):
            azure.delete(resource)
        assert gone(azure, resource)
        assert azure.delete(resource) is None


def test_a_deletion_whose_reply_was_lost_goes_on(
    cloud: Cloud, azure: AzureProvider, tmp_path: Path, name: str
) -> None:
    resource = made(azure, deployment(tmp_path, name))
    with cloud.set(base_delete_async=True, deletion_seconds=1000.0):
        cloud.fault("DELETE /subscriptions/*/deployments/*", effect="drop_after")
        going = azure.delete(resource)
        assert going is not None and going.status is Status.PENDING
        again = azure.delete(resource)
        assert again is not None and again.status is Status.PENDING
        cloud.admin("POST", "clock", {"advance": 1001})
        assert until(lambda: azure.read(resource) is None)


def test_another_process_waits_for_a_deletion(
    cloud: Cloud, azure: AzureProvider, tmp_path: Path, name: str
) -> None:
    resource = made(azure, deployment(tmp_path, name))
    with cloud.set(base_delete_async=True, deletion_seconds=1000.0):
        assert azure.delete(resource) is not None
        other = cloud.provider()
        remote = other.read(resource)
        assert remote is not None and remote.status is Status.PENDING and remote.holds_concurrency_key
        with pytest.raises(Temporary, match="still being deleted"):
            other.create(deployment(tmp_path, name))
        cloud.admin("POST", "clock", {"advance": 1001})
        assert until(lambda: other.read(resource) is None)
        other.close()


def test_a_bare_name_is_an_id_for_imports(azure: AzureProvider, tmp_path: Path, name: str) -> None:
    resource = made(azure, deployment(tmp_path, name))
    remote = azure.read(replace(resource, remote_id=name))
    assert remote is not None and remote.remote_id == resource.remote_id
    assert gone(azure, resource)


def test_another_account_is_no_place_to_look(azure: AzureProvider, tmp_path: Path, name: str) -> None:
    resource = made(azure, deployment(tmp_path, name))
    elsewhere = resource.remote_id.replace("/accounts/", "/accounts/other-")
    with pytest.raises(Permanent, match="another account"):
        azure.read(replace(resource, remote_id=elsewhere))
    assert gone(azure, resource)


def test_no_such_account_is_not_the_same_as_gone(cloud: Cloud, azure: AzureProvider, tmp_path: Path) -> None:
    other = cloud.provider(account="nobody")
    with pytest.raises(Permanent) as caught:
        other.create(deployment(tmp_path, "x"))
    assert "list-deleted" in caught.value.hint
    other.close()


def test_lanes(azure: AzureProvider) -> None:
    assert azure.concurrency_key(Address("deployment", "a")) == azure.account.id
    assert (
        azure.concurrency_key(Address("job", "a")) is azure.concurrency_key(Address("dataset", "a")) is None
    )


def test_settings_that_deployments_need(tmp_path: Path) -> None:
    azure = AzureProvider({"endpoint": "https://x.openai.azure.com", "api_key": "k"}, name="azure")
    with pytest.raises(Permanent, match="subscription_id, resource_group, account"):
        azure.create(deployment(tmp_path, "x"))

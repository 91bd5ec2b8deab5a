"""Deployments and the account, through the real management SDK."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import openai
import pytest
from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceNotFoundError
from azure.identity import ManagedIdentityCredential

from tests.emulator.samples import jsonl, lines
from tests.emulator.server import (
    MODEL,
    STANDARD,
    Emulator,
    base_deployment,
    deployment,
    ended,
    upload,
)

PLACE = ("rg-emulator", "emulator")
HELLO: Any = [{"role": "user", "content": "make the light red"}]


@pytest.fixture(scope="module")
def models(shared: Emulator) -> list[str]:
    """Two tuned models; only the second one can be deployed with DeveloperTier."""
    with shared.data() as client:
        training = upload(client, jsonl(lines(12)))
        jobs = [
            client.fine_tuning.jobs.create(
                model=model, training_file=training, extra_body=STANDARD, seed=1,
                hyperparameters={"n_epochs": 1},
            ).id
            for model in (MODEL, "gpt-4.1-mini-2025-04-14")
        ]  # fmt: skip
        return [ended(client, job).fine_tuned_model or "" for job in jobs]


@pytest.fixture
def control(shared: Emulator) -> Iterator[Any]:
    """A client; deployments are deleted and settings restored after the test."""
    before = shared.admin("GET", "settings")
    with shared.control() as client:
        yield client
        shared.settings(**before)
        shared.admin("DELETE", "faults")
        shared.advance(1000)
        for item in client.deployments.list(*PLACE):
            client.deployments.begin_delete(*PLACE, item.name).result()


def put(control: Any, name: str, body: Any) -> Any:
    """Deploy, and wait until the operation has ended."""
    return control.deployments.begin_create_or_update(*PLACE, name, body).result()


def refused(control: Any, name: str, body: Any) -> str:
    """The code with which a PUT is refused."""
    with pytest.raises(HttpResponseError) as caught:
        put(control, name, body)
    assert caught.value.error is not None
    return str(caught.value.error.code)


def test_a_tuned_model_takes_its_time(shared: Emulator, control: Any, models: list[str]) -> None:
    shared.settings(deployment_seconds=240.0, not_found_seconds=300.0)
    poller = control.deployments.begin_create_or_update(*PLACE, "tuned", deployment(models[0]))
    assert control.deployments.get(*PLACE, "tuned").properties.provisioning_state == "Creating"
    shared.advance(241)
    assert poller.result().properties.provisioning_state == "Succeeded"
    with shared.data() as client:
        with pytest.raises(openai.NotFoundError):
            client.chat.completions.create(model="tuned", messages=HELLO)
        shared.advance(301)
        answer = client.chat.completions.create(model="tuned", messages=HELLO)
    assert answer.model == models[0]


def test_a_base_model_is_there_at_once(shared: Emulator, control: Any) -> None:
    body = {**base_deployment(5), "tags": {"owner": "team"}}
    status, headers, made = shared.call("PUT", f"{shared.arm}/deployments/base?api-version=2025-09-01", body)
    assert status == 201
    assert "azure-asyncoperation" not in headers
    assert made["properties"]["provisioningState"] == "Succeeded"
    assert made["properties"]["rateLimits"][1] == {
        "key": "token", "renewalPeriod": 60, "count": 5000,
    }  # fmt: skip
    found = control.deployments.get(*PLACE, "BASE")
    assert found.name == "base"
    assert found.tags == {"owner": "team"}


def test_without_the_async_header_the_resource_is_polled(
    shared: Emulator, control: Any, models: list[str]
) -> None:
    shared.settings(ft_put_async_header=False)
    assert put(control, "tuned", deployment(models[0])).properties.provisioning_state == "Succeeded"


def test_the_model_of_a_tuned_deployment_is_not_changed_in_place(control: Any, models: list[str]) -> None:
    put(control, "tuned", deployment(models[0]))
    assert refused(control, "tuned", deployment(models[1])) == "ModelUpgradeNotSupported"
    again = put(control, "tuned", deployment(models[0], capacity=7))
    assert again.sku.capacity == 7


def test_a_replacement_answers_with_the_old_model_until_it_is_ready(
    shared: Emulator, control: Any, models: list[str]
) -> None:
    put(control, "tuned", deployment(models[0]))
    shared.advance(1)
    control.deployments.begin_delete(*PLACE, "tuned").result()
    with shared.data() as client:
        with pytest.raises(openai.NotFoundError):
            client.chat.completions.create(model="tuned", messages=HELLO)
        shared.settings(deployment_seconds=240.0)
        poller = control.deployments.begin_create_or_update(*PLACE, "tuned", deployment(models[1]))
        old = client.chat.completions.create(model="tuned", messages=HELLO)
        assert old.model == models[0]
        shared.advance(241)
        poller.result()
        assert client.chat.completions.create(model="tuned", messages=HELLO).model == models[1]


def test_one_write_at_a_time(shared: Emulator, control: Any, models: list[str]) -> None:
    shared.settings(deployment_seconds=240.0)
    poller = control.deployments.begin_create_or_update(*PLACE, "tuned", deployment(models[0]))
    with pytest.raises(ResourceExistsError) as caught:
        put(control, "other", base_deployment())
    assert caught.value.error is not None
    assert caught.value.error.code == "RequestConflict"
    with pytest.raises(ResourceExistsError):
        control.deployments.begin_delete(*PLACE, "tuned").result()
    shared.advance(241)
    poller.result()
    put(control, "other", base_deployment())


@pytest.mark.parametrize("asynchronous", [False, True])
def test_patch_changes_capacity_and_tags(shared: Emulator, control: Any, asynchronous: bool) -> None:
    put(control, "base", base_deployment())
    shared.settings(patch_async=asynchronous)
    body: Any = {"sku": {"name": "Standard", "capacity": 3}, "tags": {"a": "b"}}
    changed = control.deployments.begin_update(*PLACE, "base", body).result()
    assert changed.sku.capacity == 3
    assert changed.tags == {"a": "b"}


@pytest.mark.parametrize("asynchronous", [False, True])
def test_delete(shared: Emulator, control: Any, asynchronous: bool) -> None:
    put(control, "base", base_deployment())
    shared.settings(base_delete_async=asynchronous)
    control.deployments.begin_delete(*PLACE, "base").result()
    with pytest.raises(ResourceNotFoundError):
        control.deployments.get(*PLACE, "base")
    control.deployments.begin_delete(*PLACE, "base").result()


def test_a_continuation_token_resumes_without_a_second_put(
    shared: Emulator, control: Any, models: list[str]
) -> None:
    shared.settings(deployment_seconds=240.0)
    body: Any = deployment(models[0])
    poller = control.deployments.begin_create_or_update(*PLACE, "tuned", body)
    token = poller.continuation_token()
    shared.advance(241)
    resumed = control.deployments.begin_create_or_update(*PLACE, "tuned", body, continuation_token=token)
    assert resumed.result().properties.provisioning_state == "Succeeded"
    puts = [item for item in shared.admin("GET", "log")["requests"] if item["method"] == "PUT"]
    assert puts[-1]["status"] == 201
    assert len([item for item in puts if item["at"] == puts[-1]["at"]]) == 1


def test_a_failed_deployment_blocks_its_name(shared: Emulator, control: Any, models: list[str]) -> None:
    shared.fault(match="PUT */deployments/tuned", deployment="fail")
    with pytest.raises(HttpResponseError):
        put(control, "tuned", deployment(models[0]))
    assert control.deployments.get(*PLACE, "tuned").properties.provisioning_state == "Failed"
    assert refused(control, "tuned", deployment(models[0])) == "BadRequest"
    control.deployments.begin_delete(*PLACE, "tuned").result()
    assert put(control, "tuned", deployment(models[0])).properties.provisioning_state == "Succeeded"


def test_a_stuck_deployment_can_be_deleted(shared: Emulator, control: Any, models: list[str]) -> None:
    shared.fault(match="PUT */deployments/tuned", deployment="stuck")
    control.deployments.begin_create_or_update(*PLACE, "tuned", deployment(models[0]), polling=False)
    shared.advance(24 * 3600)
    assert control.deployments.get(*PLACE, "tuned").properties.provisioning_state == "Creating"
    control.deployments.begin_delete(*PLACE, "tuned").result()


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (deployment("gpt-9"), "DeploymentModelNotSupported"),
        (deployment("gpt-4o-mini", "2020-01-01"), "DeploymentModelNotSupported"),
        (deployment("gpt-4o-mini", "2024-07-18", 1001), "InsufficientQuota"),
        (deployment("gpt-4o-mini", "2024-07-18", 1, "S0"), "InvalidResourceProperties"),
        ({"properties": base_deployment()["properties"]}, "InvalidResourceProperties"),
        ({"sku": {"name": "Standard"}}, "InvalidRequestContent"),
    ],
)
def test_deployments_that_are_refused(control: Any, body: Any, code: str) -> None:
    assert refused(control, "base", body) == code


def test_capacity_and_model_do_not_change_together(
    control: Any,
) -> None:
    put(control, "base", base_deployment())
    assert refused(control, "base", deployment("gpt-4o", "2024-08-06", 2)) == "BadRequest"
    changed = put(control, "base", deployment("gpt-4o", "2024-08-06", 1))
    assert changed.properties.model.name == "gpt-4o"


def test_usages_follow_deployments_and_name_gpt_41_as_the_service_does(
    shared: Emulator, control: Any, models: list[str]
) -> None:
    put(control, "tuned", deployment(models[0], capacity=30))
    found = {item.name.value: item for item in control.usages.list("swedencentral")}
    assert found["OpenAI.Standard.gpt-4o-mini-finetune"].current_value == 30
    assert found["OpenAI.FineTuned.Deployments"].current_value == 1
    assert "OpenAI.DeveloperTier.gpt4.1-mini-finetune" in found
    shared.settings(finetuned_deployments_limit=1)
    assert refused(control, "second", deployment(models[1])) == "InsufficientQuota"


@pytest.mark.parametrize(("number", "sku"), [(0, "DeveloperTier"), (1, "ProvisionedManaged")])
def test_skus_that_a_tuned_model_does_not_have(
    control: Any, models: list[str], number: int, sku: str
) -> None:
    assert refused(control, "dev", deployment(models[number], sku=sku)) == "InvalidResourceProperties"


def test_developer_deployments_and_idle_ones_go_away(
    shared: Emulator, control: Any, models: list[str]
) -> None:
    put(control, "idle", deployment(models[0]))
    put(control, "dev", deployment(models[1], sku="developertier"))
    shared.advance(23 * 3600)
    assert {item.name for item in control.deployments.list(*PLACE)} == {"idle", "dev"}
    shared.advance(2 * 3600)
    assert [item.name for item in control.deployments.list(*PLACE)] == ["idle"]
    shared.advance(15 * 24 * 3600)
    assert list(control.deployments.list(*PLACE)) == []


def test_the_account(shared: Emulator, control: Any, models: list[str]) -> None:
    account = control.accounts.get(*PLACE)
    assert account.properties.endpoint == f"{shared.url}/"
    assert control.accounts.list_keys(*PLACE).key1 == shared.key
    listed = {model.name: model for model in control.accounts.list_models(*PLACE)}
    assert listed[models[0]].base_model.name == "gpt-4o-mini"
    assert listed["gpt-4.1"].capabilities["fineTune"] == "true"
    put(control, "base", base_deployment())
    skus = list(control.deployments.list_skus(*PLACE, "base"))
    assert "GlobalStandard" in [row.sku.name for row in skus]
    left = control.location_based_model_capacities.list(
        "swedencentral", "OpenAI", "gpt-4o-mini", "2024-07-18"
    )
    assert {row.properties.sku_name: row.properties.available_capacity for row in left}["Standard"] == 999


def test_other_accounts_do_not_exist(control: Any) -> None:
    with pytest.raises(ResourceNotFoundError) as caught:
        control.deployments.get("rg-emulator", "somebody-else", "base")
    assert caught.value.error is not None
    assert caught.value.error.code == "ResourceNotFound"


def test_a_managed_identity_can_sign_in(shared: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IDENTITY_ENDPOINT", f"{shared.url}/msi/token")
    monkeypatch.setenv("IDENTITY_HEADER", shared.key)
    with ManagedIdentityCredential() as credential:
        token = credential.get_token("https://management.azure.com/.default").token
        data_token = credential.get_token("https://cognitiveservices.azure.com/.default").token
    path = f"{shared.arm}/deployments?api-version=2025-09-01"
    assert shared.call("GET", path, authorization=f"Bearer {token}")[0] == 200
    assert shared.call("GET", path, authorization=f"Bearer {token}x")[0] == 401
    with shared.data(api_key=None, azure_ad_token=data_token) as client:
        client.files.list()  # raises where the token is refused
    status, _, _ = shared.call(
        "GET", "/msi/token?api-version=2019-08-01&resource=a", **{"x-identity-header": "no"}
    )
    assert status == 401


def test_retry_after_can_be_switched_on(shared: Emulator, control: Any, models: list[str]) -> None:
    shared.settings(retry_after_seconds=1)
    _, headers, _ = shared.call(
        "PUT", f"{shared.arm}/deployments/tuned?api-version=2025-09-01", deployment(models[0])
    )
    assert headers["retry-after"] == "1"
    shared.advance(1)

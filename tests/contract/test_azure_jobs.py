"""Jobs of the Azure provider, against a running emulator."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from ftops.core.errors import Permanent, Temporary
from ftops.providers.azure.provider import AzureProvider
from ftops.providers.dataplane.job_wire import (
    checkpoint_names,
    is_marked,
    is_marked_by,
    message_of,
    observed_inputs,
    seed_for,
)
from ftops.state.state import ResourceState, Status, observed_as, owner_mark
from tests.contract.azure_cloud import (
    BASE_MODEL,
    Cloud,
    chat_file,
    dataset,
    deployment,
    gone,
    job,
    made,
    new_token,
    operation_of,
    recorded,
    request,
    said,
    settled,
    until,
)
from tests.contract.wire import Wire, tapped


@pytest.fixture
def training(azure: AzureProvider, tmp_path: Path) -> str:
    return made(azure, dataset(tmp_path)).remote_id


@pytest.fixture
def validation(azure: AzureProvider, tmp_path: Path) -> str:
    return made(azure, dataset(tmp_path, "valid")).remote_id


@pytest.mark.parametrize("api_version", ["2024-10-21", "2025-04-01-preview", "v1"])
def test_life_cycle(cloud: Cloud, tmp_path: Path, training: str, validation: str, api_version: str) -> None:
    azure = cloud.provider(api_version=api_version)
    asked = job(tmp_path, training, validation=validation, seed=105)
    created = azure.create(asked)
    assert created.status is Status.PENDING
    resource = settled(azure, recorded(asked, created))
    assert resource.status is Status.READY, resource.message
    model = str(resource.outputs["fine_tuned_model"])
    assert model.startswith(f"{BASE_MODEL}.ft-") and model.endswith("-copilot")
    assert resource.outputs["seed"] == 105
    assert resource.outputs["hyperparameters"] == {
        "n_epochs": 2,
        "batch_size": 4,
        "learning_rate_multiplier": resource.outputs["hyperparameters"]["learning_rate_multiplier"],  # type: ignore[index, call-overload]
    }
    assert isinstance(resource.outputs["trained_tokens"], int)
    assert resource.outputs["result_files"]
    assert gone(azure, resource)
    left = cloud.admin("GET", "objects")
    assert model not in [item["id"] for item in left["models"]]
    assert resource.outputs["result_files"][0] not in [item["id"] for item in left["files"]]  # type: ignore[index]
    azure.close()


def test_checkpoints(
    cloud: Cloud, azure: AzureProvider, tmp_path: Path, training: str, validation: str
) -> None:
    asked = job(tmp_path, training, validation=validation, hyperparameters={"n_epochs": 3, "batch_size": 4})
    resource = made(azure, asked)
    checkpoints: Any = resource.outputs["checkpoint"]
    assert set(checkpoints) == {"best", "3", "6", "9"}
    assert checkpoints["9"] == resource.outputs["fine_tuned_model"]
    assert checkpoints["best"] in {checkpoints[step] for step in ("3", "6", "9")}
    # What is on record of a finished job isn't asked again.
    cloud.fault("GET /openai*/fine_tuning/jobs/*/checkpoints", status=500, times=-1)
    again = azure.read(resource)
    assert again is not None and again.attributes["checkpoint"] == checkpoints


def test_nothing_differs_after_training(azure: AzureProvider, tmp_path: Path, training: str) -> None:
    hyperparameters: Any = {"n_epochs": "auto", "batch_size": 4, "learning_rate_multiplier": 2}
    asked = job(tmp_path, training, hyperparameters=hyperparameters)
    resource = made(azure, asked)
    remote = azure.read(resource)
    assert remote is not None
    assert {name: asked.inputs[name] for name in remote.inputs} == remote.inputs
    assert remote.inputs["hyperparameters"] == hyperparameters


def test_what_the_service_spells_otherwise_is_as_asked() -> None:
    asked: dict[str, Any] = {
        "model": "gpt-4o-mini",
        "training": "file-1",
        "suffix": "Copilot",
        "hyperparameters": {"n_epochs": 3, "batch_size": "auto", "learning_rate_multiplier": 2},
    }
    shown = {
        "model": "GPT-4o-mini-2024-07-18",
        "training_file": "file-1",
        "suffix": "copilot",
        "seed": 3,
        "hyperparameters": {"n_epochs": 3, "batch_size": 1, "learning_rate_multiplier": 2.0},
    }
    assert observed_inputs(shown, asked) == asked
    assert observed_inputs({**shown, "model": "gpt-4o-2024-08-06"}, asked)["model"] == "gpt-4o-2024-08-06"


@pytest.mark.parametrize(
    ("losses", "best"),
    [
        ([{"full_valid_loss": 0.5}, {"full_valid_loss": 0.4}, {"full_valid_loss": 0.6}], "m:2"),
        ([{"full_valid_loss": -1}, {"valid_loss": 0.3}, {"valid_loss": 0.4}], "m:2"),
        ([{"train_loss": 0.1}, None, {"train_loss": 0.2}], "m"),
        ([{"train_mean_reward": 0.2}, {"train_mean_reward": 0.9}, {"train_mean_reward": 0.1}], "m:2"),
        (
            [
                {"full_valid_mean_reward": -0.5, "train_mean_reward": 1, "full_valid_loss": 0.3},
                {"full_valid_mean_reward": -0.1, "train_mean_reward": 2, "full_valid_loss": 0.1},
                {"full_valid_mean_reward": -0.3, "train_mean_reward": 3, "full_valid_loss": 0.01},
            ],
            "m:2",
        ),
        (
            [
                {"scores": {"valid_reward_mean": 0.5, "train_reward_mean": 0.1, "graders": {"a": 9}}},
                {"scores": {"valid_reward_mean": 0.4, "train_reward_mean": 0.9}},
            ],
            "m:1",
        ),
        ([{"mean_unresponsive_rewards": 9.0}, {"valid_reward_mean": None}, {}], "m"),
        ([], "m"),
    ],
)
def test_the_best_checkpoint(losses: list[Any], best: str) -> None:
    listed = [
        {"fine_tuned_model_checkpoint": f"m:{n}", "step_number": n, "metrics": metrics}
        for n, metrics in enumerate(losses, 1)
    ]
    names = checkpoint_names(reversed(listed), "m")
    assert names == {"best": best, **{str(n): f"m:{n}" for n in range(1, len(losses) + 1)}}


def test_a_failed_job_is_tainted_and_says_why(
    cloud: Cloud, azure: AzureProvider, tmp_path: Path, training: str
) -> None:
    cloud.fault("POST /openai*/fine_tuning/jobs", job={"fail": "safety", "message": "Unsafe, it is."})
    resource = made(azure, job(tmp_path, training))
    assert resource.status is Status.TAINTED
    assert resource.message == "the job failed: Unsafe, it is."
    assert message_of(
        {"status": "failed", "error": {"message": "The job failed due to an internal error."}}
    ) == ("the job failed due to an internal error.")
    name = resource.remote_id.removeprefix("ftjob-")
    assert [m for m in cloud.admin("GET", "objects")["models"] if name in str(m)], "it has left checkpoints"
    assert gone(azure, resource)
    assert not [m for m in cloud.admin("GET", "objects")["models"] if name in str(m)]


def test_a_running_job_is_cancelled_before_it_is_deleted(
    cloud: Cloud, azure: AzureProvider, tmp_path: Path, training: str
) -> None:
    with cloud.set(queue_seconds=3600.0):
        asked = job(tmp_path, training)
        resource = recorded(asked, azure.create(asked))
        assert gone(azure, resource)


def test_a_cancelled_job_is_tainted(
    cloud: Cloud, azure: AzureProvider, tmp_path: Path, training: str
) -> None:
    with cloud.set(queue_seconds=3600.0):
        asked = job(tmp_path, training)
        resource = recorded(asked, azure.create(asked))
        azure._clients.data.fine_tuning.jobs.cancel(resource.remote_id)
        remote = azure.read(resource)
        assert remote is not None and remote.status is Status.TAINTED
        assert "cancelled" in remote.message


@pytest.mark.parametrize("metadata", ["stored", "dropped"])
@pytest.mark.parametrize("seed", [None, 7], ids=["own-seed", "given-seed"])
def test_found_after_a_lost_reply(
    cloud: Cloud, azure: AzureProvider, tmp_path: Path, training: str, metadata: str, seed: int | None
) -> None:
    with cloud.set(metadata=metadata, queue_seconds=3600.0):
        chosen: dict[str, Any] = {} if seed is None else {"seed": seed}
        asked = job(tmp_path, training, **chosen)
        cloud.fault("POST /openai*/fine_tuning/jobs", effect="drop_after")
        with pytest.raises(Temporary) as caught:
            azure.create(asked)
        assert caught.value.effect_unknown
        found = azure.find_by_token(operation_of(asked), frozenset())
        assert found is not None and found.status is Status.PENDING
        assert azure.find_by_token(operation_of(asked), frozenset({found.remote_id})) is None
        assert gone(azure, recorded(asked, found))
        assert azure.find_by_token(operation_of(asked), frozenset()) is None


@pytest.mark.parametrize("metadata", ["stored", "dropped"])
def test_the_job_of_another_intent_is_never_found(
    cloud: Cloud, azure: AzureProvider, tmp_path: Path, training: str, metadata: str
) -> None:
    with cloud.set(metadata=metadata, queue_seconds=3600.0):
        asked = job(tmp_path, training)
        resource = recorded(asked, azure.create(asked))
        other = replace(asked, token=new_token())
        assert azure.find_by_token(operation_of(other), frozenset()) is None
        assert gone(azure, resource)


def test_not_found_where_nothing_was_made(
    cloud: Cloud, azure: AzureProvider, tmp_path: Path, training: str
) -> None:
    cloud.fault("POST /openai*/fine_tuning/jobs", effect="drop_before")
    asked = job(tmp_path, training)
    with pytest.raises(Temporary) as caught:
        azure.create(asked)
    assert caught.value.effect_unknown
    assert azure.find_by_token(operation_of(asked), frozenset()) is None


def test_a_job_is_asked_for_once(cloud: Cloud, azure: AzureProvider, tmp_path: Path, training: str) -> None:
    before = len(cloud.admin("GET", "objects")["jobs"])
    cloud.fault("POST /openai*/fine_tuning/jobs", effect="applied", status=500, times=-1)
    with pytest.raises(Temporary) as caught:
        azure.create(job(tmp_path, training))
    assert caught.value.effect_unknown
    assert len(cloud.admin("GET", "objects")["jobs"]) == before + 1


def test_the_seed_follows_from_the_token() -> None:
    assert seed_for({}, "a") == seed_for({}, "a") != seed_for({}, "b")
    assert seed_for({"seed": 0}, "a") == 0
    assert 0 <= seed_for({}, "a") < 2**31


def test_the_seed_says_what_a_job_is_made_from_and_which_state_started_it() -> None:
    ours, theirs = owner_mark("ours"), owner_mark("theirs")
    seeds = [seed_for({}, f"{ours}{n:010x}", "abcd1234") for n in range(100)]
    assert all(0 <= seed < 2**31 for seed in seeds)
    assert all(is_marked(seed, "abcd9999") and not is_marked(seed, "abce1234") for seed in seeds)
    assert all(is_marked_by(seed, ours) and not is_marked_by(seed, theirs) for seed in seeds)
    assert len(set(seeds)) > 25


def test_progress(azure: AzureProvider, tmp_path: Path, training: str) -> None:
    resource = made(azure, job(tmp_path, training, hyperparameters={"n_epochs": 5, "batch_size": 1}))
    lines, seen = azure.progress(resource, "")
    text = said(lines)
    assert text.index("Job enqueued") < text.index("Training started") < text.index("Job succeeded")
    measured = [line for line in lines if "step" in line.metrics]
    assert measured and "loss" in measured[0].message
    assert measured[0].metrics["train_loss"] > 0
    assert azure.progress(resource, seen) == ([], seen)
    assert azure.progress(replace(resource, address=replace_kind(resource)), "x") == ([], "x")


def test_a_job_that_is_deleted_between_two_reads_has_no_events(
    cloud: Cloud, azure: AzureProvider, tmp_path: Path, training: str
) -> None:
    resource = made(azure, job(tmp_path, training))
    assert azure.job_events(resource, "")
    cloud.fault("GET */events", status=404, code="notFound", times=2)
    run = azure.training_run(resource)
    assert run is not None and not run.events
    assert not azure.job_events(resource, "")


def test_progress_of_many_pages(azure: AzureProvider, tmp_path: Path) -> None:
    file = chat_file(tmp_path / "train.jsonl", 24)
    training = made(azure, request("dataset.train", tmp_path, {"path": file.name})).remote_id
    resource = made(azure, job(tmp_path, training, hyperparameters={"n_epochs": 50, "batch_size": 1}))
    last, seen = azure.progress(resource, "")
    lines, again = azure.progress(resource, "some event of long ago")
    assert seen == again
    assert len(last) == 100 < len(lines)
    assert lines[-100:] == last
    assert lines[0].message.startswith("Job enqueued")
    steps = [line.metrics["step"] for line in lines if "step" in line.metrics]
    assert steps == sorted(set(steps))


def replace_kind(resource: ResourceState) -> Any:
    return resource.address._replace(kind="dataset")


def test_a_deployed_model_is_not_deleted_yet(
    cloud: Cloud, azure: AzureProvider, tmp_path: Path, training: str
) -> None:
    resource = made(azure, job(tmp_path, training))
    served = made(azure, deployment(tmp_path, "keeps-it", str(resource.outputs["fine_tuned_model"])))
    for status in (409, 400):
        with cloud.set(deployed_model_delete_status=status), pytest.raises(Temporary) as caught:
            azure.delete(resource)
        assert "still deployed" in caught.value.summary
    assert gone(azure, served)
    assert gone(azure, resource)


@pytest.mark.parametrize(
    "refused",
    [
        "DELETE /openai/v1/models/*",
        "DELETE /openai*/files/*",
        "DELETE /openai*/fine_tuning/jobs/*",
    ],
)
def test_deletion_can_be_repeated_after_it_broke(
    cloud: Cloud, azure: AzureProvider, tmp_path: Path, training: str, refused: str
) -> None:
    resource = made(azure, job(tmp_path, training))
    for effect in ("drop_before", "drop_after"):
        cloud.fault(refused, effect=effect)
        with pytest.raises(Temporary):
            azure.delete(resource)
    assert gone(azure, resource)


@pytest.mark.parametrize("status", [400, 404, 405])
def test_a_job_that_the_service_keeps_counts_as_gone(
    cloud: Cloud, azure: AzureProvider, tmp_path: Path, training: str, status: int
) -> None:
    resource = made(azure, job(tmp_path, training))
    cloud.fault("DELETE /openai*/fine_tuning/jobs/*", status=status, code="unexpectedEntityState")
    assert azure.delete(resource) is None


def test_a_model_that_no_route_deletes_stays_behind(
    cloud: Cloud, azure: AzureProvider, tmp_path: Path, training: str
) -> None:
    """Whether v1 can delete models isn't in all copies of its reference."""
    resource = made(azure, job(tmp_path, training))
    with cloud.set(v1_model_delete=False, dated_model_delete=False):
        assert azure.delete(resource) is None
    left = cloud.admin("GET", "objects")
    assert resource.outputs["fine_tuned_model"] in {model["id"] for model in left["models"]}
    assert resource.remote_id not in {one["id"] for one in left["jobs"]}


def test_a_missing_training_type_is_explained(
    cloud: Cloud, azure: AzureProvider, tmp_path: Path, training: str
) -> None:
    with pytest.raises(Permanent) as caught:
        azure.create(job(tmp_path, training, training_type="hourly"))
    assert "training_type" in caught.value.hint
    assert caught.value.code == "invalidPayload"


@pytest.mark.parametrize(
    "training_type", ["standard", "global_standard", "data_zone", "developer", "GlobalStandard"]
)
def test_training_types(
    cloud: Cloud, azure: AzureProvider, tmp_path: Path, training: str, training_type: str
) -> None:
    with cloud.set(queue_seconds=3600.0):
        asked = job(tmp_path, training, training_type=training_type)
        assert gone(azure, recorded(asked, azure.create(asked)))


@pytest.mark.parametrize(
    ("training_type", "settings", "sent"),
    [
        ("data_zone", {}, "DataZoneStandard"),
        ("data_zone", {"training_types": {"data_zone": "globalStandard"}}, "globalStandard"),
        ("GlobalBurst", {}, "GlobalBurst"),
    ],
)
def test_what_training_types_are_called(
    cloud: Cloud, tmp_path: Path, training: str, training_type: str, settings: Any, sent: str
) -> None:
    asked = job(tmp_path, training, training_type=training_type)
    with cloud.set(queue_seconds=3600.0), tapped(Wire(cloud.url)) as wire:
        azure = cloud.provider(endpoint=wire.url, **settings)
        if sent == "GlobalBurst":
            with pytest.raises(Permanent):
                azure.create(asked)
        else:
            resource = recorded(asked, azure.create(asked))
            [listed] = [one for one in azure.existing("job") if one.remote.remote_id == resource.remote_id]
            assert (listed.remote.inputs or {})["training_type"] == "data_zone"
            assert gone(azure, resource)
        azure.close()
    [posted] = wire.sent("POST", "/fine_tuning/jobs")
    assert posted.json["trainingType"] == sent


def test_a_model_is_trained_on(azure: AzureProvider, tmp_path: Path, training: str) -> None:
    first = made(azure, job(tmp_path, training))
    second = made(azure, job(tmp_path, training, model=first.outputs["fine_tuned_model"]))
    assert second.status is Status.READY, second.message
    assert gone(azure, second)
    assert gone(azure, first)


def test_a_job_is_never_changed_in_place(azure: AzureProvider, tmp_path: Path, training: str) -> None:
    asked = job(tmp_path, training)
    resource = made(azure, asked)
    with pytest.raises(Permanent, match="in place"):
        azure.update(asked, resource)


@pytest.mark.parametrize("also", ["", "models"], ids=["model-left", "model-gone"])
def test_a_deleted_job_counts_as_long_as_its_model_exists(
    cloud: Cloud, azure: AzureProvider, tmp_path: Path, training: str, also: str
) -> None:
    resource = made(azure, job(tmp_path, training))
    model = str(resource.outputs["fine_tuned_model"])
    cloud.admin("DELETE", f"objects/jobs/{resource.remote_id}")
    if also:
        cloud.admin("DELETE", f"objects/{also}/{model}")
    there = azure.read(resource)
    assert (there is None) is bool(also)
    if there is not None:
        assert observed_as(resource, there) == resource
    results: Any = resource.outputs["result_files"]
    files = {file["id"] for file in cloud.admin("GET", "objects")["files"]}
    assert files.issuperset(results)
    assert gone(azure, resource)
    left = cloud.admin("GET", "objects")
    assert model not in {found["id"] for found in left["models"]}
    assert {file["id"] for file in left["files"]}.isdisjoint(results)


def test_a_vanished_job_is_gone(azure: AzureProvider, tmp_path: Path, training: str) -> None:
    asked = job(tmp_path, training)
    resource = made(azure, asked)
    assert gone(azure, resource)
    assert until(lambda: azure.read(resource) is None)

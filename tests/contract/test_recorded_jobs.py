"""Recorded jobs: bodies that the service has sent, in both of its dialects, read by the provider."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from ftops.core.address import Json
from ftops.providers.base import Request
from ftops.state.state import RemoteObject, Status
from tests.contract.azure_cloud import Cloud, job, operation_of, recorded
from tests.contract.wire import Wire, tapped

FOLDER = Path(__file__).parent / "recorded"
JOBS: Mapping[str, Any] = {p.stem: json.loads(p.read_text("utf-8"))["body"] for p in FOLDER.glob("job_*")}
VERSIONS = {"2024-10-21": "/openai", "v1": "/openai/v1"}
ASKED: Mapping[str, Mapping[str, Json]] = {
    "job_create_ministral_global": {
        "suffix": "sarcasm-DeepSeek-V31-00000001",
        "training_type": "global_standard",
        "hyperparameters": {"n_epochs": 50, "batch_size": "auto", "learning_rate_multiplier": 1},
    },
    "job_create_nano_developer": {
        "suffix": "sarcasm-DeepSeek-V31-00000001",
        "training_type": "developer",
        "hyperparameters": {"learning_rate_multiplier": 0.1},
    },
    "job_create_rft_endpoint_grader_v1": {
        "method": "reinforcement",
        "suffix": "dv-endpoint-countdown-ft-00000001",
        "hyperparameters": {"n_epochs": "auto", "reasoning_effort": "default"},
    },
    "job_create_vision_gpt4o": {"hyperparameters": {"n_epochs": 2, "learning_rate_multiplier": 0.5}},
    "job_succeeded_gpt41_video": {"suffix": "gpt41-action-recognition-ft-dev-01", "hyperparameters": {}},
    "job_succeeded_gpt41_vision": {"suffix": "gpt41-chart-qa-dev-01", "hyperparameters": {"n_epochs": 3}},
}
"""What was asked for, by the name of the recording."""
RECORDED = pytest.mark.parametrize(("name", "version"), [(n, v) for n in sorted(JOBS) for v in VERSIONS])


def service_with(cloud: Cloud, version: str, body: Mapping[str, Any]) -> Wire:
    """A service that has this one job."""
    jobs, page = f"GET {VERSIONS[version]}/fine_tuning/jobs", {"object": "list", "has_more": False}
    replies = {
        jobs: (200, {**page, "data": [body]}),
        f"{jobs}/{body['id']}": (200, body),
        f"{jobs}/{body['id']}/checkpoints": (200, {**page, "data": []}),
    }
    return Wire(cloud.url, replies=replies)


def asked_for(name: str, folder: Path) -> Request:
    body = JOBS[name]
    reported = {"validation": body["validation_file"], "seed": body["seed"], "model": body["model"]}
    return job(folder, body["training_file"], **{"suffix": "", **reported, **ASKED[name]})


@RECORDED
def test_it_is_read_as_asked(cloud: Cloud, tmp_path: Path, name: str, version: str) -> None:
    body, asked = JOBS[name], asked_for(name, tmp_path)
    state = recorded(asked, RemoteObject(body["id"], Status.PENDING, {}, inputs={}))
    with tapped(service_with(cloud, version, body)) as wire:
        azure = cloud.provider(endpoint=wire.url, api_version=version)
        read = azure.read(state)
        azure.close()
    assert read is not None and read.inputs is not None and read.remote_id == body["id"]
    assert read.inputs == {key: asked.inputs[key] for key in read.inputs}
    assert {"model", "training", "validation", "seed", "hyperparameters"} <= {*read.inputs}
    has_ended = body["status"] == "succeeded"
    assert read.status is (Status.READY if has_ended else Status.PENDING)
    assert read.message == ("" if has_ended else f"the job is {body['status']}")
    assert read.attributes.get("fine_tuned_model") == body.get("fine_tuned_model")


@RECORDED
def test_it_is_listed_as_asked(cloud: Cloud, tmp_path: Path, name: str, version: str) -> None:
    asked = asked_for(name, tmp_path)
    with tapped(service_with(cloud, version, JOBS[name])) as wire:
        azure = cloud.provider(endpoint=wire.url, api_version=version)
        [listed] = azure.existing("job")
        azure.close()
    shown: Mapping[str, Any] = listed.remote.inputs or {}
    assert {key: shown.get(key, "") for key in ("model", "training", "validation", "seed", "suffix")} == {
        key: asked.inputs[key] for key in ("model", "training", "validation", "seed", "suffix")
    }
    assert shown["method"] == asked.inputs["method"]
    assert shown.get("training_type", "") == ASKED[name].get("training_type", "")
    assert "auto" not in shown["hyperparameters"].values() and -1 not in shown["hyperparameters"].values()


@RECORDED
def test_a_lost_reply_leads_to_it(cloud: Cloud, tmp_path: Path, name: str, version: str) -> None:
    """None of them has the token in its metadata; the seed and the rest tell."""
    asked = asked_for(name, tmp_path)
    with tapped(service_with(cloud, version, JOBS[name])) as wire:
        azure = cloud.provider(endpoint=wire.url, api_version=version)
        found = azure.find_by_token(replace(operation_of(asked), started_at=""), frozenset())
        azure.close()
    assert found is not None and found.remote_id == JOBS[name]["id"]

"""A spec for the OpenAI platform, through the loader and the engine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ftops.core.address import Address
from ftops.planning.plan import Action, Mode
from tests.contract.azure_cloud import Cloud
from tests.contract.platform import Platform, running_platform
from tests.contract.sessions import Project, done, inputs_of

SPEC = """
providers:
  platform: {type: openai, api_key: "${env.OPENAI_API_KEY}", base_url: http://127.0.0.1:1/v1, project: proj_1}
datasets:
  train: {path: train.jsonl}
jobs:
  copilot:
    model: gpt-4o-mini-2024-07-18
    training: train
    hyperparameters: {n_epochs: 2, batch_size: 4}
    suffix: copilot
    seed: 7
deployments:
  chat: {model: "${job.copilot.fine_tuned_model}"}
  early: {model: "${job.copilot.checkpoint.3}"}
outputs:
  model: ${deployment.chat.name}
"""
CHAT, EARLY = Address("deployment", "chat"), Address("deployment", "early")


@pytest.fixture(scope="module")
def platform(running: Cloud) -> Iterator[Platform]:
    with running_platform(running) as platform:
        yield platform


@pytest.fixture
def project(platform: Platform, tmp_path: Path) -> Iterator[Project]:
    project = Project(tmp_path, {"platform": platform.settings()}, {"OPENAI_API_KEY": platform.cloud.key})
    yield project
    platform.cloud.clear_faults()
    done(project.apply(SPEC, mode=Mode.DESTROY))


def test_from_data_to_a_model_that_is_called(platform: Platform, project: Project) -> None:
    assert inputs_of(project.plan(SPEC), "deployment.chat").keys() == {"model"}
    report = done(project.apply(SPEC))
    model = report.state.resources[CHAT].remote_id
    assert model.startswith("ft:gpt-4o-mini-2024-07-18:acme:copilot:")
    assert report.state.resources[EARLY].remote_id == f"{model}:ckpt-step-3"
    assert project.outputs(SPEC) == {"model": model}
    assert project.plan(SPEC).is_empty
    assert not [e for e in platform.wire.exchanges if "deployments" in e.path]


def test_a_new_model_takes_its_place(project: Project) -> None:
    before = done(project.apply(SPEC)).state.resources[CHAT].remote_id
    changed = SPEC.replace("n_epochs: 2", "n_epochs: 3")
    plan = project.plan(changed)
    assert {c.step: c.action for c in plan.changes if c.step.startswith("deployment")} == {
        "deployment.chat": Action.REPLACE,
        "deployment.chat#old": Action.DELETE,
        "deployment.early": Action.REPLACE,
        "deployment.early#old": Action.DELETE,
    }
    after = done(project.apply(changed)).state.resources[CHAT].remote_id
    assert after != before
    assert project.plan(changed).is_empty


def test_a_model_that_somebody_deleted_is_drift(platform: Platform, project: Project) -> None:
    done(project.apply(SPEC))
    provider = platform.provider()
    model = project.outputs(SPEC)["model"]
    provider._clients.data.models.delete(model)
    provider.close()
    vanished = {str(d.address) for d in project.plan(SPEC).drift if d.kind == "vanished"}
    assert {"deployment.chat", "deployment.early"} <= vanished


def test_a_run_whose_replies_are_lost_makes_nothing_twice(platform: Platform, project: Project) -> None:
    before = platform.cloud.admin("GET", "objects")["created"]
    platform.cloud.fault("POST /openai/v1/files", effect="drop_after")
    platform.cloud.fault("POST /openai/v1/fine_tuning/jobs", effect="drop_after")
    done(project.apply(SPEC))
    after = platform.cloud.admin("GET", "objects")["created"]
    assert after["jobs"] == before["jobs"] + 1
    assert project.plan(SPEC).is_empty


def test_other_programs_find_the_platform(platform: Platform, project: Project) -> None:
    assert project.programs(SPEC, "platform") == {
        "OPENAI_BASE_URL": platform.base_url,
        "OPENAI_API_KEY": platform.cloud.key,
        "OPENAI_PROJECT_ID": "proj_1",
    }


def test_the_key_is_written_nowhere(platform: Platform, project: Project) -> None:
    done(project.apply(SPEC))
    state = b"".join(p.read_bytes() for p in (project.folder / "state").rglob("*") if p.is_file())
    assert b"fine_tuned_model" in state and platform.cloud.key.encode() not in state

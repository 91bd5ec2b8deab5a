"""The engine on every route, and on both dialects of answers about jobs, with a strict service."""

from __future__ import annotations

from pathlib import Path

import pytest

from ftops.planning.plan import Mode
from tests.contract.azure_cloud import BASE_MODEL, Cloud
from tests.contract.sessions import Project, done

SPEC = f"""
ftops: {{name: dialects}}
providers:
  azure:
    type: azure_openai
    endpoint: http://127.0.0.1:1
    subscription_id: s
    resource_group: g
    account: a
datasets:
  train: {{path: train.jsonl}}
  valid: {{path: valid.jsonl}}
jobs:
  copilot:
    model: {BASE_MODEL}
    training: train
    validation: valid
    hyperparameters: {{n_epochs: 2, batch_size: auto}}
    suffix: copilot
deployments:
  copilot: {{model: "${{job.copilot.fine_tuned_model}}"}}
"""
CASES = [
    ("2024-10-21", "dated", "stored"),
    ("2025-04-01-preview", "dated", "stored"),
    ("v1", "dated", "stored"),
    ("v1", "dated", "dropped"),
    ("v1", "preview", "stored"),
    ("v1", "preview", "dropped"),
]


@pytest.mark.parametrize(("version", "dialect", "metadata"), CASES)
def test_a_spec_from_nothing_to_nothing(
    cloud: Cloud, tmp_path: Path, version: str, dialect: str, metadata: str
) -> None:
    cloud.admin("POST", "reset")
    with cloud.set(strict=True, job_dialect=dialect, metadata=metadata):
        project = Project(tmp_path, {"azure": {**cloud.settings(), "api_version": version}})
        done(project.apply(SPEC))
        assert project.plan(SPEC).changes == ()
        changed = SPEC.replace("n_epochs: 2", "n_epochs: 3")
        done(project.apply(changed))
        assert project.plan(changed).changes == ()
        done(project.apply(changed, mode=Mode.DESTROY))
        left = cloud.admin("GET", "objects")
    assert (left["jobs"], left["deployments"], left["models"]) == ([], [], [])


@pytest.mark.parametrize(
    ("dialect", "metadata"), [("dated", "dropped"), ("preview", "stored"), ("preview", "dropped")]
)
def test_a_lost_reply_costs_no_second_job(cloud: Cloud, tmp_path: Path, dialect: str, metadata: str) -> None:
    cloud.admin("POST", "reset")
    with cloud.set(strict=True, job_dialect=dialect, metadata=metadata):
        project = Project(tmp_path, {"azure": cloud.settings()})
        cloud.fault("POST /openai/v1/fine_tuning/jobs", effect="drop_after")
        done(project.apply(SPEC))
        assert cloud.admin("GET", "objects")["counts"]["jobs"] == 1

"""Lists that show late what is new, and replies that are lost: what costs money is made once all the same."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.contract.azure_cloud import Cloud
from tests.contract.sessions import Project, done

SPEC = """\
providers:
  azure: {type: azure_openai, endpoint: https://acme.openai.azure.com/, api_key: k}
datasets:
  train: {path: train.jsonl}
jobs:
  copilot: {model: gpt-4o-mini-2024-07-18, training: train, hyperparameters: {n_epochs: 1}, seed: 7}
"""


@pytest.mark.parametrize("route", ["POST /openai*/files", "POST /openai*/fine_tuning/jobs"])
def test_made_once_though_its_list_lags(cloud: Cloud, tmp_path: Path, route: str) -> None:
    before = jobs_and_files(cloud)
    settings = {**cloud.settings(), "visible_after": 30}
    project = Project(tmp_path, {"azure": settings})
    with cloud.set(list_lag_seconds=1.0):
        cloud.fault(route, effect="drop_after")
        done(project.apply(SPEC))
    after = jobs_and_files(cloud)
    assert [len(after[kind]) - len(before[kind]) for kind in ("jobs", "files")] == [1, 1]


def jobs_and_files(cloud: Cloud) -> dict[str, set[str]]:
    """The ids of all there are."""
    import openai

    client = openai.AzureOpenAI(azure_endpoint=cloud.url, api_key=cloud.key, api_version="2024-10-21")
    with client:
        jobs = {job.id for job in client.fine_tuning.jobs.list(limit=100)}
        files = {f.id for f in client.files.list().data if f.purpose == "fine-tune"}  # its pager never ends
    return {"jobs": jobs, "files": files}

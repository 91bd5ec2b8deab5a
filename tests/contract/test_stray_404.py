"""One 404 for an object that exists, of a replica that doesn't know it: nothing is lost or created twice."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ftops.applying.run import Report
from ftops.planning.plan import Mode
from tests.contract.azure_cloud import SETTLED, Cloud, running_cloud
from tests.contract.sessions import Project, done

SPEC = """\
providers:
  azure:
    type: azure_openai
    endpoint: https://acme.openai.azure.com/
    subscription_id: 00000000-0000-0000-0000-000000000000
    resource_group: rg-acme
    account: acme
    api_key: k
datasets:
  train: {path: train.jsonl}
jobs:
  copilot: {model: gpt-4o-mini-2024-07-18, training: train, hyperparameters: {n_epochs: 1}}
deployments:
  stray: {model: "${job.copilot.fine_tuned_model}"}
"""
ROUTES = (
    "GET /openai*/files/*",
    "GET /openai*/fine_tuning/jobs/*",
    "GET */deployments/*",
    "GET /openai*/models/*",
)


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    with running_cloud(tmp_path_factory.mktemp("cloud")) as cloud:
        yield cloud


@pytest.fixture
def cloud(own: Cloud) -> Cloud:
    """With nothing in it."""
    own.admin("POST", "reset")
    own.admin("PATCH", "settings", SETTLED)
    return own


@pytest.fixture
def project(cloud: Cloud, tmp_path: Path) -> Project:
    return Project(tmp_path, {"azure": cloud.settings()})


@pytest.mark.parametrize("after", range(4))
@pytest.mark.parametrize("route", ROUTES)
def test_while_objects_are_created(cloud: Cloud, project: Project, route: str, after: int) -> None:
    before = created(cloud)
    _stray(cloud, route, after)
    done(project.apply(SPEC))
    cloud.clear_faults()
    assert not project.plan(SPEC).changes
    assert made_since(cloud, before) == {"files": 1, "jobs": 1, "deployments": 1}
    _destroy(cloud, project)


@pytest.mark.parametrize("route", ROUTES[:3])
def test_in_a_later_run(cloud: Cloud, project: Project, route: str) -> None:
    done(project.apply(SPEC))
    before = created(cloud)
    for after in range(3):
        _stray(cloud, route, after)
        plan = project.plan(SPEC)
        assert not plan.changes, after
        assert not plan.drift, after
        assert not plan.entries, after
        cloud.clear_faults()
    assert made_since(cloud, before) == {"files": 0, "jobs": 0, "deployments": 0}
    _destroy(cloud, project)


@pytest.mark.parametrize("after", range(3))
@pytest.mark.parametrize("route", ROUTES[:3])
def test_while_they_are_destroyed(cloud: Cloud, project: Project, route: str, after: int) -> None:
    done(project.apply(SPEC))
    _stray(cloud, route, after)
    _destroy(cloud, project)


def test_a_running_job_is_cancelled_although_a_look_misses_it(cloud: Cloud, project: Project) -> None:
    with cloud.set(queue_seconds=3600):
        assert project.apply(SPEC, wait=False).result == "in-progress"
        _stray(cloud, "GET /openai*/fine_tuning/jobs/*", 1)  # the first is the refresh
        _destroy(cloud, project)


def _stray(cloud: Cloud, route: str, after: int) -> None:
    cloud.fault(route, status=404, code="NotFound", times=1, after=after)


def _destroy(cloud: Cloud, project: Project) -> Report:
    report = done(project.apply(SPEC, mode=Mode.DESTROY))
    cloud.clear_faults()
    now = cloud.admin("GET", "objects")
    jobs = [job for job in now["jobs"] if job["status"] not in ("succeeded", "failed", "cancelled")]
    assert (jobs, now["files"], now["deployments"], now["counts"]["models"]) == ([], [], [], 0)
    return report


def created(cloud: Cloud) -> dict[str, int]:
    """How much was ever created."""
    now: dict[str, Any] = cloud.admin("GET", "objects")["created"]
    return now


def made_since(cloud: Cloud, before: dict[str, int]) -> dict[str, int]:
    """What was uploaded, trained and deployed since."""
    now = created(cloud)
    made = {kind: now[kind] - before[kind] for kind in ("files", "jobs", "deployments")}
    return {**made, "files": made["files"] - made["jobs"]}  # each job writes its results into one

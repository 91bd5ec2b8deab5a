"""A deployment that never gets ready, or never goes, fails its step at the limit; nothing is lost."""

from __future__ import annotations

from pathlib import Path

import pytest

from ftops.planning.plan import Mode
from ftops.state.state import Status
from tests.contract.azure_cloud import Cloud
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
    timeouts: {deployment: %d}
deployments:
  stuck: {model: gpt-4o-mini-2024-07-18}
"""
AT_ONCE, LATER = SPEC % 0, SPEC % 3600


@pytest.fixture
def project(cloud: Cloud, tmp_path: Path) -> Project:
    return Project(tmp_path, {"azure": cloud.settings()})


def test_a_creation_that_never_ends(cloud: Cloud, project: Project) -> None:
    with cloud.set(base_deployment_async=True, deployment_seconds=3600.0):
        report = project.apply(AT_ONCE)
        (failure,) = report.failures
        assert failure.error.summary == "deployment.stuck isn't ready after 0 s"
        assert "The service last said: the deployment is " in failure.error.detail
        (recorded,) = report.state.resources.values()
        assert recorded.status is Status.PENDING
        assert [c.reason.code for c in project.plan(LATER).changes] == ["pending"]
        cloud.admin("POST", "clock", {"advance": 3600})
        done(project.apply(LATER))
    done(project.apply(LATER, mode=Mode.DESTROY))


def test_a_deletion_that_never_ends(cloud: Cloud, project: Project) -> None:
    done(project.apply(LATER))
    with cloud.set(base_delete_async=True, deletion_seconds=3600.0):
        (failure,) = project.apply(AT_ONCE, mode=Mode.DESTROY).failures
        assert failure.error.summary == "deployment.stuck isn't deleted after 0 s"
        cloud.admin("POST", "clock", {"advance": 3600})
        done(project.apply(LATER, mode=Mode.DESTROY))

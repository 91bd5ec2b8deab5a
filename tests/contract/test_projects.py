"""Projects: the endpoint of a project, as the portal shows it, instead of that of its resource."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ftops.config.loader import load
from ftops.core.azure_clouds import PUBLIC
from ftops.core.errors import Permanent, SpecError
from ftops.planning.plan import Mode
from ftops.providers.azure.settings import account_from
from tests.contract.azure_cloud import BASE_MODEL, Cloud, dataset, made
from tests.contract.sessions import Project, done
from tests.contract.wire import Wire, tapped

PATH = "/api/projects/support"
SPEC = f"""
ftops: {{name: projects}}
providers:
  azure:
    type: azure_openai
    endpoint: https://acme.services.ai.azure.com{PATH}
    subscription_id: s
    resource_group: g
datasets:
  train: {{path: train.jsonl}}
jobs:
  copilot: {{model: {BASE_MODEL}, training: train, hyperparameters: {{n_epochs: 2}}}}
deployments:
  copilot: {{model: "${{job.copilot.fine_tuned_model}}"}}
"""


def test_jobs_use_the_project_and_deployments_its_account(cloud: Cloud, tmp_path: Path) -> None:
    cloud.admin("POST", "reset")
    with cloud.set(strict=True), tapped(Wire(cloud.url)) as wire:
        settings = {**cloud.settings(), "endpoint": f"{wire.url}{PATH}"}
        project = Project(tmp_path, {"azure": settings})
        done(project.apply(SPEC))
        assert project.plan(SPEC).changes == ()
        found = project.programs(SPEC, "azure")
        assert found["AZURE_OPENAI_ENDPOINT"] == wire.url
        assert found["OPENAI_BASE_URL"] == f"{wire.url}{PATH}/openai/v1"
        done(project.apply(SPEC, mode=Mode.DESTROY))
    paths = {e.path.partition("/openai/")[0] for e in wire.exchanges if e.query.count("api-version=2") == 0}
    assert paths == {PATH}
    assert not any("api-version" in e.query for e in wire.exchanges if e.path.startswith(PATH))
    dated = {
        e.path.rpartition("/")[0] for e in wire.exchanges if "api-version" in e.query and "/openai/" in e.path
    }
    assert dated == {"/openai/fine_tuning/jobs"}, "only the deletion of a job's record"
    data_plane = [e for e in wire.exchanges if "/openai/" in e.path]
    assert {e.headers.get("api-key") for e in data_plane} == {cloud.key}
    assert not any("authorization" in e.headers for e in data_plane)


@pytest.mark.parametrize("size", [100, 100 << 20], ids=["parts", "whole"])
def test_large_files_go_to_the_resource(cloud: Cloud, tmp_path: Path, size: int) -> None:
    with tapped(Wire(cloud.url)) as wire:
        azure = cloud.provider(endpoint=f"{wire.url}{PATH}/", large_file_bytes=size, part_bytes=3000)
        assert made(azure, dataset(tmp_path)).remote_id
        azure.close()
    sent = {e.path.partition("/openai/")[0] for e in wire.exchanges if e.method == "POST"}
    assert sent == ({""} if size == 100 else {PATH})
    assert {e.path.partition("/openai/")[0] for e in wire.exchanges if e.method == "GET"} == {PATH}


RESOURCE_SCOPE, PROJECT_SCOPE = PUBLIC.resource_scope, PUBLIC.project_scope
RESOURCE, FOUNDRY = "https://a.openai.azure.com", "https://a.services.ai.azure.com"


@pytest.mark.parametrize(
    ("endpoint", "resource", "project", "scope"),
    [
        (RESOURCE, RESOURCE, "", RESOURCE_SCOPE),
        (f"{RESOURCE}/openai/v1/", RESOURCE, "", RESOURCE_SCOPE),
        (f"{FOUNDRY}/", FOUNDRY, "", RESOURCE_SCOPE),
        (f"{FOUNDRY}{PATH}/", FOUNDRY, PATH, PROJECT_SCOPE),
        (f"{FOUNDRY}{PATH}/openai/v1", FOUNDRY, PATH, PROJECT_SCOPE),
        (f"{FOUNDRY}/{PATH}", FOUNDRY, PATH, PROJECT_SCOPE),
        ("https://gateway.example/ai", "https://gateway.example/ai", "", RESOURCE_SCOPE),
    ],
)
def test_addresses(endpoint: str, resource: str, project: str, scope: str) -> None:
    account = account_from({"endpoint": endpoint}, "azure")
    assert (account.endpoint, account.v1_url, account.scope) == (
        resource,
        f"{resource}{project}/openai/v1/",
        scope,
    )


@pytest.mark.parametrize("in_project", [True, False])
def test_a_token_of_the_other_scope_is_explained(
    cloud: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, in_project: bool
) -> None:
    monkeypatch.setenv("IDENTITY_ENDPOINT", f"{cloud.url}/msi/token")
    monkeypatch.setenv("IDENTITY_HEADER", cloud.key)
    monkeypatch.setenv("AZURE_TOKEN_CREDENTIALS", "ManagedIdentityCredential")
    own, other = (PROJECT_SCOPE, RESOURCE_SCOPE) if in_project else (RESOURCE_SCOPE, PROJECT_SCOPE)
    endpoint = f"{cloud.url}{PATH if in_project else ''}"
    with cloud.set(audience="own", disable_local_auth=True):
        for settings in ({}, {"scope": own}):
            azure = cloud.provider(endpoint=endpoint, api_key="", **settings)
            assert made(azure, dataset(tmp_path)).remote_id
            azure.close()
        azure = cloud.provider(endpoint=endpoint, api_key="", scope=other)
        with pytest.raises(Permanent) as refused:
            azure.create(dataset(tmp_path))
        azure.close()
    assert refused.value.summary.endswith("authentication failed")
    assert f"the scope {other}" in refused.value.hint and f"`scope: {own}`" in refused.value.hint


def config(folder: Path, text: str) -> Any:
    file = folder / "ftops.yaml"
    file.write_text(text, "utf-8")
    return load(file, environ={})


def test_the_account_is_the_first_label_of_the_host(tmp_path: Path) -> None:
    assert config(tmp_path, SPEC).providers["azure"].settings["account"] == "acme"
    named = SPEC.replace("resource_group: g", "resource_group: g\n    account: acme-east")
    assert config(tmp_path, named).providers["azure"].settings["account"] == "acme-east"


@pytest.mark.parametrize(
    ("line", "summary"),
    [
        ("api_version: 2024-10-21", "a project can't be used with api_version 2024-10-21"),
        (
            "scope: https://management.azure.com/.default",
            "https://management.azure.com/.default isn't a known scope of Azure OpenAI",
        ),
    ],
)
def test_what_a_project_excludes(tmp_path: Path, line: str, summary: str) -> None:
    with pytest.raises(SpecError) as refused:
        config(tmp_path, SPEC.replace("resource_group: g", f"resource_group: g\n    {line}"))
    [found] = refused.value.diagnostics
    assert summary in f"{found.summary} {found.detail}" and found.place is not None
    assert found.place.line == 9

"""Routes: which API version each operation of the data plane uses, by the `api_version` of the provider."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import parse_qs

import pytest

from tests.contract.azure_cloud import Cloud, dataset, gone, job, made, request
from tests.contract.wire import Exchange, Wire, tapped

V1, PREVIEW, STABLE = "v1", "2025-04-01-preview", "2024-10-21"
VERSIONS = {"": (V1, PREVIEW), V1: (V1, PREVIEW), PREVIEW: (PREVIEW, PREVIEW), STABLE: (STABLE, STABLE)}
"""By `api_version`: that of most operations, and that of operations that v1 doesn't have."""
WITHOUT_V1 = ("POST uploads", "POST files/import", "DELETE fine_tuning/jobs")


def version_of(exchange: Exchange) -> str:
    dated = parse_qs(exchange.query).get("api-version")
    return dated[0] if dated else V1 if exchange.path.startswith("/openai/v1/") else ""


@pytest.mark.parametrize("version", VERSIONS)
def test_versions_of_a_life_cycle(cloud: Cloud, tmp_path: Path, version: str) -> None:
    usual, extra = VERSIONS[version]
    imported = {"id": "file-1", "status": "pending", "filename": "t.jsonl", "purpose": "fine-tune"}
    with tapped(Wire(cloud.url, replies={"POST /openai/files/import": (201, imported)})) as wire:
        azure = cloud.provider(endpoint=wire.url, api_version=version, large_file_bytes=100, part_bytes=3000)
        azure.create(request("dataset.far", tmp_path, {"url": "https://example.com/t.jsonl"}))
        training = made(azure, dataset(tmp_path))
        trained = made(azure, job(tmp_path, training.remote_id))
        assert gone(azure, trained) and gone(azure, training)
        azure.close()
    plain = [(f"{e.method} {e.path.removeprefix('/openai/').removeprefix('v1/')}", e) for e in wire.exchanges]
    used = {is_extra: {version_of(e) for what, e in plain if what.startswith(WITHOUT_V1) is is_extra}
            for is_extra in (False, True)}  # fmt: skip
    assert used[True] == {extra}
    assert used[False] - ({V1} if version else set()) <= {usual}  # models are deleted on v1
    assert {what for what in WITHOUT_V1 if any(one.startswith(what) for one, _ in plain)} == {*WITHOUT_V1}


@pytest.mark.parametrize("version", VERSIONS)
def test_graders_are_checked_on_v1_without_a_header_for_previews(cloud: Cloud, version: str) -> None:
    grader = {"type": "string_check", "name": "g", "operation": "eq", "input": "a", "reference": "b"}
    with tapped(Wire(cloud.url)) as wire:
        azure = cloud.provider(endpoint=wire.url, api_version=version)
        assert azure.validate_grader(grader) == ""
        assert "operation" in azure.validate_grader({**grader, "operation": "is"})
        azure.close()
    assert {e.path for e in wire.exchanges} == {"/openai/v1/fine_tuning/alpha/graders/validate"}
    assert not any(
        name.startswith("aoai-") or "preview" in name for e in wire.exchanges for name in e.headers
    )
    assert {e.query for e in wire.exchanges} == {""}

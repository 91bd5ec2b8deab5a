"""The OpenAI provider, against the emulator's v1 routes in the platform's dialect."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from ftops.config.config import Resource
from ftops.core.address import Address
from ftops.core.errors import Permanent, ProviderError, Temporary
from ftops.providers.openai.provider import OpenAIProvider
from ftops.state.state import RemoteObject, Status
from tests.conformance import facts
from tests.conformance.schemas import Document
from tests.contract.azure_cloud import (
    BASE_MODEL,
    Cloud,
    changed,
    dataset,
    gone,
    job,
    made,
    operation_of,
    recorded,
    request,
    said,
    settled,
)
from tests.contract.platform import Platform, running_platform
from tests.contract.test_preflight import findings
from tests.support.specs import dataset as data
from tests.support.specs import deployment as deploy
from tests.support.specs import job as train


@pytest.fixture(scope="module")
def platform(running: Cloud) -> Iterator[Platform]:
    with running_platform(running) as platform:
        yield platform


@pytest.fixture
def openai(platform: Platform) -> Iterator[OpenAIProvider]:
    platform.wire.exchanges.clear()
    provider = platform.provider()
    yield provider
    provider.close()
    platform.wire.replies.clear()
    platform.cloud.clear_faults()


@pytest.fixture
def training(openai: OpenAIProvider, tmp_path: Path) -> str:
    return made(openai, dataset(tmp_path)).remote_id


def served(folder: Path, model: str, name: str = "chat") -> Any:
    return request(f"deployment.{name}", folder, {"model": model})


def test_life_cycle(platform: Platform, openai: OpenAIProvider, tmp_path: Path) -> None:
    with platform.cloud.set(file_processing_seconds=3600.0, queue_seconds=3600.0):
        asked = dataset(tmp_path)
        uploaded = openai.create(asked)
        assert (uploaded.status, uploaded.attributes["status"]) == (Status.PENDING, "uploaded")
        platform.cloud.admin("POST", "clock", {"advance": 3601})
        file = settled(openai, recorded(asked, uploaded))
        started = openai.create(job(tmp_path, file.remote_id))
        assert (started.status, started.attributes["status"]) == (Status.PENDING, "validating_files")
        assert openai.delete(recorded(job(tmp_path, file.remote_id), started)) is None
    trained = made(openai, job(tmp_path, file.remote_id, validation=file.remote_id))
    assert trained.status is Status.READY, trained.message
    model = str(trained.outputs["fine_tuned_model"])
    assert model.startswith(f"ft:{BASE_MODEL}:acme:copilot:")
    assert "account" not in trained.outputs
    deployed = openai.create(served(tmp_path, model))
    assert deployed.status is Status.READY
    assert deployed.attributes == {
        "id": model,
        "name": model,
        "endpoint": f"{platform.base_url}/",
        "provisioning_state": "Succeeded",
        "model": model,
    }
    assert "Job succeeded" in said(openai.progress(trained, "")[0])
    assert openai.delete(recorded(served(tmp_path, model), deployed)) is None
    assert openai.delete(trained) is None
    assert openai.read(recorded(served(tmp_path, model), deployed)) is None, "it went with its model"
    assert not [e for e in platform.wire.exchanges if e.method == "DELETE" and "/fine_tuning/" in e.path]
    assert gone(openai, file)


@facts.needed
def test_requests_are_as_the_platform_describes_them(
    platform: Platform, openai: OpenAIProvider, tmp_path: Path, training: str
) -> None:
    root = facts.load("openai/openapi.finetuning-subset.json")
    schemas = root["components"]["schemas"]
    asked = job(tmp_path, training, validation=training, seed=7, hyperparameters={"n_epochs": 1})
    openai.create(asked)
    sent = platform.wire.sent("POST", "/fine_tuning/jobs")[-1]
    found = Document(root).check(schemas["CreateFineTuningJobRequest"], sent.json)
    assert (found.problems, found.undeclared) == ([], set())
    assert sent.json["method"] == {"type": "supervised", "supervised": {"hyperparameters": {"n_epochs": 1}}}
    assert sent.json["metadata"] == {"ftops": asked.token}
    form = platform.wire.sent("POST", "/files")[-1].form
    found = Document(root).check(schemas["CreateFileRequest"], form)
    assert (found.problems, found.undeclared) == ([], set())
    assert form["purpose"] == "fine-tune"
    known = {path.partition("{")[0].rstrip("/") for path in root["paths"]}
    for exchange in platform.wire.exchanges:
        assert any(exchange.path.removeprefix("/v1").startswith(path) for path in known), exchange.path


@pytest.mark.parametrize(
    ("method", "inputs"),
    [
        ("dpo", {"beta": 0.1, "hyperparameters": {"n_epochs": 2}}),
        (
            "reinforcement",
            {
                "grader": {
                    "type": "string_check",
                    "name": "exact",
                    "operation": "eq",
                    "input": "{{sample.output_text}}",
                    "reference": "{{item.answer}}",
                },
                "hyperparameters": {"reasoning_effort": "low", "eval_interval": 5},
            },
        ),
    ],
)
@facts.needed
def test_other_methods(
    platform: Platform, openai: OpenAIProvider, tmp_path: Path, method: str, inputs: dict[str, Any]
) -> None:
    platform.wire.replies["POST /v1/fine_tuning/jobs"] = (200, {"id": "ftjob-1", "status": "queued"})
    remote = openai.create(job(tmp_path, "file-1", method=method, **inputs))
    assert remote.status is Status.PENDING
    root = facts.load("openai/openapi.finetuning-subset.json")
    sent = platform.wire.sent("POST", "/fine_tuning/jobs")[-1].json
    found = Document(root).check(root["components"]["schemas"]["CreateFineTuningJobRequest"], sent)
    assert (found.problems, found.undeclared) == ([], set())
    assert sent["method"]["type"] == method


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("validating_files", Status.PENDING),
        ("queued", Status.PENDING),
        ("running", Status.PENDING),
        ("paused", Status.PENDING),
        ("failed", Status.TAINTED),
        ("cancelled", Status.TAINTED),
    ],
)
def test_statuses_of_jobs(
    platform: Platform, openai: OpenAIProvider, tmp_path: Path, status: str, expected: Status
) -> None:
    error = {"code": "invalid_training_file", "message": "Line 3 is odd.", "param": "training_file"}
    unset = {"code": None, "message": None, "param": None}
    body = {"id": "ftjob-1", "status": status, "error": error if status == "failed" else unset}
    platform.wire.replies["GET /v1/fine_tuning/jobs/ftjob-1"] = (200, body)
    resource = recorded(job(tmp_path, "file-1"), _remote("ftjob-1"))
    remote = openai.read(resource)
    assert remote is not None and remote.status is expected
    assert ("Line 3 is odd." in remote.message) == (status == "failed")


def _remote(remote_id: str) -> RemoteObject:
    return RemoteObject(remote_id, Status.PENDING)


def test_a_file_without_status_is_there(platform: Platform, openai: OpenAIProvider, tmp_path: Path) -> None:
    body = {"id": "file-1", "object": "file", "bytes": 3, "purpose": "fine-tune"}
    platform.wire.replies["GET /v1/files/file-1"] = (200, body)
    remote = openai.read(recorded(dataset(tmp_path), _remote("file-1")))
    assert remote is not None and remote.status is Status.READY


@pytest.mark.parametrize("seed", [None, 7])
def test_found_after_a_lost_reply(
    platform: Platform, openai: OpenAIProvider, tmp_path: Path, training: str, seed: int | None
) -> None:
    asked = job(tmp_path, training, **({} if seed is None else {"seed": seed}))
    platform.cloud.fault("POST /openai/v1/fine_tuning/jobs", effect="drop_after")
    with pytest.raises(Temporary) as caught:
        openai.create(asked)
    assert caught.value.effect_unknown
    found = openai.find_by_token(operation_of(asked), frozenset())
    assert found is not None
    assert openai.find_by_token(operation_of(replace(asked, token="another")), frozenset()) is None
    assert gone_but_recorded(openai, recorded(asked, found))


def gone_but_recorded(openai: OpenAIProvider, resource: Any) -> bool:
    """The platform keeps the record of a job for ever; nothing is left behind it."""
    assert openai.delete(resource) is None
    return openai.read(resource) is not None


def test_a_lost_upload_is_found(platform: Platform, openai: OpenAIProvider, tmp_path: Path) -> None:
    asked = dataset(tmp_path)
    platform.cloud.fault("POST /openai/v1/files", effect="drop_after")
    with pytest.raises(Temporary):
        openai.create(asked)
    found = openai.find_by_token(operation_of(asked), frozenset())
    assert found is not None and gone(openai, recorded(asked, found))


def failure(status: int, code: str | None, message: str) -> tuple[int, Any]:
    """An error as the platform writes it."""
    return status, {"error": {"message": message, "type": "error", "param": None, "code": code}}


DAILY = "This fine-tune request has been rate-limited. Your organization has reached the maximum per day."


@pytest.mark.parametrize(
    ("reply", "kind", "said_there"),
    [
        (failure(401, "invalid_api_key", "Incorrect API key provided."), Permanent, "platform.openai.com"),
        (failure(403, None, "You have insufficient permissions."), Permanent, "fine-tuning"),
        (failure(429, "daily_rate_limit_exceeded", DAILY), Permanent, "tomorrow"),
        (failure(429, "insufficient_quota", "You exceeded your current quota."), Permanent, "billing"),
        (failure(429, "rate_limit_exceeded", "Rate limit reached for requests."), Temporary, ""),
        (failure(500, None, "The server had an error."), Temporary, ""),
        (failure(400, "model_not_available", "Model x is not available."), Permanent, ""),
        (failure(404, None, "Invalid URL (POST /v2/fine_tuning/jobs)"), Permanent, "base_url"),
    ],
    ids=lambda value: str(value[1]["error"]["code"]) if isinstance(value, tuple) else None,
)
def test_errors(
    platform: Platform,
    openai: OpenAIProvider,
    tmp_path: Path,
    reply: tuple[int, Any],
    kind: type[ProviderError],
    said_there: str,
) -> None:
    platform.wire.replies["POST /v1/fine_tuning/jobs"] = reply
    with pytest.raises(kind) as caught:
        openai.create(job(tmp_path, "file-1"))
    assert said_there in caught.value.hint
    assert "azure" not in f"{caught.value} {caught.value.hint}".lower()
    assert "az login" not in caught.value.hint
    assert len(platform.wire.sent("POST", "/fine_tuning/jobs")) == 1


@pytest.mark.parametrize(
    ("message", "is_gone"),
    [("No such File object: file-1", True), ("Invalid URL (GET /files/file-1)", False)],
)
def test_what_a_404_means(
    platform: Platform, openai: OpenAIProvider, tmp_path: Path, message: str, is_gone: bool
) -> None:
    platform.wire.replies["GET /v1/files/file-1"] = failure(404, None, message)
    resource = recorded(dataset(tmp_path), _remote("file-1"))
    if is_gone:
        assert openai.read(resource) is None
    else:
        with pytest.raises(Permanent, match="doesn't know this path"):
            openai.read(resource)


def test_in_whose_name(platform: Platform, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_ORG_ID", "of-somebody-else")
    monkeypatch.setenv("OPENAI_PROJECT_ID", "of-somebody-else")
    model = served(tmp_path, BASE_MODEL)
    for settings in ({}, {"organization": "org-1", "project": "proj_1"}):
        provider = platform.provider(**settings)
        provider.create(model)
        provider.close()
    before, after = (e.headers for e in platform.wire.sent("GET", f"/models/{BASE_MODEL}")[-2:])
    assert before["authorization"] == f"Bearer {platform.cloud.key}"
    assert "openai-organization" not in before and "openai-project" not in before
    assert (after["openai-organization"], after["openai-project"]) == ("org-1", "proj_1")


def test_a_provider_without_key(platform: Platform, tmp_path: Path) -> None:
    with pytest.raises(Permanent, match="has no key") as caught:
        platform.provider(api_key="").create(dataset(tmp_path))
    assert "${env.OPENAI_API_KEY}" in caught.value.hint


def test_a_deployment_is_the_model_itself(platform: Platform, openai: OpenAIProvider, tmp_path: Path) -> None:
    asked = served(tmp_path, BASE_MODEL)
    resource = recorded(asked, openai.create(asked))
    other = changed(asked, model="gpt-4o-2024-08-06")
    assert openai.update(other, resource).remote_id == "gpt-4o-2024-08-06"
    remote = openai.read(resource)
    assert remote is not None and remote.inputs == {"model": BASE_MODEL}
    assert openai.find_by_token(operation_of(asked), frozenset()) is None
    assert openai.delete(resource) is None
    assert openai.read(resource) is not None, "the model stays"
    assert {e.method for e in platform.wire.exchanges} == {"GET"}


def test_a_model_that_is_not_there(openai: OpenAIProvider, tmp_path: Path) -> None:
    with pytest.raises(Permanent, match="has no model gpt-5-of-tomorrow"):
        openai.create(served(tmp_path, "gpt-5-of-tomorrow"))
    with pytest.raises(Temporary, match="doesn't know") as caught:
        openai.create(served(tmp_path, f"ft:{BASE_MODEL}:acme::{'0' * 32}"))
    assert "organization" in caught.value.hint


def test_checkpoints(openai: OpenAIProvider, tmp_path: Path, training: str) -> None:
    chosen = {"n_epochs": 3, "batch_size": 4}
    trained = made(openai, job(tmp_path, training, validation=training, hyperparameters=chosen))
    checkpoints: Any = trained.outputs["checkpoint"]
    assert set(checkpoints) == {"best", "3", "6", "9"}
    assert checkpoints["3"].startswith("ft:") and checkpoints["3"].endswith(":ckpt-step-3")
    assert openai.create(served(tmp_path, checkpoints["3"])).status is Status.READY


def test_what_the_platform_does_not_have(openai: OpenAIProvider, tmp_path: Path) -> None:
    with pytest.raises(Permanent, match="can't fetch files"):
        openai.create(request("dataset.far", tmp_path, {"url": "https://example.com/a.jsonl"}))
    assert openai.concurrency_key(Address("deployment", "chat")) is None
    with pytest.raises(Permanent, match="OpenAI platform has no resources"):
        openai.create(request("grader.a", tmp_path, {}))


def test_importing_loads_no_sdk() -> None:
    code = (
        "import sys, ftops.providers.openai.provider as p; p.OpenAIProvider({'api_key': 'k'}, name='a'); "
        "print([m for m in sys.modules if m.split('.')[0] in {'openai', 'azure', 'httpx2', 'pydantic'}])"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert shown.strip() == "[]"


EARLY = date(2026, 9, 1)
"""Before any date in the catalogue is near."""


def test_preflight_asks_for_the_models_alone(platform: Platform, openai: OpenAIProvider) -> None:
    platform.wire.exchanges.clear()
    assert findings(openai, data("train", "1"), train("copilot", "train", BASE_MODEL), today=EARLY) == []
    assert [(e.method, e.path) for e in platform.wire.exchanges] == [("GET", "/v1/models")]


def test_preflight_finds_a_model_that_nobody_has(openai: OpenAIProvider) -> None:
    wrong = train("copilot", "train", "gpt-4o-mini-2024-07-81")
    (found,) = findings(openai, data("train", "1"), wrong, today=EARLY)
    assert found.summary == "job.copilot: model gpt-4o-mini-2024-07-81 isn't available in this account"
    assert BASE_MODEL in found.hint
    gone = f"ft:{BASE_MODEL}:acme::{'0' * 32}"
    (found,) = findings(openai, deploy("chat", gone), today=EARLY)
    assert found.severity == "warning" and gone in found.summary


@pytest.mark.parametrize(
    ("day", "severity", "summary"),
    [
        (date(2026, 12, 30), "warning", f"job.copilot: training of {BASE_MODEL} ends in 7 days"),
        (date(2027, 1, 6), "error", f"job.copilot: training of {BASE_MODEL} ended on 2027-01-06"),
    ],
)
def test_preflight_knows_the_platforms_own_dates(
    openai: OpenAIProvider, day: date, severity: str, summary: str
) -> None:
    """Azure goes on with the same model for longer."""
    resources = data("train", "1"), train("copilot", "train", BASE_MODEL)
    (found,) = findings(openai, *resources, today=day)
    assert (found.severity, found.summary) == (severity, summary)


@pytest.mark.parametrize("resource", [data("train", "1"), deploy("chat", BASE_MODEL)], ids=["file", "model"])
def test_preflight_finds_a_key_that_is_refused(platform: Platform, resource: Resource) -> None:
    provider = platform.provider(api_key="wrong")
    (found,) = findings(provider, resource, today=EARLY)
    provider.close()
    assert found.severity == "error"
    assert found.summary.startswith("provider cloud: list the models:")

"""What only the strict emulator refuses, and the switches of what nobody outside the service knows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.emulator.origin import origin_of
from tests.emulator.samples import jsonl, lines
from tests.emulator.server import MODEL, STANDARD, Emulator, base_deployment, until, upload

JOBS = "/openai/fine_tuning/jobs"
VERSION = "api-version=2024-10-21"
NOT_TRAINABLE = "The specified base model does not support fine-tuning."
DPO = {"type": "dpo"}


@pytest.fixture
def cloud(shared: Emulator) -> Iterator[Emulator]:
    shared.reset(file_processing_seconds=0.0)
    yield shared
    shared.reset()


def refused(cloud: Emulator, path: str = f"{JOBS}?{VERSION}", **changes: Any) -> tuple[int, Any]:
    with cloud.data() as client:
        file = upload(client, jsonl(lines(12)))
    body = {"model": MODEL, "training_file": file, **STANDARD, **changes}
    status, _, answer = cloud.call("POST", path, body)
    return status, answer.get("error", answer)


@pytest.mark.parametrize(
    "changes",
    [{"method": DPO}, {"model": "gpt-35-turbo-0125", "method": DPO}],
    ids=["method", "older-model"],
)
def test_a_method_that_the_model_lacks(cloud: Emulator, changes: Any) -> None:
    preview = f"{JOBS}?api-version=2025-04-01-preview"
    assert refused(cloud, preview, **changes)[0] == 201
    cloud.settings(strict=True)
    status, error = refused(cloud, preview, **changes)
    assert (status, error["message"]) == (400, NOT_TRAINABLE)
    assert refused(cloud, preview, model="gpt-4.1-2025-04-14", method=DPO)[0] == 201


def test_a_region_that_does_not_train(start: Any) -> None:
    far = start("--location=japaneast", "--strict=true", "--file-processing-seconds=0")
    assert refused(far) == (400, {"code": "invalidPayload", "message": NOT_TRAINABLE})
    assert refused(far, trainingType="GlobalStandard")[0] == 201


@pytest.mark.parametrize("status", [400, 413])
def test_a_file_that_is_too_large(cloud: Emulator, status: int) -> None:
    content = jsonl(lines(12))
    with cloud.data() as client:
        cloud.settings(max_file_bytes=len(content) - 1, file_too_large_status=status)
        upload(client, content)
        cloud.settings(strict=True)
        answer = client.files.with_raw_response
        with pytest.raises(Exception, match="the limit is") as caught:
            answer.create(file=("a.jsonl", content), purpose="fine-tune")
        assert getattr(caught.value, "status_code", None) == status
        with pytest.raises(Exception, match="the limit is"):
            client.uploads.upload_file_chunked(
                file=content, filename="a.jsonl", bytes=len(content), mime_type="a/b", purpose="fine-tune"
            )
    assert cloud.admin("GET", "objects")["counts"]["files"] == 1


def test_bad_lines_show_in_the_file_where_that_is_set(cloud: Emulator) -> None:
    cloud.settings(jsonl_checked="file")
    bad = jsonl(lines(11)) + b'{"messages": []}\n'
    with cloud.data() as client:
        file = client.files.create(file=("a.jsonl", bad), purpose="fine-tune")
        shown: Any = until(lambda: client.files.retrieve(file.id))
        assert str(shown.status) == "error"
        assert "line 12" in shown.status_details
        status, _, body = cloud.call(
            "POST", f"{JOBS}?{VERSION}", {"model": MODEL, "training_file": file.id, **STANDARD}
        )
    assert (status, body["error"]["code"]) == (400, "unexpectedEntityState")


def test_too_many_running_jobs_wait_or_are_refused(cloud: Emulator) -> None:
    cloud.settings(queue_seconds=1000.0, running_jobs_limit=1)
    assert [refused(cloud)[0] for _ in range(2)] == [201, 201]
    cloud.settings(too_many_running="refused", over_limit_status=429)
    status, error = refused(cloud)
    assert (status, error["code"]) == (429, "quotaExceeded")
    assert refused(cloud, trainingType="developerTier")[0] == 201


def test_each_training_type_has_places_of_its_own(cloud: Emulator) -> None:
    cloud.settings(queue_seconds=0.0, running_jobs_limit=1, min_training_seconds=1000.0)
    made = [refused(cloud, trainingType=kind)[1]["id"] for kind in ("Standard", "Standard", "GlobalStandard")]

    def states() -> list[str]:
        jobs = {job["id"]: job["status"] for job in cloud.admin("GET", "objects")["jobs"]}
        return [jobs[name] for name in made]

    until(lambda: states() == ["running", "pending", "running"])


@pytest.mark.parametrize("word", ["refused", "cancels"])
def test_deleting_a_job_that_runs(cloud: Emulator, word: str) -> None:
    cloud.settings(queue_seconds=1000.0, running_job_delete=word)
    name = refused(cloud)[1]["id"]
    status = cloud.call("DELETE", f"{JOBS}/{name}?{VERSION}")[0]
    assert status == (204 if word == "cancels" else 400)
    assert cloud.admin("GET", "objects")["counts"]["jobs"] == (0 if word == "cancels" else 1)


@pytest.mark.parametrize("status", [204, 404])
def test_deleting_a_job_twice(cloud: Emulator, status: int) -> None:
    cloud.settings(second_job_delete_status=status)
    assert cloud.call("DELETE", f"{JOBS}/ftjob-none?{VERSION}")[0] == status


def test_failed_jobs_may_resist_their_deletion(cloud: Emulator) -> None:
    cloud.settings(failed_job_delete="refused")
    cloud.fault(match="POST /openai/fine_tuning/jobs", job={"fail": "validation"})
    name = refused(cloud)[1]["id"]
    until(lambda: cloud.admin("GET", "objects")["jobs"][0]["status"] == "failed")
    status, _, body = cloud.call("DELETE", f"{JOBS}/{name}?{VERSION}")
    assert (status, body["error"]["code"]) == (400, "unexpectedEntityState")


def test_the_training_type_need_not_be_required(cloud: Emulator) -> None:
    assert refused(cloud, trainingType=None)[0] == 400
    cloud.settings(training_type_stable="accepted")
    body = {"model": MODEL, "training_file": cloud.admin("GET", "objects")["files"][0]["id"]}
    assert cloud.call("POST", f"{JOBS}?{VERSION}", body)[0] == 201


def test_the_wording_of_v1_can_be_set(cloud: Emulator) -> None:
    cloud.settings(v1_unauthorized_message="Incorrect API key provided")
    _, _, body = cloud.call("GET", "/openai/v1/files", authorization="Bearer wrong")
    assert body["error"]["message"] == "Incorrect API key provided"
    _, _, body = cloud.call("GET", f"/openai/files?{VERSION}", authorization="Bearer wrong")
    assert body["error"]["message"].startswith("Access denied due to invalid subscription key")


def test_an_account_that_is_not_ready(cloud: Emulator) -> None:
    cloud.settings(account_state="Accepted")
    path = f"{cloud.arm}/deployments/aa?api-version=2025-09-01"
    status, _, body = cloud.call("PUT", path, base_deployment())
    assert (status, body["error"]["code"]) == (409, "AccountProvisioningStateInvalid")
    cloud.settings(account_state="Succeeded")
    assert cloud.call("PUT", path, base_deployment())[0] == 201


def test_imports_that_fail_say_why(cloud: Emulator) -> None:
    with origin_of({}) as origin:
        closed = f"{origin.url}/secret.jsonl?sig=old"
        shown = [_imported(cloud, url) for url in (closed, "http://127.0.0.1:1/a")]
    assert "status 403" in shown[0]["status_details"]
    assert "could not be read" in shown[1]["status_details"]


def _imported(cloud: Emulator, url: str) -> Any:
    body = {"purpose": "fine-tune", "filename": "a.jsonl", "content_url": url}
    name = cloud.call("POST", f"/openai/files/import?{VERSION}", body)[2]["id"]

    def failed() -> Any:
        shown = cloud.call("GET", f"/openai/files/{name}?{VERSION}")[2]
        return shown if shown["status"] == "error" else None

    return until(failed)


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://127.0.0.1/a", "train.jsonl", "http://"])
def test_only_the_web_is_imported_from(cloud: Emulator, url: str) -> None:
    body = {"purpose": "fine-tune", "filename": "a.jsonl", "content_url": url}
    assert cloud.call("POST", f"/openai/files/import?{VERSION}", body)[0] == 400
    assert cloud.call("POST", "/openai/v1/files/import", body)[0] == 404


def test_files_expire_by_the_clock(cloud: Emulator) -> None:
    days = 14 * 86400
    with cloud.v1() as client:
        file = client.files.create(
            file=("a.jsonl", jsonl(lines(12))),
            purpose="fine-tune",
            expires_after={"anchor": "created_at", "seconds": days},
        )
        assert file.expires_at == file.created_at + days
        cloud.advance(days)
        assert client.files.list().data == []


def test_what_only_the_how_to_documents_know_is_refused_when_strict(cloud: Emulator) -> None:
    name = refused(cloud)[1]["id"]
    for part in ("events", "checkpoints"):
        assert cloud.call("POST", f"{JOBS}/{name}/{part}?{VERSION}")[0] == 200
        cloud.settings(strict=True)
        assert cloud.call("POST", f"{JOBS}/{name}/{part}?{VERSION}")[0] == 404
        cloud.settings(strict=False)


def test_an_older_model_needs_no_training_type_unless_strict(cloud: Emulator) -> None:
    file = cloud.admin("GET", "objects")["files"] or [{"id": refused(cloud)[1]["training_file"]}]
    body = {"model": "gpt-35-turbo-0125", "training_file": file[0]["id"]}
    assert cloud.call("POST", f"{JOBS}?{VERSION}", body)[0] == 201
    cloud.settings(strict=True)
    assert cloud.call("POST", f"{JOBS}?{VERSION}", body)[0] == 400

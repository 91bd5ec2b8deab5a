"""The data plane on the wire: forms, limits and refusals."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

import openai
import pytest

from tests.emulator.samples import jsonl, line, lines, text
from tests.emulator.server import (
    MODEL,
    STANDARD,
    VERSION,
    Emulator,
    base_deployment,
    ended,
    until,
    upload,
)

QUERY = f"?api-version={VERSION}"


@pytest.fixture(autouse=True)
def settings_as_before(shared: Emulator) -> Iterator[None]:
    """What a test sets does not outlive it."""
    before = shared.admin("GET", "settings")
    yield
    shared.settings(**before)


@pytest.fixture(scope="module")
def training(shared: Emulator) -> str:
    """A file that can be trained on."""
    with shared.data() as client:
        return upload(client, jsonl(lines(12)))


def test_a_file_is_pending_until_its_time(shared: Emulator) -> None:
    shared.settings(file_processing_seconds=3600)
    with shared.data() as client:
        file = client.files.create(file=("a.jsonl", b"{}\n"), purpose="fine-tune")
        assert (str(file.status), file.bytes) == ("pending", 3)
        shared.settings(pending_file_bytes=False)
        assert client.files.retrieve(file.id).bytes is None
        shared.advance(3601)
        file = client.files.retrieve(file.id)
        assert file.status == "processed"
        assert file.bytes == 3
        assert client.files.content(file.id).read() == b"{}\n"


@pytest.mark.parametrize("content_type", [b"", b"Content-Type: application/json\r\n"])
def test_the_part_of_a_file_needs_no_content_type(shared: Emulator, content_type: bytes) -> None:
    body = (
        b'--b\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nfine-tune\r\n'
        b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.jsonl"\r\n'
        + content_type
        + b"\r\n{}\n\r\n--b--\r\n"
    )
    status, _, file = shared.call_raw("POST", "/openai/v1/files", body, "multipart/form-data; boundary=b")
    assert (status, file["filename"], file["bytes"]) == (200, "a.jsonl", 3)


def test_a_file_can_come_in_parts(shared: Emulator) -> None:
    content = jsonl(lines(12))
    with shared.data() as client:
        upload = client.uploads.create(
            bytes=len(content), filename="big.jsonl", mime_type="application/jsonl", purpose="fine-tune"
        )
        parts = [
            client.uploads.parts.create(upload.id, data=piece).id for piece in (content[:99], content[99:])
        ]
        with pytest.raises(openai.BadRequestError, match="were announced"):
            client.uploads.complete(upload.id, part_ids=parts[:1])
        done = client.uploads.complete(upload.id, part_ids=parts, md5=hashlib.md5(content).hexdigest())
        assert done.status == "completed"
        assert done.file is not None
        file = done.file.id
        until(lambda: client.files.retrieve(file).status == "processed")
        assert client.files.content(file).read() == content
        with pytest.raises(openai.BadRequestError, match="completed"):
            client.uploads.cancel(upload.id)


def test_an_upload_expires(shared: Emulator) -> None:
    with shared.data() as client:
        upload = client.uploads.create(
            bytes=3, filename="a.jsonl", mime_type="application/jsonl", purpose="fine-tune"
        )
        shared.advance(2 * 3600)
        with pytest.raises(openai.BadRequestError, match="expired"):
            client.uploads.parts.create(upload.id, data=b"{}\n")


def test_the_dated_plane_creates_with_201_and_a_location(shared: Emulator, training: str) -> None:
    body = {"model": MODEL, "training_file": training, **STANDARD}
    status, headers, job = shared.call("POST", f"/openai/fine_tuning/jobs{QUERY}", body)
    assert status == 201
    assert headers["location"].endswith(f"/openai/fine_tuning/jobs/{job['id']}")
    assert headers["apim-request-id"]
    assert None not in job.values()


def test_v1_creates_with_200(shared: Emulator, training: str) -> None:
    body = {"model": MODEL, "training_file": training, "metadata": {"a": "b"}, **STANDARD}
    status, _, job = shared.call("POST", "/openai/v1/fine_tuning/jobs", body)
    assert status == 200
    with shared.v1() as client:
        found = client.fine_tuning.jobs.list(metadata={"a": "b"}).data
    assert [item.id for item in found] == [job["id"]]


def test_dated_file_lists_do_not_page_and_v1_lists_do(shared: Emulator, training: str) -> None:
    with shared.data() as client:
        upload(client, jsonl(lines(10)), "second.jsonl")
    _, _, dated = shared.call("GET", f"/openai/files{QUERY}&limit=1&purpose=fine-tune")
    assert set(dated) == {"object", "data"}
    assert len(dated["data"]) >= 2
    _, _, v1 = shared.call("GET", "/openai/v1/files?limit=1&purpose=fine-tune")
    assert v1["has_more"]
    assert v1["first_id"] == v1["data"][0]["id"]
    with shared.v1() as client:
        walked = [file.id for file in client.files.list(limit=1, purpose="fine-tune")]
    assert walked == [file["id"] for file in dated["data"]]


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/openai/files", 404),
        ("/openai/files?api-version=latest", 404),
        (f"/openai/nothing{QUERY}", 404),
        (f"/openai/v1/files{QUERY}", 400),
        ("/openai/v1/files?api-version=preview", 200),
    ],
)
def test_api_versions(shared: Emulator, path: str, status: int) -> None:
    found, _, body = shared.call("GET", path)
    assert found == status
    if status == 404:
        assert body == {"error": {"code": "404", "message": "Resource not found"}}


def test_callers_without_the_key_are_refused(shared: Emulator) -> None:
    with shared.data(api_key="wrong") as client, pytest.raises(openai.AuthenticationError):
        client.files.list()
    assert shared.call("GET", f"/openai/files{QUERY}", authorization="")[0] == 401
    assert shared.call("GET", f"/openai/files{QUERY}", **{"api-key": shared.key})[0] == 200


def test_keys_can_be_switched_off(shared: Emulator) -> None:
    shared.settings(disable_local_auth=True)
    with shared.data() as client, pytest.raises(openai.PermissionDeniedError):
        client.files.list()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"trainingType": None}, "does not support fine-tuning"),
        ({"model": "gpt-9"}, "does not support fine-tuning"),
        ({"model": "gpt-4o-2024-11-20"}, "does not support fine-tuning"),
        ({"training_file": "file-unknown"}, "does not exist"),
        ({"hyperparameters": {"n_epochs": 0}}, "n_epochs"),
        ({"hyperparameters": {"batch_size": 2.5}}, "batch_size"),
        ({"seed": -1}, "seed"),
        ({"suffix": "no.dots"}, "suffix"),
        ({"suffix": "x" * 41}, "suffix"),
        ({"method": {"type": "reinforcement"}}, "validation_file"),
    ],
)
def test_jobs_that_are_refused(shared: Emulator, training: str, change: dict[str, Any], message: str) -> None:
    body = {"model": MODEL, "training_file": training, **STANDARD, **change}
    body = {key: value for key, value in body.items() if value is not None}
    status, _, answer = shared.call("POST", f"/openai/fine_tuning/jobs{QUERY}", body)
    assert status == 400
    assert answer["error"]["code"] == "invalidPayload"
    assert message in answer["error"]["message"]


def test_a_file_that_is_not_processed_cannot_be_used(shared: Emulator) -> None:
    shared.settings(file_processing_seconds=3600, unprocessed_file="refused")
    with shared.data() as client:
        file = client.files.create(file=("a.jsonl", jsonl(lines(10))), purpose="fine-tune")
        with pytest.raises(openai.BadRequestError, match="pending"):
            client.fine_tuning.jobs.create(model=MODEL, training_file=file.id, extra_body=STANDARD)


NULL_BESIDE_CALLS = line("dim it", "dim", percent=1)
NULL_BESIDE_CALLS["messages"][2]["content"] = None


@pytest.mark.parametrize(
    ("content", "code", "message"),
    [
        (jsonl(lines(9)), "invalidPayload", "9 examples"),
        (jsonl(lines(12)) + b"not json\n", "jsonlValidationFailed", "line 13"),
        (jsonl([*lines(12), {"prompt": "a"}]), "jsonlValidationFailed", "line 13"),
        (jsonl([NULL_BESIDE_CALLS, *lines(12)]), "jsonlValidationFailed", "line 1:"),
        (jsonl([text("a", "b", weight=0)] * 12), "invalidPayload", "weight 0"),
        (b"\xff\xfe" + jsonl(lines(12)), "jsonlValidationFailed", "UTF-8"),
    ],
)
def test_bad_data_fails_the_job_in_validation(
    shared: Emulator, content: bytes, code: str, message: str
) -> None:
    with shared.data() as client:
        job = client.fine_tuning.jobs.create(
            model=MODEL, training_file=upload(client, content), extra_body=STANDARD
        )
        done = ended(client, job.id)
        assert done.status == "failed"
        assert done.error is not None
        assert done.error.code == code
        assert message in (done.error.message or "")
        assert done.fine_tuned_model is None


def test_both_ways_to_give_hyperparameters(shared: Emulator, training: str) -> None:
    with shared.data(api_version="2025-04-01-preview") as client:
        job = client.fine_tuning.jobs.create(
            model=MODEL, training_file=training, extra_body=STANDARD,
            method={
                "type": "supervised",
                "supervised": {"hyperparameters": {"n_epochs": 2, "batch_size": "auto"}},
            },
        )  # fmt: skip
        assert job.hyperparameters.n_epochs == 2
        assert job.hyperparameters.batch_size == -1
        assert job.method is not None
        assert ended(client, job.id).hyperparameters.batch_size == 1


def test_a_job_can_be_cancelled_and_deleted(shared: Emulator) -> None:
    shared.settings(min_training_seconds=600)
    with shared.data() as client:
        training = upload(client, jsonl(lines(12)))
        job = client.fine_tuning.jobs.create(model=MODEL, training_file=training, extra_body=STANDARD)
        with pytest.raises(openai.BadRequestError):
            client.delete(f"/fine_tuning/jobs/{job.id}", cast_to=object)
        until(lambda: client.fine_tuning.jobs.retrieve(job.id).status == "running")
        shared.advance(250)
        until(lambda: len(client.fine_tuning.jobs.checkpoints.list(job.id).data) == 1)
        cancelled = client.fine_tuning.jobs.cancel(job.id)
        assert cancelled.status == "cancelled"
        assert cancelled.finished_at
        shared.advance(3600)
        assert client.fine_tuning.jobs.retrieve(job.id).status == "cancelled"
        assert len(client.fine_tuning.jobs.checkpoints.list(job.id).data) == 1
        with pytest.raises(openai.BadRequestError):
            client.fine_tuning.jobs.cancel(job.id)
        client.delete(f"/fine_tuning/jobs/{job.id}", cast_to=object)
        with pytest.raises(openai.NotFoundError):
            client.fine_tuning.jobs.retrieve(job.id)


def test_v1_has_no_way_to_delete_a_job(shared: Emulator) -> None:
    status, _, _ = shared.call("DELETE", "/openai/v1/fine_tuning/jobs/ftjob-1")
    assert status == 404


def test_only_so_many_jobs_run_at_a_time(emulator: Emulator) -> None:
    emulator.settings(running_jobs_limit=1, min_training_seconds=600, queue_seconds=0)
    with emulator.data() as client:
        training = upload(client, jsonl(lines(12)))
        jobs = [
            client.fine_tuning.jobs.create(model=MODEL, training_file=training, extra_body=STANDARD).id
            for _ in range(2)
        ]

        def states() -> list[str]:
            return [client.fine_tuning.jobs.retrieve(job).status for job in jobs]

        until(lambda: states() == ["running", "pending"])
        client.fine_tuning.jobs.cancel(jobs[0])
        until(lambda: states() == ["cancelled", "running"])
        assert [job.id for job in client.fine_tuning.jobs.list(limit=1).data] == jobs[:0:-1]


def test_file_and_job_counts_are_limited(emulator: Emulator) -> None:
    emulator.settings(files_limit=1, queued_jobs_limit=0)
    with emulator.data() as client:
        training = upload(client, jsonl(lines(12)))
        with pytest.raises(openai.BadRequestError, match="limit is 1"):
            client.files.create(file=("b.jsonl", b"{}"), purpose="fine-tune")
        with pytest.raises(openai.BadRequestError, match="queued"):
            client.fine_tuning.jobs.create(model=MODEL, training_file=training, extra_body=STANDARD)


@pytest.fixture(scope="module")
def base(shared: Emulator) -> str:
    """The name of a base model's deployment that answers."""
    with shared.control() as control:
        control.deployments.begin_create_or_update(
            "rg-emulator", "emulator", "base", base_deployment()
        ).result()
    shared.advance(1)
    return "base"


def test_a_base_model_says_that_it_is_untuned(shared: Emulator, base: str) -> None:
    with shared.v1() as client:
        completion = client.chat.completions.create(
            model=base, messages=[{"role": "user", "content": "Hello"}]
        )
    assert "untuned base model" in (completion.choices[0].message.content or "")
    assert completion.choices[0].finish_reason == "stop"
    assert completion.usage is not None
    assert completion.usage.total_tokens > 20


def test_functions_are_answered_in_the_form_they_came_in(shared: Emulator, base: str) -> None:
    example = line("dim the lamp to 40 percent", "dim", legacy=True)
    with shared.data() as client:
        legacy = client.chat.completions.create(
            model=base, messages=example["messages"][:2], functions=example["functions"]
        ).choices[0]
        none = client.chat.completions.create(
            model=base, messages=example["messages"][:2], functions=example["functions"],
            function_call="none",
        ).choices[0]  # fmt: skip
    assert legacy.finish_reason == "function_call"
    assert legacy.message.function_call is not None
    assert legacy.message.function_call.name == "dim"
    assert legacy.message.function_call.arguments == '{"percent": 40}'
    assert none.message.function_call is None


def test_a_chosen_function_is_called(shared: Emulator, base: str) -> None:
    example = line("dim the lamp to 40 percent", "dim")
    with shared.data() as client:
        choice = client.chat.completions.create(
            model=base, messages=example["messages"][:2], tools=example["tools"],
            tool_choice={"type": "function", "function": {"name": "set_colour"}},
        ).choices[0]  # fmt: skip
    assert choice.message.tool_calls is not None
    call = choice.message.tool_calls[0]
    assert call.type == "function"
    assert call.function.name == "set_colour"
    assert choice.finish_reason == "stop"


def test_replies_can_be_streamed(shared: Emulator, base: str) -> None:
    example = line("dim the lamp to 40 percent", "dim")
    with shared.data() as client:
        stream = client.chat.completions.create(
            model=base, messages=example["messages"][:2], tools=example["tools"], stream=True,
            stream_options={"include_usage": True},
        )  # fmt: skip
        with stream:
            chunks = list(stream)
    assert chunks[0].choices[0].delta.role == "assistant"
    calls = chunks[1].choices[0].delta.tool_calls
    assert calls is not None
    assert calls[0].function is not None
    assert (calls[0].function.name, calls[0].function.arguments) == ("dim", "")
    assert chunks[-2].choices[0].finish_reason == "tool_calls"
    assert chunks[-1].usage is not None


def test_a_name_that_is_not_deployed_is_not_found(shared: Emulator) -> None:
    with shared.data() as client, pytest.raises(openai.NotFoundError) as caught:
        client.chat.completions.create(model="nobody", messages=[{"role": "user", "content": "Hello"}])
    assert caught.value.code == "DeploymentNotFound"

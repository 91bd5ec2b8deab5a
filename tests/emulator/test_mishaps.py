"""Faults in odd forms, failing deletions, objects that vanish, and clocks that disagree."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from datetime import datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import pytest
from azure.core.exceptions import HttpResponseError
from openai import AuthenticationError, InternalServerError, NotFoundError

from tests.emulator.conftest import Start
from tests.emulator.samples import TOOLS, jsonl, lines
from tests.emulator.server import MODEL, STANDARD, Emulator, base_deployment, deployment, ended, until, upload

VERSION = "api-version=2025-09-01"
FILES = "/openai/files?api-version=2024-10-21"


@pytest.fixture
def cloud(shared: Emulator) -> Iterator[Emulator]:
    shared.reset(file_processing_seconds=0.0, not_found_seconds=0.0, stale_route_seconds=0.0)
    yield shared
    shared.reset()


def test_a_proxy_answers_in_html(cloud: Emulator) -> None:
    cloud.fault(match="GET /openai/files", status=502, body="html")
    with cloud.data() as client, pytest.raises(InternalServerError) as caught:
        client.files.list()
    assert caught.value.status_code == 502
    assert "502 Bad Gateway" in caught.value.response.text
    assert caught.value.response.headers["content-type"].startswith("text/html")


@pytest.mark.parametrize(("status", "kind"), [(401, AuthenticationError), (404, NotFoundError)])
def test_the_gateway_says_its_status_as_the_code(cloud: Emulator, status: int, kind: Any) -> None:
    cloud.fault(match="GET */files", status=status, body="gateway", times=2)
    with cloud.data() as client, pytest.raises(kind) as caught:
        client.files.list()
    assert caught.value.code == str(status)
    body = cloud.call("GET", "/openai/v1/files")[2]
    assert set(body["error"]) == {"code", "message"}


def test_an_error_without_a_body(cloud: Emulator) -> None:
    cloud.fault(match="GET /openai/files", status=503, body="empty", headers={"retry-after": "7"})
    status, headers, body = cloud.call("GET", FILES)
    assert (status, headers["retry-after"], body) == (503, "7", b"")


@pytest.mark.parametrize(
    "rule", [{"body": "xml", "status": 500}, {"body": "html"}, {"file": "lost"}], ids=str
)
def test_faults_that_cannot_be(cloud: Emulator, rule: Any) -> None:
    assert cloud.call("POST", "/_emulator/faults", {"match": "GET /a", **rule})[0] == 400


@pytest.mark.parametrize("content", [r'"\ud800"', "NaN", "1e999", "1" + "0" * 400, '"\xff"'], ids=range(5))
def test_what_no_client_could_read_again_is_no_json(cloud: Emulator, content: str) -> None:
    body = f'{{"metadata": {{"a": {content}}}}}'.encode("latin-1")
    status, _, answer = cloud.call_raw("POST", "/openai/v1/fine_tuning/jobs", body, "application/json")
    assert (status, answer["error"]["message"]) == (400, "The request body is not valid JSON.")


@pytest.mark.parametrize("time", [{"advance": "nan"}, {"now": 1e300}, {"rate": "inf"}, {"rate": -1}], ids=str)
def test_the_clock_takes_only_times_that_can_be_written(cloud: Emulator, time: Any) -> None:
    assert cloud.call("POST", "/_emulator/clock", time)[0] == 400
    assert cloud.call("GET", "/openai/v1/files")[0] == 200


def test_a_clock_that_runs_too_fast_stops_at_its_end(cloud: Emulator) -> None:
    assert cloud.call("POST", "/_emulator/clock", {"rate": 1e300})[0] == 200
    assert cloud.call("GET", "/openai/v1/files")[0] == 200


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("responses", {"model": "m", "input": "Hello", "tools": 5}),
        ("responses", {"model": "m", "input": "Hello", "include": True}),
        ("fine_tuning/jobs", {"method": {"type": "dpo", "dpo": "x"}}),
        ("fine_tuning/jobs", {"method": {"type": "dpo", "dpo": {"hyperparameters": [1]}}}),
        ("fine_tuning/jobs", {"hyperparameters": True}),
    ],
    ids=str,
)
def test_values_of_another_type_are_refused(cloud: Emulator, path: str, body: Any) -> None:
    file = (
        {"model": MODEL, "training_file": "file-none", "trainingType": "Standard"} if "jobs" in path else {}
    )
    assert cloud.call("POST", f"/openai/v1/{path}", {**file, **body})[0] == 400


def test_a_deletion_that_fails_leaves_the_deployment(cloud: Emulator) -> None:
    path = f"{cloud.arm}/deployments/solid?{VERSION}"
    cloud.call("PUT", path, base_deployment())
    cloud.fault(match="DELETE */deployments/solid", deployment="fail")
    with cloud.control() as client, pytest.raises(HttpResponseError, match="could not be deleted"):
        client.deployments.begin_delete("rg-emulator", "emulator", "solid").result()
    assert cloud.call("GET", path)[2]["properties"]["provisioningState"] == "Succeeded"
    with cloud.control() as client:
        client.deployments.begin_delete("rg-emulator", "emulator", "solid").result()
    assert cloud.call("GET", path)[0] == 404


def test_a_deletion_that_never_ends_can_be_tried_again(cloud: Emulator) -> None:
    path = f"{cloud.arm}/deployments/sticky?{VERSION}"
    cloud.call("PUT", path, base_deployment())
    cloud.fault(match="DELETE */deployments/sticky", deployment="stuck")
    headers = cloud.call("DELETE", path)[1]
    operation = headers["azure-asyncoperation"].removeprefix(cloud.url)
    cloud.advance(7 * 86400)
    assert cloud.call("GET", operation)[2]["status"] == "Deleting"
    assert cloud.call("GET", path)[2]["properties"]["provisioningState"] == "Deleting"
    assert cloud.call("DELETE", path)[0] == 200
    assert cloud.call("GET", path)[0] == 404


def test_a_paused_deployment_is_locked(cloud: Emulator) -> None:
    path = f"{cloud.arm}/deployments/calm"
    cloud.call("PUT", f"{path}?{VERSION}", base_deployment())
    chat = {"model": "calm", "messages": [{"role": "user", "content": "hello"}]}
    assert cloud.call("POST", f"{path}/pause?{VERSION}")[0] == 404
    for verb, state, status in (("pause", "Paused", 423), ("resume", None, 200)):
        answer, _, body = cloud.call("POST", f"{path}/{verb}?api-version=2026-03-01")
        assert (answer, body["properties"].get("deploymentState")) == (200, state)
        assert cloud.call("POST", "/openai/v1/chat/completions", chat)[0] == status


def test_objects_vanish_behind_the_users_back(cloud: Emulator) -> None:
    with cloud.data() as client:
        file = upload(client, jsonl(lines(12)))
        job = ended(
            client,
            client.fine_tuning.jobs.create(model=MODEL, training_file=file, extra_body=STANDARD).id,
        )
        cloud.call("PUT", f"{cloud.arm}/deployments/Brittle?{VERSION}", base_deployment())
        for kind, name in (
            ("files", file),
            ("models", job.fine_tuned_model),
            ("deployments", "Brittle"),
            ("jobs", job.id),
        ):
            cloud.admin("DELETE", f"objects/{kind}/{name}")
        assert file not in [one.id for one in client.files.list().data]
        for look in (
            lambda: client.files.retrieve(file),
            lambda: client.models.retrieve(str(job.fine_tuned_model)),
            lambda: client.fine_tuning.jobs.retrieve(job.id),
        ):
            with pytest.raises(NotFoundError):
                look()
    assert cloud.call("GET", f"{cloud.arm}/deployments/brittle?{VERSION}")[0] == 404
    assert cloud.call("DELETE", "/_emulator/objects/files/none")[0] == 404
    assert cloud.call("DELETE", "/_emulator/objects/settings/strict")[0] == 400


def test_a_job_may_vanish_while_it_runs(cloud: Emulator) -> None:
    cloud.settings(min_training_seconds=1000.0)
    with cloud.data() as client:
        file = upload(client, jsonl(lines(12)))
        job = client.fine_tuning.jobs.create(model=MODEL, training_file=file, extra_body=STANDARD)
        until(lambda: client.fine_tuning.jobs.retrieve(job.id).status == "running")
    cloud.admin("DELETE", f"objects/jobs/{job.id}")
    cloud.advance(2000)
    assert cloud.admin("GET", "objects")["counts"]["jobs"] == 0


@pytest.mark.parametrize("skew", [-3600.0, 3600.0])
def test_the_servers_date_may_be_off(cloud: Emulator, skew: float) -> None:
    cloud.settings(clock_skew_seconds=skew)
    said = parsedate_to_datetime(cloud.call("GET", FILES)[1]["date"])
    now = datetime.fromtimestamp(cloud.admin("GET", "clock")["now"], said.tzinfo)
    assert abs((said - now).total_seconds() - skew) < 5


def test_a_reset_leaves_nothing(cloud: Emulator) -> None:
    with cloud.data() as client:
        upload(client, jsonl(lines(12)))
    cloud.settings(strict=True)
    cloud.fault(match="GET /openai/files", status=500)
    cloud.admin("POST", "principals", {"id": "a"})
    cloud.advance(1e6)
    before = cloud.admin("GET", "clock")["now"]
    cloud.reset()
    objects = cloud.admin("GET", "objects")
    assert set(objects["counts"].values()) == set(objects["created"].values()) == {0}
    assert cloud.admin("GET", "settings")["strict"] is False
    assert cloud.admin("GET", "faults")["faults"] == []
    assert cloud.admin("GET", "principals")["principals"] == []
    assert cloud.admin("GET", "clock")["now"] < before - 9e5


def preference(user: str, good: str, bad: str) -> dict[str, Any]:
    """One record of preferences: which colour to call for."""

    def called(colour: str) -> list[dict[str, Any]]:
        call = {"name": "set_colour", "arguments": f'{{"colour": "{colour}"}}'}
        return [{"role": "assistant", "tool_calls": [{"id": "call_1", "type": "function", "function": call}]}]

    given = {"messages": [{"role": "user", "content": user}], "tools": TOOLS}
    return {"input": given, "preferred_output": called(good), "non_preferred_output": called(bad)}


def test_preferences_are_learned(cloud: Emulator) -> None:
    """Everybody here prefers green, whatever they ask for: no rule of the base model says so."""
    asked = [f"make the light {colour} in room {n}" for n in range(8) for colour in ("red", "blue", "white")]
    data = jsonl([preference(user, "green", user.split()[3]) for user in asked])
    with cloud.v1() as client:
        file = upload(client, data)
        job = client.fine_tuning.jobs.create(
            model="gpt-4.1-2025-04-14",
            training_file=file,
            seed=1,
            method={"type": "dpo", "dpo": {"hyperparameters": {"beta": 0.1, "n_epochs": 3}}},
            extra_body={**STANDARD, "inference_configs": {"auto_inference_enabled": True}},
            suffix="green",
        )
        cloud.settings(auto_deployment_name="auto-{suffix}")
        done = ended(client, job.id)
        assert done.method is not None
        assert (done.status, done.method.type) == ("succeeded", "dpo")
        path = f"{cloud.arm}/deployments/auto-green?{VERSION}"
        until(lambda: cloud.call("GET", path)[2]["properties"]["provisioningState"] == "Succeeded")
        tools: Any = TOOLS
        said = client.chat.completions.create(
            model="auto-green",
            messages=[{"role": "user", "content": "make the light red in room 3"}],
            tools=tools,
        )
    calls: Any = said.choices[0].message.tool_calls
    assert calls[0].function.arguments == '{"colour": "green"}'


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"input": {}}, "input.messages"),
        ({"preferred_output": []}, "'preferred_output' is missing or empty"),
        ({"non_preferred_output": [{"role": "user", "content": "a"}]}, "of the roles assistant and tool"),
    ],
    ids=["input", "preferred", "role"],
)
def test_preferences_that_are_refused(cloud: Emulator, change: Any, why: str) -> None:
    cloud.settings(jsonl_checked="file")
    rows = [preference("make it red", "green", "red") for _ in range(10)]
    with cloud.v1() as client:
        data = jsonl([*rows[:7], {**rows[7], **change}, *rows[8:]])
        file = client.files.create(file=("a.jsonl", data), purpose="fine-tune")
        shown: Any = client.files.retrieve(file.id)
    assert "line 8" in shown.status_details
    assert why in shown.status_details


def test_a_checkpoint_is_copied(cloud: Emulator) -> None:
    with cloud.v1() as client:
        file = upload(client, jsonl(lines(12)))
        job = client.fine_tuning.jobs.create(model=MODEL, training_file=file, extra_body=STANDARD)
        ended(client, job.id)
        checkpoint = client.fine_tuning.jobs.checkpoints.list(job.id).data[0]
    path = f"/openai/v1/fine_tuning/jobs/{job.id}/checkpoints/{checkpoint.id}/copy"
    header = {"aoai-copy-ft-checkpoints": "preview"}
    body = {"destinationResourceId": cloud.arm.replace("/emulator", "/other"), "region": "eastus2"}
    assert cloud.call("POST", path, body)[0] == 404
    assert cloud.call("POST", path, {"region": "eastus2"}, **header)[0] == 400
    cloud.settings(copy_seconds=60.0)
    status, _, said = cloud.call("POST", path, body, **header)
    assert status == 200
    assert said["checkpointedModelName"] == checkpoint.fine_tuned_model_checkpoint
    assert [row["status"] for row in said["copiedAccountDetails"]] == ["InProgress"]
    cloud.advance(61)
    said = cloud.call("GET", path, **header)[2]
    assert said["copiedAccountDetails"] == [{**body, "status": "Failed"}], "there is no such account"


def test_a_copied_checkpoint_can_be_deployed_where_it_went(start: Start, tmp_path: Path) -> None:
    here, there = start(), start("--account", "other", folder=tmp_path / "other")
    with here.v1() as client:
        file = upload(client, jsonl(lines(12)))
        job = client.fine_tuning.jobs.create(model=MODEL, training_file=file, extra_body=STANDARD)
        ended(client, job.id)
        checkpoint = client.fine_tuning.jobs.checkpoints.list(job.id).data[1]
    name = checkpoint.fine_tuned_model_checkpoint
    far = f"{here.arm.removesuffix('/emulator')}/other"
    path = f"/openai/v1/fine_tuning/jobs/{job.id}/checkpoints/{checkpoint.id}/copy"
    header = {"aoai-copy-ft-checkpoints": "preview"}
    put = f"{far}/deployments/copied?api-version=2025-09-01"
    assert there.call("PUT", put, deployment(name))[0] == 400, "it isn't there yet"
    here.call("POST", path, {"destinationResourceId": far, "region": "eastus2"}, **header)
    here.advance(1)
    said = here.call("GET", path, **header)[2]
    assert [row["status"] for row in said["copiedAccountDetails"]] == ["Completed"]
    assert there.call("PUT", put, deployment(name))[0] == 201
    listed = there.call("GET", f"{far}/models?api-version=2025-09-01")[2]["value"]
    assert name in {row["name"] for row in listed}


def test_a_job_ends_though_the_disk_was_full(start: Start) -> None:
    """No file of the server can grow meanwhile, which the system call `write` reports as a full disk."""
    emulator = start("--min-training-seconds=20", "--clock-rate=50")
    pid = emulator.process.pid
    with emulator.v1() as client:
        file = upload(client, jsonl(lines(12)))
        job = client.fine_tuning.jobs.create(model=MODEL, training_file=file, extra_body=STANDARD)
        until(lambda: client.fine_tuning.jobs.retrieve(job.id).status == "running")
        _, most = resource.prlimit(pid, resource.RLIMIT_FSIZE)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (0, most))
        assert emulator.call("PATCH", "/_emulator/settings", {"queue_seconds": 1.0})[0] == 500
        until(lambda: emulator.admin("GET", "clock")["now"] > job.created_at + 150)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (most, most))
        done = ended(client, job.id)
    assert done.status == "failed", done
    assert done.error is not None and done.error.message
    assert "can't use its folder: File too large" in done.error.message

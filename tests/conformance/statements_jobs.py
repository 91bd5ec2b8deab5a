"""Statements about jobs, their events and checkpoints, models and errors of the data plane."""

from __future__ import annotations

import re

from tests.conformance.rows import statement
from tests.conformance.world import BASE, PREVIEW, VALIDATION, World
from tests.emulator.server import until

_SPEC = "authoring API 2024-10-21"
_RECORDED = "recorded run of gpt-4.1, 2025-09"
_V1 = "Azure OpenAI v1 description"
_PAUSE = "SDK tests; authoring API 2025-04-01-preview"
_NEVER_NULL = ("fine_tuned_model", "finished_at", "result_files", "trained_tokens", "error", "suffix")
_METRICS = {
    "step",
    "train_loss",
    "train_mean_token_accuracy",
    "valid_loss",
    "valid_mean_token_accuracy",
}
_FULL = {"full_valid_loss", "full_valid_mean_token_accuracy"}


def _cancel(world: World, name: str) -> None:
    world.data_call("POST", f"fine_tuning/jobs/{name}/cancel")


@statement("DP-JOB-01", "POST /openai/fine_tuning/jobs", f"{_SPEC}; {_RECORDED}")
def create(world: World) -> None:
    status, headers, body = world.job()
    assert status == 201
    assert headers["location"].endswith(f"/openai/fine_tuning/jobs/{body['id']}")
    assert (body["status"], body["object"]) == ("pending", "fine_tuning.job")
    assert (body["hyperparameters"]["batch_size"], body["hyperparameters"]["n_epochs"]) == (-1, -1)
    _cancel(world, body["id"])


@statement("DP-JOB-02", "POST /openai/v1/fine_tuning/jobs", _V1)
def create_v1(world: World) -> None:
    given = {"model": BASE, "training_file": world.file(), "trainingType": "Standard"}
    status, _, body = world.v1_call("POST", "fine_tuning/jobs", given)
    assert status == 200
    _cancel(world, body["id"])


@statement("DP-JOB-03", "GET /openai/fine_tuning/jobs/{job}", "notebooks; official examples")
def omitted(world: World) -> None:
    created = world.job()[2]
    read = world.data_call("GET", f"fine_tuning/jobs/{created['id']}")[2]
    assert not {key for key in _NEVER_NULL if key in created or key in read}
    assert None not in read.values()
    with world.data() as client:
        shown = client.fine_tuning.jobs.retrieve(created["id"])
    assert shown.fine_tuned_model is None
    assert shown.trained_tokens is None
    _cancel(world, created["id"])


@statement("DP-JOB-04", "POST /openai/fine_tuning/jobs", "a recorded job of 2025-12")
def seed(world: World) -> None:
    body = world.job()[2]
    assert type(body["seed"]) is int
    _cancel(world, body["id"])


@statement("DP-JOB-05", "GET /openai/fine_tuning/jobs/{job}", _RECORDED)
def succeeded(world: World) -> None:
    body = world.finished(suffix="mine")
    tail = body["id"].removeprefix("ftjob-")
    assert body["fine_tuned_model"] == f"{BASE}.ft-{tail}-mine"
    assert len(body["result_files"]) == 1
    assert type(body["finished_at"]) is type(body["trained_tokens"]) is int
    assert body["hyperparameters"] == {
        "batch_size": 1,
        "learning_rate_multiplier": 2.0,
        "n_epochs": 3,
    }


@statement("DP-JOB-06", "POST /openai/fine_tuning/jobs/{job}/cancel", _SPEC)
def cancel(world: World) -> None:
    name = world.started()
    status, _, body = world.data_call("POST", f"fine_tuning/jobs/{name}/cancel")
    assert (status, body["status"]) == (200, "cancelled")
    assert type(body["finished_at"]) is int


def _paused(world: World) -> tuple[str, str]:
    name = world.started()
    world.advance(300)
    status, _, body = world.data_call("POST", f"fine_tuning/jobs/{name}/pause", version=PREVIEW)
    assert status == 200
    until(lambda: _state(world, name) == "paused")
    return name, str(body["status"])


def _state(world: World, name: str) -> str:
    world.advance(5)
    return str(world.data_call("GET", f"fine_tuning/jobs/{name}", version=PREVIEW)[2]["status"])


@statement("DP-JOB-07", "POST /openai/fine_tuning/jobs/{job}/pause", _PAUSE)
def pause(world: World) -> None:
    name, said = _paused(world)
    assert said == "pausing"
    newest = world.data_call("GET", f"fine_tuning/jobs/{name}/checkpoints")[2]["data"][0]
    assert newest["fine_tuned_model_checkpoint"].endswith(f":ckpt-step-{newest['step_number']}")
    _cancel(world, name)
    with world.changed(pause_reply="paused"):
        other, said = _paused(world)
        assert said == "paused"
    _cancel(world, other)


@statement("DP-JOB-08", "POST /openai/fine_tuning/jobs/{job}/resume", _PAUSE)
def resume(world: World) -> None:
    name, _ = _paused(world)
    status, _, body = world.data_call("POST", f"fine_tuning/jobs/{name}/resume", version=PREVIEW)
    assert (status, body["status"]) == (200, "resuming")
    until(lambda: _state(world, name) == "running")
    _cancel(world, name)


@statement("DP-JOB-09", "DELETE /openai/fine_tuning/jobs/{job}", _SPEC)
def delete(world: World) -> None:
    name = world.job()[2]["id"]
    _cancel(world, name)
    status, _, body = world.data_call("DELETE", f"fine_tuning/jobs/{name}")
    assert (status, body) == (204, b"")
    assert world.data_call("GET", f"fine_tuning/jobs/{name}")[0] == 404


@statement("DP-JOB-10", "DELETE /openai/v1/fine_tuning/jobs/{job}", _V1)
def no_delete_on_v1(world: World) -> None:
    name = world.job()[2]["id"]
    _cancel(world, name)
    assert world.v1_call("DELETE", f"fine_tuning/jobs/{name}")[0] == 404
    assert world.data_call("GET", f"fine_tuning/jobs/{name}")[0] == 200


@statement("DP-JOB-11", "GET /openai/fine_tuning/jobs", _SPEC)
def listing(world: World) -> None:
    with world.changed(queued_jobs_limit=100, file_processing_seconds=0.0):
        file = world.file()
        made = [world.job(training_file=file)[2]["id"] for _ in range(22)]
        for name in made:
            _cancel(world, name)
    _, _, body = world.data_call("GET", "fine_tuning/jobs")
    assert set(body) == {"object", "data", "has_more"}
    newest = [job["id"] for job in body["data"]]
    assert newest == made[:1:-1]
    assert body["has_more"] is True
    rest = world.data_call("GET", f"fine_tuning/jobs?after={newest[-1]}&limit=2")[2]
    assert [job["id"] for job in rest["data"]] == made[1::-1]


@statement("DP-EV-01", "GET /openai/fine_tuning/jobs/{job}/events", _RECORDED)
def events(world: World) -> None:
    job = world.finished(validation_file=world.file(VALIDATION))
    body = world.data_call("GET", f"fine_tuning/jobs/{job['id']}/events?limit=10")[2]
    times = [event["created_at"] for event in body["data"]]
    assert times == sorted(times, reverse=True)
    assert (len(times), body["has_more"]) == (10, True)
    assert {event["type"] for event in body["data"]} == {"message", "metrics"}
    assert {event["level"] for event in body["data"]} <= {"info", "warning", "error"}


@statement("DP-EV-02", "GET /openai/fine_tuning/jobs/{job}/events", _RECORDED)
def metrics(world: World) -> None:
    job = world.finished(validation_file=world.file(VALIDATION))
    body = world.data_call("GET", f"fine_tuning/jobs/{job['id']}/events?limit=100")[2]
    found = {event["data"]["step"]: set(event["data"]) for event in body["data"] if "data" in event}
    assert sorted(found) == list(range(10, 121, 10))
    for number, keys in found.items():
        assert keys == _METRICS | (_FULL if number % 40 == 0 else set())


@statement("DP-CK-01", "GET /openai/fine_tuning/jobs/{job}/checkpoints", _RECORDED)
def checkpoints(world: World) -> None:
    job = world.finished(hyperparameters={"n_epochs": 4})
    rows = world.data_call("GET", f"fine_tuning/jobs/{job['id']}/checkpoints")[2]["data"]
    assert [row["step_number"] for row in rows] == [160, 120, 80]
    assert all(re.fullmatch("ftchkpt-[0-9a-f]{32}", row["id"]) for row in rows)
    name = job["fine_tuned_model"]
    models = [row["fine_tuned_model_checkpoint"] for row in rows]
    assert models == [name, f"{name}:ckpt-step-120", f"{name}:ckpt-step-80"]


@statement("DP-AUTO-01", "POST /openai/fine_tuning/jobs", "samples of azure-sdk-for-python")
def deployed_by_itself(world: World) -> None:
    for number, sku in ((0, "DeveloperTier"), (2, "GlobalStandard")):
        job = world.finished(inference_configs={"auto_inference_enabled": True, "inference_sku": number})
        found = [
            row
            for row in world.arm_call("GET", "/deployments")[2]["value"]
            if row["properties"]["model"]["name"] == job["fine_tuned_model"]
        ]
        assert [row["sku"]["name"] for row in found] == [sku]
        world.undeploy(found[0]["name"])


@statement("DP-MODEL-01", "DELETE /openai/v1/models/{model}", "Foundry REST reference")
def model_delete(world: World) -> None:
    name = world.finished()["fine_tuned_model"]
    status, _, body = world.v1_call("DELETE", f"models/{name}")
    assert (status, set(body), body["deleted"]) == (200, {"id", "deleted", "object"}, True)


@statement("DP-MODEL-02", "GET /openai/models/{model}", _SPEC)
def model(world: World) -> None:
    name = world.finished()["fine_tuned_model"]
    body = world.data_call("GET", f"models/{name}")[2]
    assert {
        "id", "object", "created_at", "status", "model", "fine_tune", "capabilities", "lifecycle_status",
        "deprecation",
    } <= set(body)  # fmt: skip
    assert body["capabilities"]["fine_tune"] is False


@statement("DP-ERR-01", "any error of the data plane", _SPEC)
def errors(world: World) -> None:
    replies = [
        world.data_call("GET", "files/file-none"),
        world.data_call("POST", "fine_tuning/jobs", {}),
        world.data_call("GET", "nothing"),
        world.data_call("GET", "files", authorization="Bearer wrong"),
        world.v1_call("GET", "files/file-none"),
    ]
    world.fault(match="GET /openai/models", status=503)
    replies.append(world.data_call("GET", "models"))
    assert [status for status, _, _ in replies] == [404, 400, 404, 401, 404, 503]
    for _, _, body in replies:
        assert set(body) == {"error"}
        assert isinstance(body["error"]["code"], str)
        assert isinstance(body["error"]["message"], str)


@statement("DP-ERR-02", "unknown path or api-version", "openai-python#362, langchain#13284")
def gateway(world: World) -> None:
    wanted = (404, {"error": {"code": "404", "message": "Resource not found"}})
    for status, _, body in (
        world.data_call("GET", "no/such/path"),
        world.data_call("GET", "files", version="2020-01-01"),
        world.call("GET", "/openai/files"),
    ):
        assert (status, body) == wanted


@statement("DP-ERR-03", "POST /openai/deployments/{deployment}/chat/completions", "chatbox#861 and others")
def deployment_not_found(world: World) -> None:
    chat = {"messages": [{"role": "user", "content": "hello"}]}
    name = world.finished()["fine_tuned_model"]
    assert world.deploy("late", name)[0] == 201
    for seconds in (0, 250):  # unknown while it is made, and for minutes after
        world.advance(seconds)
        status, _, body = world.data_call("POST", "deployments/late/chat/completions", chat)
        assert (status, body["error"]["code"]) == (404, "DeploymentNotFound")
    world.advance(300)
    assert world.data_call("POST", "deployments/late/chat/completions", chat)[0] == 200
    world.undeploy("late")


@statement("DP-ERR-04", "POST /openai/fine_tuning/jobs", "azure-docs#116776, litellm#24687")
def not_trainable(world: World) -> None:
    file = world.file()
    for given in (
        {"model": BASE, "training_file": file},
        {"model": "gpt-4o-2024-11-20", "training_file": file, "trainingType": "Standard"},
    ):
        status, _, body = world.data_call("POST", "fine_tuning/jobs", given)
        assert status == 400
        assert body["error"]["code"] == "invalidPayload"
        assert body["error"]["message"] == "The specified base model does not support fine-tuning."


@statement("DP-ERR-05", "GET /openai/v1/files?api-version=2024-10-21", "azure-skills", "wording not verbatim")
def dated_version_on_v1(world: World) -> None:
    status, _, body = world.call("GET", "/openai/v1/files?api-version=2024-10-21")
    assert status == 400
    assert re.search("api-version.*not allowed", body["error"]["message"])

"""Statements about files, on both URL styles of the data plane."""

from __future__ import annotations

from typing import Any

from tests.conformance.rows import statement
from tests.conformance.world import TRAINING, World
from tests.emulator.origin import origin_of
from tests.emulator.server import until

_SPEC = "authoring API 2024-10-21"
_V1 = "Azure OpenAI v1 description"


@statement("DP-FILE-01", "POST /openai/files", _SPEC)
def upload(world: World) -> None:
    status, headers, body = world.upload()
    assert status == 201
    assert headers["location"].endswith(f"/openai/files/{body['id']}")
    assert (body["status"], body["object"]) == ("pending", "file")
    assert body["bytes"] == len(TRAINING)


@statement("DP-FILE-02", "POST /openai/files/import", _SPEC)
def fetched(world: World) -> None:
    with origin_of({"/train.jsonl": TRAINING}) as origin:
        given = {
            "purpose": "fine-tune",
            "filename": "puppy.jsonl",
            "content_url": f"{origin.url}/train.jsonl?sv=1&sig=a",
        }
        status, headers, body = world.data_call("POST", "files/import", given)
        assert (status, body["status"]) == (201, "pending")
        assert headers["location"].endswith(f"/openai/files/{body['id']}")
        done = until(lambda: _processed(world, body["id"]))
    assert done["bytes"] == len(TRAINING)
    for key in given:
        refused = world.data_call("POST", "files/import", {k: v for k, v in given.items() if k != key})
        assert (refused[0], refused[2]["error"]["code"]) == (400, "invalidPayload")


def _processed(world: World, name: str) -> Any:
    world.advance(6)
    body = world.data_call("GET", f"files/{name}")[2]
    return body if body["status"] == "processed" else None


@statement("DP-FILE-03", "GET /openai/files", _SPEC)
def dated_list(world: World) -> None:
    name = world.file()
    status, _, body = world.data_call("GET", "files?purpose=fine-tune")
    assert status == 200
    assert set(body) == {"object", "data"}
    assert name in [file["id"] for file in body["data"]]


@statement("DP-FILE-04", "GET /openai/v1/files", _V1)
def v1_list(world: World) -> None:
    world.file()
    status, headers, body = world.v1_call("GET", "files")
    assert status == 200
    assert {"object", "data", "first_id", "last_id", "has_more"} <= set(body)
    assert headers["apim-request-id"]


@statement("DP-FILE-05", "DELETE /openai/files/{file}", _SPEC)
def delete(world: World) -> None:
    used = world.file()
    job = world.job(training_file=used)[2]
    for name in (world.file(), used):
        status, _, body = world.data_call("DELETE", f"files/{name}")
        assert (status, body) == (200, {"object": "file", "deleted": True, "id": name})
    world.data_call("POST", f"fine_tuning/jobs/{job['id']}/cancel")


@statement("DP-FILE-06", "GET /openai/files/{file}/content", f"{_SPEC}; notebooks")
def results(world: World) -> None:
    job = world.finished()
    status, headers, content = world.data_call("GET", f"files/{job['result_files'][0]}/content")
    assert status == 200
    assert headers["content-type"].partition(";")[0] == "application/octet-stream"
    head = content.decode().splitlines()[0]
    assert head == (
        "step,train_loss,train_mean_token_accuracy,valid_loss,validation_mean_token_accuracy,"
        "full_valid_loss,full_valid_mean_token_accuracy"
    )


@statement("DP-FILE-07", "file states", _SPEC)
def states(world: World) -> None:
    good = world.upload()[2]["id"]
    world.fault(match="POST /openai/files", file="fail")
    bad = world.upload()[2]["id"]
    seen: dict[str, list[str]] = {good: [], bad: []}
    for seconds in (0, 2, 4, 60):
        world.advance(seconds)
        for name, states in seen.items():
            body = world.data_call("GET", f"files/{name}")[2]
            states.append(body["status"])
            assert bool(body.get("status_details")) == (body["status"] == "error")
    assert list(dict.fromkeys(seen[good])) == ["pending", "processed"]
    assert list(dict.fromkeys(seen[bad])) == ["pending", "error"]

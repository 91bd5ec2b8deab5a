"""One reply of every operation: what the descriptions are compared with."""

from __future__ import annotations

from typing import Any

from tests.conformance.world import BASE, PREVIEW, STABLE, TRAINING, VALIDATION, World
from tests.emulator.origin import origin_of
from tests.emulator.server import base_deployment, until

Reply = tuple[int, Any, Any]
_JOBS = "fine_tuning/jobs"


def dated(world: World, version: str = STABLE) -> dict[str, Reply]:
    """By operationId of the authoring API."""
    call = world.data_call
    found = _files(world, version) | _uploads(world, version)
    name = world.finished(validation_file=world.file(VALIDATION), suffix="mine")["id"]
    found["FineTuning_Get"] = call("GET", f"{_JOBS}/{name}", version=version)
    found["FineTuning_List"] = call("GET", _JOBS, version=version)
    found["FineTuning_GetEvents"] = call("GET", f"{_JOBS}/{name}/events?limit=50", version=version)
    found["FineTuning_GetCheckpoints"] = call("GET", f"{_JOBS}/{name}/checkpoints", version=version)
    tuned = found["FineTuning_Get"][2]["fine_tuned_model"]
    found["Models_Get"] = call("GET", f"models/{tuned}", version=version)
    found["Models_List"] = call("GET", "models", version=version)
    found["FineTuning_Create"] = world.job()
    other = found["FineTuning_Create"][2]["id"]
    found["FineTuning_Cancel"] = call("POST", f"{_JOBS}/{other}/cancel", version=version)
    found["FineTuning_Delete"] = call("DELETE", f"{_JOBS}/{other}", version=version)
    return found | (_halted(world) if version == PREVIEW else {})


def _files(world: World, version: str) -> dict[str, Reply]:
    call = world.data_call
    found = {"Files_Upload": world.upload(path=f"/openai/files?api-version={version}")}
    name = found["Files_Upload"][2]["id"]
    world.advance(6)
    found["Files_Get"] = call("GET", f"files/{name}", version=version)
    found["Files_List"] = call("GET", "files", version=version)
    found["Files_GetContent"] = call("GET", f"files/{name}/content", version=version)
    with origin_of({"/a": TRAINING}) as origin:
        given = {"purpose": "fine-tune", "filename": "a.jsonl", "content_url": f"{origin.url}/a"}
        found["Files_Import"] = call("POST", "files/import", given, version=version)
        until(lambda: world.data_call("GET", f"files/{found['Files_Import'][2]['id']}")[0] == 200)
    found["Files_Delete"] = call("DELETE", f"files/{name}", version=version)
    return found


def _uploads(world: World, version: str) -> dict[str, Reply]:
    start = {"purpose": "fine-tune", "filename": "a.jsonl", "bytes": 4, "mime_type": "application/json"}
    found = {"UploadFile_Start": world.data_call("POST", "uploads", start, version=version)}
    name = found["UploadFile_Start"][2]["id"]
    path = f"/openai/uploads/{name}/parts?api-version={version}"
    found["UploadFile_Part"] = world.post_form(path, {}, "data", b"{} \n")
    parts = {"part_ids": [found["UploadFile_Part"][2]["id"]]}
    found["UploadFile_Complete"] = world.data_call("POST", f"uploads/{name}/complete", parts, version=version)
    other = world.data_call("POST", "uploads", start, version=version)[2]["id"]
    found["UploadFile_Cancel"] = world.data_call("POST", f"uploads/{other}/cancel", version=version)
    return found


def _halted(world: World) -> dict[str, Reply]:
    name = world.started(method={"type": "supervised"})
    world.advance(300)
    paused = world.data_call("POST", f"{_JOBS}/{name}/pause", version=PREVIEW)

    def halted() -> bool:
        world.advance(5)
        body = world.data_call("GET", f"{_JOBS}/{name}", version=PREVIEW)[2]
        return bool(body["status"] == "paused")

    until(halted)
    resumed = world.data_call("POST", f"{_JOBS}/{name}/resume", version=PREVIEW)
    world.data_call("POST", f"{_JOBS}/{name}/cancel")
    return {"FineTuning_Pause": paused, "FineTuning_Resume": resumed}


def v1(world: World) -> dict[str, Reply]:
    """By operation of the v1 plane."""
    call = world.v1_call
    name = world.finished(validation_file=world.file(VALIDATION))["id"]
    found = {
        "GET /files": call("GET", "files"),
        "GET /fine_tuning/jobs": call("GET", _JOBS),
        "GET /fine_tuning/jobs/{job}": call("GET", f"{_JOBS}/{name}"),
        "GET /fine_tuning/jobs/{job}/events": call("GET", f"{_JOBS}/{name}/events"),
        "GET /fine_tuning/jobs/{job}/checkpoints": call("GET", f"{_JOBS}/{name}/checkpoints"),
        "GET /models": call("GET", "models"),
    }
    file, tuned = world.file(), found["GET /fine_tuning/jobs/{job}"][2]["fine_tuned_model"]
    found["GET /files/{file}"] = call("GET", f"files/{file}")
    given = {"model": BASE, "training_file": file, "trainingType": "Standard"}
    found["POST /fine_tuning/jobs"] = call("POST", _JOBS, given)
    other = found["POST /fine_tuning/jobs"][2]["id"]
    found["POST /fine_tuning/jobs/{job}/cancel"] = call("POST", f"{_JOBS}/{other}/cancel")
    found["DELETE /files/{file}"] = call("DELETE", f"files/{file}")
    found["DELETE /models/{model}"] = call("DELETE", f"models/{tuned}")
    return found


def control(world: World) -> dict[str, Reply]:
    """By operation of the control plane."""
    found = {
        "GET account": world.arm_call("GET", ""),
        "PUT deployment": world.arm_call("PUT", "/deployments/plain", base_deployment()),
    }
    change = {"sku": {"name": "Standard", "capacity": 2}, "tags": {"team": "a"}}
    found["PATCH deployment"] = world.arm_call("PATCH", "/deployments/plain", change)
    found["GET deployment"] = world.arm_call("GET", "/deployments/plain")
    tuned = world.finished()["fine_tuned_model"]
    found["PUT tuned deployment"] = world.deploy("tuned", tuned)
    world.rest()
    found["GET tuned deployment"] = world.arm_call("GET", "/deployments/tuned")
    return found

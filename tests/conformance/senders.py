"""How the requests of the official examples are sent here.

Ids of examples belong to nobody here, and their models (curie, ada) are long gone: both are replaced.
Everything else is sent as printed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.conformance.replies import Reply
from tests.conformance.world import BASE, TRAINING, VALIDATION, World
from tests.emulator.origin import origin_of
from tests.emulator.server import until

Send = Callable[[World, Any], Reply]
_JOBS = "fine_tuning/jobs"
_ADA = {"name": "gpt-4o-mini", "version": "2024-07-18"}


def get(path: str) -> Send:
    return lambda world, given: world.data_call("GET", path, version=given["api-version"])


def of_job(suffix: str, **changes: Any) -> Send:
    def send(world: World, given: Any) -> Reply:
        name = world.finished(validation_file=world.file(VALIDATION), **changes)["id"]
        return world.data_call("GET", f"{_JOBS}/{name}{suffix}", version=given["api-version"])

    return send


def jobs(world: World, given: Any) -> Reply:
    world.finished()
    return world.data_call("GET", _JOBS, version=given["api-version"])


def cancel(world: World, given: Any) -> Reply:
    name = world.job()[2]["id"]
    return world.data_call("POST", f"{_JOBS}/{name}/cancel", version=given["api-version"])


def delete_job(world: World, given: Any) -> Reply:
    name = world.job()[2]["id"]
    world.data_call("POST", f"{_JOBS}/{name}/cancel")
    return world.data_call("DELETE", f"{_JOBS}/{name}", version=given["api-version"])


def create(world: World, given: Any) -> Reply:
    body = {**given["fineTuningJob"], "model": BASE, "training_file": world.file()}
    with world.changed(training_type_preview="accepted", training_type_stable="accepted"):
        return world.data_call("POST", _JOBS, body, version=given["api-version"])


def halt(world: World, given: Any) -> tuple[str, Reply]:
    wandb = {"project": "custom-wandb-project", "tags": ["project:tag", "lineage"]}
    name = world.started(method={"type": "supervised"}, integrations=[{"type": "wandb", "wandb": wandb}])
    world.advance(300)
    return name, world.data_call("POST", f"{_JOBS}/{name}/pause", version=given["api-version"])


def pause(world: World, given: Any) -> Reply:
    return halt(world, given)[1]


def resume(world: World, given: Any) -> Reply:
    name, _ = halt(world, given)

    def paused() -> bool:
        world.advance(5)
        return bool(world.data_call("GET", f"{_JOBS}/{name}")[2]["status"] == "paused")

    until(paused)
    return world.data_call("POST", f"{_JOBS}/{name}/resume", version=given["api-version"])


def files(world: World, given: Any) -> Reply:
    world.finished()
    return world.data_call("GET", "files", version=given["api-version"])


def delete_file(world: World, given: Any) -> Reply:
    return world.data_call("DELETE", f"files/{world.file()}", version=given["api-version"])


def content(world: World, given: Any) -> Reply:
    return world.data_call("GET", f"files/{world.file()}/content", version=given["api-version"])


def upload(world: World, given: Any) -> Reply:
    path = f"/openai/files?api-version={given['api-version']}"
    return world.post_form(path, {"purpose": given["purpose"]}, "file", given["file"].encode())


def fetch(world: World, given: Any) -> Reply:
    with origin_of({"/trainingdata/puppy.jsonl": TRAINING}) as origin:
        url = given["fileImport"]["content_url"].replace("https://www.contoso.com", origin.url)
        body = {**given["fileImport"], "content_url": url}
        return world.data_call("POST", "files/import", body, version=given["api-version"])


def start(world: World, given: Any, **changes: Any) -> Reply:
    body = {**given.get("body", {}), **changes}
    return world.data_call("POST", "uploads", body, version=given["api-version"])


def part(world: World, given: Any) -> Reply:
    body = {"purpose": "fine-tune", "filename": "a", "bytes": 16, "mime_type": "application/json"}
    name = start(world, {**given, "body": body})[2]["id"]
    path = f"/openai/uploads/{name}/parts?api-version={given['api-version']}"
    return world.post_form(path, {}, "data", given["data"].encode())


def complete(world: World, given: Any) -> Reply:
    version = given["api-version"]
    start = {"purpose": "fine-tune", "filename": "a", "bytes": 4, "mime_type": "application/json"}
    name = world.data_call("POST", "uploads", start, version=version)[2]["id"]
    path = f"/openai/uploads/{name}/parts?api-version={version}"
    parts = [world.post_form(path, {}, "data", half)[2]["azure_block_id"] for half in (b"{}", b" \n")]
    assert len(parts) == len(given["body"]["part_ids"])
    return world.data_call("POST", f"uploads/{name}/complete", {"part_ids": parts}, version=version)


def base_model(world: World, given: Any) -> Reply:
    return world.data_call("GET", f"models/{BASE}", version=given["api-version"])


def tuned_model(world: World, given: Any) -> Reply:
    name = world.finished()["fine_tuned_model"]
    return world.data_call("GET", f"models/{name}", version=given["api-version"])


def below(world: World, given: Any, method: str, path: str, body: Any = None) -> Reply:
    return world.call(method, f"{world.arm}{path}?api-version={given['api-version']}", body)


def put(world: World, given: Any) -> Reply:
    body = given["deployment"]
    body["properties"]["model"] |= _ADA
    return below(world, given, "PUT", f"/deployments/{given['deploymentName']}", body)


def with_deployment(method: str, suffix: str = "", key: str = "") -> Send:
    def send(world: World, given: Any) -> Reply:
        model = {"format": "OpenAI", **_ADA}
        body = {"sku": {"name": "Standard", "capacity": 1}, "properties": {"model": model}}
        name = given.get("deploymentName", "deploymentName")
        put(world, {**given, "deploymentName": name, "deployment": body})
        path = f"/deployments/{name}" if "deploymentName" in given else "/deployments"
        return below(world, given, method, path + suffix, given[key] if key else None)

    return send


def account(method: str, path: str) -> Send:
    return lambda world, given: below(world, given, method, path)


def models(world: World, given: Any) -> Reply:
    world.finished()
    return below(world, given, "GET", "/models")


def subscription(path: str) -> Send:
    def send(world: World, given: Any) -> Reply:
        place = path.format(location=given.get("location", ""))
        query = f"api-version={given['api-version']}"
        if "modelName" in given:
            query += f"&modelFormat=OpenAI&modelName={_ADA['name']}&modelVersion={_ADA['version']}"
        base = f"/subscriptions/{world.place['subscription_id']}/providers/Microsoft.CognitiveServices"
        return world.call("GET", f"{base}/{place}?{query}")

    return send

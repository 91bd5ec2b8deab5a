"""Evals: create, list, read, change and delete evals and their runs; the items of a run.

Sources: Azure's v1 reference of evals and a recorded eval; what azure-ai-evaluation reads of them.
"""

from __future__ import annotations

import json

from msgspec.structs import replace
from starlette.requests import Request
from starlette.responses import Response

from ftops.emulator.account.cloud import JSON, Cloud, EvalRun, StoredEval, new_hex
from ftops.emulator.data_plane import eval_request, files
from ftops.emulator.data_plane.eval_run import Runs
from ftops.emulator.data_plane.graders import graders_of, masked
from ftops.emulator.http.errors import gateway_not_found, invalid, not_found, wrong_state
from ftops.emulator.http.messages import page, read_object, reply

_ENDED = ("completed", "failed", "canceled")


async def create(cloud: Cloud, request: Request) -> Response:
    body = await read_object(request)
    now = cloud.clock.now()
    found = StoredEval(
        f"eval_{new_hex()}",
        now,
        eval_request.name(body),
        eval_request.config(body),
        eval_request.criteria(body, graders_of(request)),
        now,
        eval_request.metadata(body),
    )
    cloud.evals.put(found)
    return reply(_described(found), cloud.settings.eval_create_status)


async def list_all(cloud: Cloud, request: Request) -> Response:
    rows = cloud.evals.all()
    if request.query_params.get("order_by") == "updated_at":
        rows.sort(key=lambda row: row.updated)
    return _listed(request, [_described(row) for row in rows])


async def get(cloud: Cloud, request: Request) -> Response:
    return reply(_described(_existing(cloud, request)))


async def update(cloud: Cloud, request: Request) -> Response:
    """Only the name and the metadata can change."""
    body, found = await read_object(request), _existing(cloud, request)
    metadata = eval_request.metadata(body) if "metadata" in body else found.metadata
    name = eval_request.name(body, found.name)
    found = replace(found, name=name, metadata=metadata, updated=cloud.clock.now())
    cloud.evals.put(found)
    return reply(_described(found))


async def delete(cloud: Cloud, request: Request) -> Response:
    found = _existing(cloud, request)
    for run in _runs(cloud, found):
        _remove(cloud, request, run)
    cloud.evals.remove(found.id)
    return reply({"object": "eval.deleted", "deleted": True, "eval_id": found.id})


def _existing(cloud: Cloud, request: Request) -> StoredEval:
    name = request.path_params["eval"]
    found = cloud.evals.get(name)
    if found is None:
        raise not_found("eval", name)
    return found


def _described(found: StoredEval) -> JSON:
    return {
        "id": found.id,
        "object": "eval",
        "created_at": int(found.created),
        "name": found.name,
        "metadata": found.metadata or {},
        "data_source_config": eval_request.described_config(found.config),
        "testing_criteria": [masked(criterion) for criterion in found.criteria],
    }


def _listed(request: Request, rows: list[JSON], default: int = 20) -> Response:
    """A page, the oldest first unless the request says otherwise."""
    if request.query_params.get("order") == "desc":
        rows.reverse()
    found = page(request, rows, default)
    ends = [row["id"] for row in found["data"]] or [None]
    return reply({**found, "first_id": ends[0], "last_id": ends[-1]})


# Runs


def runs_of(request: Request) -> Runs:
    found: Runs = request.scope["emulator.eval_runs"]
    return found


async def create_run(cloud: Cloud, request: Request) -> Response:
    body, found = await read_object(request), _existing(cloud, request)
    source = eval_request.source(body)
    _check_file(cloud, source["source"])
    run = EvalRun(
        f"evalrun_{new_hex()}",
        cloud.clock.now(),
        found.id,
        eval_request.name(body),
        source,
        eval_request.metadata(body),
    )
    cloud.eval_runs.put(run)
    runs_of(request).start(run)
    return reply(_described_run(cloud, request, run), 201)


def _check_file(cloud: Cloud, source: JSON) -> None:
    if source["type"] != "file_id":
        return
    file = files.find(cloud, source["id"])
    if file is None:
        raise invalid(f"The file '{source['id']}' does not exist.")
    if file.purpose != "evals":
        raise invalid(f"The file '{file.id}' has purpose '{file.purpose}' instead of 'evals'.")


async def list_runs(cloud: Cloud, request: Request) -> Response:
    rows = [_described_run(cloud, request, run) for run in _runs(cloud, _existing(cloud, request))]
    wanted = request.query_params.get("status")
    return _listed(request, [row for row in rows if wanted in (None, row["status"])])


async def get_run(cloud: Cloud, request: Request) -> Response:
    return reply(_described_run(cloud, request, _existing_run(cloud, request)))


async def cancel_run(cloud: Cloud, request: Request) -> Response:
    run = _existing_run(cloud, request)
    state = _status(cloud, run)
    if state in _ENDED:
        raise wrong_state(cloud.settings, f"The run is in status '{state}' and cannot be canceled.")
    with cloud.lock:
        runs_of(request).stop(run.id)
        run = replace(run, canceled=True)
        cloud.eval_runs.put(run)
    return reply(_described_run(cloud, request, run))


async def cancel_run_as_sdk(cloud: Cloud, request: Request) -> Response:
    """The path of the openai SDK. No reference has it, so ``strict`` refuses it."""
    if cloud.settings.strict:
        raise gateway_not_found()
    return await cancel_run(cloud, request)


async def delete_run(cloud: Cloud, request: Request) -> Response:
    run = _existing_run(cloud, request)
    _remove(cloud, request, run)
    return reply({"object": "eval.run.deleted", "deleted": True, "run_id": run.id})


def _remove(cloud: Cloud, request: Request, run: EvalRun) -> None:
    with cloud.lock:
        runs_of(request).stop(run.id)
        cloud.eval_runs.remove(run.id)
        cloud.eval_items(run.id).unlink(missing_ok=True)


def _runs(cloud: Cloud, found: StoredEval) -> list[EvalRun]:
    return [run for run in cloud.eval_runs.all() if run.eval == found.id]


def _existing_run(cloud: Cloud, request: Request) -> EvalRun:
    name, run = request.path_params["run"], cloud.eval_runs.get(request.path_params["run"])
    if run is None or run.eval != _existing(cloud, request).id:
        raise not_found("run", name)
    return run


def _status(cloud: Cloud, run: EvalRun) -> str:
    now, settings = cloud.clock.now(), cloud.settings
    started = run.created + settings.eval_queue_seconds
    if run.canceled:
        return "canceled"
    if now < started:
        return "queued"
    if run.outcome is None or now < started + settings.eval_run_seconds:
        return "in_progress"
    return "failed" if "error" in run.outcome else "completed"


def _described_run(cloud: Cloud, request: Request, run: EvalRun) -> JSON:
    state = _status(cloud, run)
    outcome = (run.outcome or {}) if state in _ENDED else {}
    prefix = request.scope["path"].partition("/evals")[0]
    return {
        "id": run.id,
        "object": "eval.run",
        "eval_id": run.eval,
        "status": state,
        "name": run.name,
        "created_at": int(run.created),
        "model": run.source.get("model"),
        "report_url": f"{str(request.base_url).rstrip('/')}{prefix}/evals/{run.eval}/runs/{run.id}",
        "result_counts": outcome.get("result_counts", _NOTHING),
        "per_model_usage": outcome.get("per_model_usage"),
        "per_testing_criteria_results": outcome.get("per_testing_criteria_results"),
        "data_source": run.source,
        "metadata": run.metadata or {},
        "error": outcome.get("error"),
    }


_NOTHING = {"total": 0, "errored": 0, "failed": 0, "passed": 0}


# Items


async def list_items(cloud: Cloud, request: Request) -> Response:
    wanted = request.query_params.get("status")
    rows = [item for item in _items(cloud, request) if wanted in (None, item["status"])]
    return _listed(request, rows)


async def get_item(cloud: Cloud, request: Request) -> Response:
    name = request.path_params["item"]
    found = next((item for item in _items(cloud, request) if item["id"] == name), None)
    if found is None:
        raise not_found("output item", name)
    return reply(found)


def _items(cloud: Cloud, request: Request) -> list[JSON]:
    """The items of a run, once it is completed."""
    run = _existing_run(cloud, request)
    path = cloud.eval_items(run.id)
    if _status(cloud, run) != "completed" or not path.exists():
        return []
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]

"""Jobs: fine-tuning jobs of the data plane, with their models and result files.

A job costs money, so the call that creates it is sent once. If its reply is lost, the job is found by its
token: in the metadata or, if the service stores none, by a seed that follows from the token.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from msgspec.structs import replace

from ftops.core.address import Json
from ftops.core.errors import Permanent, ProviderError, Temporary
from ftops.providers.base import Existing, Progress, Request
from ftops.providers.dataplane.client import DataPlane, items_of, object_of, plain
from ftops.providers.dataplane.datasets import delete_file
from ftops.providers.dataplane.errors import Refusal, absent_is_none, is_absent, refusal_from
from ftops.providers.dataplane.job_wire import (
    CLOCK_SKEW,
    carries,
    checkpoint_names,
    created_at,
    job_body,
    progress_of,
    remote_of,
    resembles,
    started_at,
    status_of,
)
from ftops.providers.dataplane.listing import existing_job
from ftops.state.state import PendingOperation, RemoteObject, ResourceState, Status

_PAGE = 100
_EVENT_PAGES_AT_MOST = 5


class Jobs:
    """Starts, watches and deletes jobs."""

    def __init__(self, clients: DataPlane) -> None:
        self._clients = clients
        self._pause = clients.account.poll_interval

    def create(self, request: Request) -> RemoteObject:
        action = f"start {request.address}"
        dialect = self._clients.dialect
        body = job_body(request, with_method=dialect.has_method, with_training_type=dialect.has_training_type)
        with self._clients.calling(action, creates=True):
            reply = self._clients.data.fine_tuning.jobs.with_raw_response.create(**body)
        return self._remote(object_of(reply, action, creates=True), request.inputs)

    def read(self, resource: ResourceState) -> RemoteObject | None:
        job = self._get(resource.remote_id, f"read {resource.address}")
        if job is not None:
            return self._describe(job, plain(resource.inputs), resource.outputs)
        return self._by_its_model(resource)

    def _by_its_model(self, resource: ResourceState) -> RemoteObject | None:
        """A finished job counts as existing while its model exists: the model is what was paid for, what
        deployments use, and what has to be deleted with the job."""
        model = resource.outputs.get("fine_tuned_model")
        if resource.status is Status.READY and model and self._model_exists(str(model)):
            return RemoteObject(resource.remote_id, Status.READY, resource.outputs)
        return None

    def update(self, request: Request, resource: ResourceState) -> RemoteObject:
        raise Permanent(
            f"{request.address} can't be changed in place",
            "A job can't be changed after it has started.",
            "replace it: `ftops plan`",
        )

    def delete(self, resource: ResourceState) -> RemoteObject | None:
        """Every step can be repeated, and with it a deletion that failed halfway."""
        action = f"delete {resource.address}"
        job = self._get(resource.remote_id, action)
        if job is None and resource.status is Status.PENDING:
            job = {"id": resource.remote_id}  # a replica may not know it; it would go on at a cost
        if job is not None and status_of(job) is Status.PENDING:
            job = self._cancel(job, action)
        known = {**resource.outputs, **{k: v for k, v in (job or {}).items() if v}}
        for model in self._models(job, known):
            self._delete_model(model, action)
        files = known.get("result_files")
        for file in files if isinstance(files, list) else ():
            delete_file(self._clients, str(file), action)
        if self._clients.dialect.deletes_jobs:
            self._delete_job(resource.remote_id, action)
        return None

    def find_by_token(self, operation: PendingOperation, known: frozenset[str]) -> RemoteObject | None:
        action = f"look for {operation.address}"
        inputs = plain(operation.inputs)
        alike: dict[str, Any] | None = None
        oldest = started_at(operation) - CLOCK_SKEW
        with self._clients.calling(action):
            for page in items_of(self._list, action):
                for job in page:
                    if job["id"] in known:
                        continue
                    mine = carries(job, operation.token)
                    if mine:
                        return self._describe(job, inputs, {})
                    if mine is None and alike is None and resembles(job, inputs, operation):
                        alike = job
                if all(created_at(job) < oldest for job in page):
                    break
        return None if alike is None else self._describe(alike, inputs, {})

    def existing(self) -> list[Existing]:
        """Every job, without checkpoints."""
        action = "list the jobs"
        with self._clients.calling(action):
            bodies = [body for page in items_of(self._list, action) for body in page]
        return [existing_job(body, self._remote(body, {})) for body in bodies]

    def model_exists(self, found: Existing) -> bool:
        """Whether the model exists: a job remains listed after its model was deleted."""
        model = found.remote.attributes.get("fine_tuned_model")
        if found.remote.status is not Status.READY or not model:
            return found.remote.status is Status.PENDING
        return self._model_exists(str(model))

    def _model_exists(self, model: str) -> bool:
        models = self._clients.data.models.with_raw_response
        with self._clients.calling(f"look for {model}"):
            return absent_is_none(lambda: models.retrieve(model)) is not None

    def progress(self, resource: ResourceState, seen: str) -> tuple[list[Progress], str]:
        """Events since `seen`, the ID of the newest known event; at first, the latest page. An error means no
        events: they are only shown."""
        try:
            new = self._events_since(resource, seen)
        except ProviderError:
            return [], seen
        return [progress_of(event) for event in reversed(new)], str(new[0]["id"]) if new else seen

    def _events_since(self, resource: ResourceState, seen: str) -> list[dict[str, Any]]:
        """Newest first, as the service lists them."""
        new: list[dict[str, Any]] = []
        action = f"follow {resource.address}"

        def fetch(after: str | None) -> Any:
            jobs, job = self._clients.data.fine_tuning.jobs.with_raw_response, resource.remote_id
            if not after:
                return jobs.list_events(job, limit=_PAGE)
            return jobs.list_events(job, limit=_PAGE, after=after)

        with self._clients.calling(action):
            for number, page in enumerate(items_of(fetch, action), 1):
                ids = [event["id"] for event in page]
                new += page[: ids.index(seen)] if seen in ids else page
                if seen in ids or not seen or number == _EVENT_PAGES_AT_MOST:
                    break
        return new

    def _get(self, remote_id: str, action: str) -> dict[str, Any] | None:
        jobs = self._clients.data.fine_tuning.jobs.with_raw_response
        with self._clients.calling(action):
            reply = absent_is_none(lambda: jobs.retrieve(remote_id))
        return None if reply is None else object_of(reply, action)

    def _list(self, after: str | None) -> Any:
        jobs = self._clients.data.fine_tuning.jobs.with_raw_response
        return jobs.list(limit=_PAGE, after=after) if after else jobs.list(limit=_PAGE)

    def _describe(
        self, job: Mapping[str, Any], inputs: Mapping[str, Json], recorded: Mapping[str, Json]
    ) -> RemoteObject:
        remote = self._remote(job, inputs)
        if remote.status is not Status.READY:
            return remote
        # The checkpoints of a finished job don't change: recorded ones are not requested again.
        checkpoints = recorded.get("checkpoint") or self._checkpoints(job)
        return replace(remote, attributes={**remote.attributes, "checkpoint": checkpoints})

    def _remote(self, job: Mapping[str, Any], inputs: Mapping[str, Json]) -> RemoteObject:
        remote = remote_of(job, inputs, self._pause)
        return replace(remote, attributes={**remote.attributes, **self._clients.home})

    def _models(self, job: Mapping[str, Any] | None, known: Mapping[str, Any]) -> list[str]:
        """The models of a job that have to be deleted: the final one, with which its checkpoints are deleted,
        or each checkpoint if there is no final model."""
        if model := known.get("fine_tuned_model"):
            return [str(model)]
        saved = self._saved(str(job["id"])) if job is not None else []
        return [str(name) for item in saved if (name := item.get("fine_tuned_model_checkpoint"))]

    def _checkpoints(self, job: Mapping[str, Any]) -> dict[str, Json]:
        return checkpoint_names(self._saved(str(job["id"])), str(job.get("fine_tuned_model") or ""))

    def _saved(self, job: str) -> list[dict[str, Any]]:
        """The checkpoints of a job; none if the API version has no route for them."""
        action = f"list the checkpoints of {job}"
        found: list[dict[str, Any]] = []

        def fetch(after: str | None) -> Any:
            route = self._clients.data.fine_tuning.jobs.checkpoints.with_raw_response
            return route.list(job, limit=_PAGE, after=after) if after else route.list(job, limit=_PAGE)

        with self._clients.calling(action):
            try:
                for page in items_of(fetch, action):
                    found += page
            except Exception as exc:
                refusal = refusal_from(exc)
                if refusal is None or refusal.status not in (404, 405):
                    raise
        return found

    def _cancel(self, job: dict[str, Any], action: str) -> dict[str, Any]:
        """The job after it has ended. A refusal may mean that it has ended meanwhile."""
        remote_id = str(job["id"])

        def call() -> object:
            return self._clients.data.fine_tuning.jobs.with_raw_response.cancel(remote_id)

        refusal = self._refusal_of(call, action)
        if refusal is not None and refusal.status not in (400, 404, 409):
            raise self._clients.error(refusal, action)
        job = self._get(remote_id, action) or {**job, "status": "cancelled"}
        if status_of(job) is Status.PENDING:
            raise Temporary(
                f"{action}: the job is being cancelled",
                refusal.message if refusal else "",
                code="Cancelling",
                retry_after=min(self._pause, 5.0),
            )
        return job

    def _delete_model(self, model: str, action: str) -> None:
        """Deletes a model. If no route supports that, the model stays."""

        def call() -> object:
            return self._clients.model_deletion.models.with_raw_response.delete(model)

        refusal = self._refusal_of(call, action)
        if refusal is None or is_absent(refusal):
            return
        if refusal.status == 409 or "deploy" in refusal.message.lower():
            raise Temporary(
                f"{action}: {model} is still deployed",
                f"{refusal.message} (HTTP {refusal.status}, code {refusal.code})",
                "delete its deployments first; the service notices a deletion after a while",
                code="ModelDeployed",
                request_id=refusal.request_id,
                retry_after=refusal.retry_after,
            )
        if refusal.status in (401, 403, 429) or refusal.status >= 500:
            raise self._clients.error(refusal, action)

    def _delete_job(self, remote_id: str, action: str) -> None:
        """In Azure only the dated routes support this, and they may refuse it for a job that has ended. The
        service then keeps the record of the job."""

        def call() -> object:
            return self._clients.extras.delete(f"/fine_tuning/jobs/{remote_id}", cast_to=object)

        refusal = self._refusal_of(call, action)
        if refusal is not None and refusal.status not in (400, 404, 405, 409):
            raise self._clients.error(refusal, action)

    def _refusal_of(self, call: Callable[[], object], action: str) -> Refusal | None:
        with self._clients.calling(action):
            try:
                call()
            except Exception as exc:
                refusal = refusal_from(exc)
                if refusal is None:
                    raise
                return refusal
        return None

"""Jobs: fine-tuning jobs of the data plane, with their models and result files.

A job costs money, so the call that creates it is sent once. If its reply is lost, the job is found by its
token: in the metadata or, if the service stores none, by a seed that follows from the token.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from msgspec.structs import replace

from ftops.core.address import Address, Json
from ftops.core.errors import NoRoom, ProviderError, Temporary
from ftops.core.nested import object_at
from ftops.core.snippets import command
from ftops.providers.base import Existing, Progress, Request
from ftops.providers.dataplane import job_wire as wire
from ftops.providers.dataplane.client import DataPlane, items_of, object_of, plain
from ftops.providers.dataplane.datasets import delete_file, unchangeable
from ftops.providers.dataplane.errors import Refusal, is_absent, refusal_from, unless_refused
from ftops.providers.dataplane.listing import existing_job
from ftops.providers.dataplane.run_wire import event_of, jobs_ahead, progress_of, run_of
from ftops.providers.training_run import JobEvent, TrainingRun
from ftops.state.state import PendingOperation, RemoteObject, ResourceState, Status

_PAGE = 100
_EVENT_PAGES_AT_MOST = 5
_ALL_EVENT_PAGES = 200
_NONE_SEEN = "-"
"""The ID of no event: every page is read."""


class Jobs:
    """Starts, watches and deletes jobs."""

    def __init__(self, clients: DataPlane) -> None:
        self._clients = clients
        self._pause = clients.account.poll_interval

    def create(self, request: Request) -> RemoteObject:
        action = f"start {request.address}"
        dialect = self._clients.dialect
        body = wire.job_body(
            request,
            with_method=dialect.has_method,
            with_training_type=dialect.has_training_type,
            training_types=dialect.training_types,
        )
        with self._clients.calling(action, creates=True):
            reply = self._unless_full(lambda: self._jobs.create(**body), action)
        return self._remote(object_of(reply, action, creates=True), request.inputs)

    def read(self, resource: ResourceState) -> RemoteObject | None:
        job = self._get(resource.remote_id, f"read {resource.address}")
        ended = resource.status is Status.READY
        if job is not None:
            known = resource.outputs if ended else {}
            remote = self._describe(job, resource.address, plain(resource.inputs), known)
            is_stopped = resource.stopped and remote.status is Status.TAINTED
            return self._with_saved(remote, known) if is_stopped else remote
        if resource.stopped and ended:  # that it was stopped is its result
            return self._left_by(resource)
        # A finished job counts as existing while its model exists: the model is what was paid for, what
        # deployments use, and what has to be deleted with the job.
        model = resource.outputs.get("fine_tuned_model")
        if resource.status is Status.READY and model and self._model_exists(str(model)):
            return RemoteObject(resource.remote_id, Status.READY, resource.outputs)
        return None

    def update(self, request: Request, resource: ResourceState) -> RemoteObject:
        raise unchangeable(request, "A job can't be changed after it has started.")

    def delete(self, resource: ResourceState) -> RemoteObject | None:
        """Every step can be repeated, and with it a deletion that failed halfway."""
        action = f"delete {resource.address}"
        job = self._get(resource.remote_id, action)
        if job is None and resource.status is Status.PENDING:
            job = {"id": resource.remote_id}  # a replica may not know it; it would go on at a cost
        if job is not None and wire.status_of(job) is Status.PENDING:
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
        oldest = wire.started_at(operation) - wire.CLOCK_SKEW
        with self._clients.calling(action):
            for page in items_of(partial(self._jobs.list, limit=_PAGE), action):
                for job in page:
                    if job["id"] in known:
                        continue
                    mine = wire.carries(job, operation.token)
                    if mine:
                        return self._describe(job, operation.address, inputs, {})
                    if mine is None and alike is None and wire.resembles(job, inputs, operation):
                        alike = job
                if all(wire.created_at(job) < oldest for job in page):
                    break
        return None if alike is None else self._describe(alike, operation.address, inputs, {})

    def queued(self) -> int:
        """How many jobs of the account wait to run. They are among the newest."""
        action = "list the jobs"
        with self._clients.calling(action):
            page = next(items_of(partial(self._jobs.list, limit=_PAGE), action), [])
        return wire.job_counts(page)["queued_jobs"]

    def control(self, resource: ResourceState, verb: str) -> RemoteObject:
        """Asks the service to pause, resume or cancel a job."""
        action = f"{verb} {resource.address}"
        latest = self._clients.latest.fine_tuning.jobs.with_raw_response
        calls = {"pause": latest.pause, "resume": latest.resume, "cancel": self._jobs.cancel}
        with self._clients.calling(action):
            reply = calls[verb](resource.remote_id)
        job = self._get(resource.remote_id, action) or object_of(reply, action)
        return self._describe(job, resource.address, plain(resource.inputs), {})

    def existing(self) -> list[Existing]:
        """Every job, without checkpoints."""
        action = "list the jobs"
        with self._clients.calling(action):
            bodies = [
                body for page in items_of(partial(self._jobs.list, limit=_PAGE), action) for body in page
            ]
        names = self._clients.dialect.training_types
        return [existing_job(body, self._remote(body, {}), names) for body in bodies]

    def model_exists(self, found: Existing) -> bool:
        """Whether the model exists: a job remains listed after its model was deleted."""
        model = found.remote.attributes.get("fine_tuned_model")
        if found.remote.status is not Status.READY or not model:
            return found.remote.status is Status.PENDING
        return self._model_exists(str(model))

    def _model_exists(self, model: str) -> bool:
        retrieve = self._clients.data.models.with_raw_response.retrieve
        return self._clients.look_up(retrieve, model, f"look for {model}") is not None

    def progress(self, resource: ResourceState, seen: str) -> tuple[list[Progress], str]:
        """Events since `seen`, the ID of the newest known event; at first, the latest page. An error means no
        events: they are only shown."""
        try:
            new = self._events_since(resource.address, resource.remote_id, seen)
        except ProviderError:
            return [], seen
        return [progress_of(event) for event in reversed(new)], str(new[0]["id"]) if new else seen

    def training_run(self, resource: ResourceState) -> TrainingRun | None:
        """The job with its newest events and its checkpoints; None if it doesn't exist."""
        action = f"read {resource.address}"
        job = self._get(resource.remote_id, action)
        if job is None:
            return None
        events = self._events_since(resource.address, resource.remote_id, "")
        others: list[dict[str, Any]] = []
        if jobs_ahead(job, ()) is not None:  # it waits: those ahead are among the newest jobs, too
            with self._clients.calling(action):
                others = next(items_of(partial(self._jobs.list, limit=_PAGE), action), [])
        return run_of(job, reversed(events), self._saved(resource.remote_id), others, self._pause)

    def job_events(self, resource: ResourceState, seen: str) -> list[JobEvent]:
        """Events after `seen`, all if it is empty, the oldest first; none if the job doesn't exist."""
        action = f"list the events of {resource.address}"
        if self._get(resource.remote_id, action) is None:
            return []
        new = self._events_since(resource.address, resource.remote_id, seen or _NONE_SEEN, _ALL_EVENT_PAGES)
        return [event_of(event) for event in reversed(new)]

    def _events_since(
        self, address: Address, job: str, seen: str, pages_at_most: int = _EVENT_PAGES_AT_MOST
    ) -> list[dict[str, Any]]:
        """Newest first, as the service lists them; the latest page if nothing was seen. None if the job has
        been deleted meanwhile."""
        action = f"follow {address}"

        def read() -> list[dict[str, Any]]:
            new: list[dict[str, Any]] = []
            fetch = partial(self._jobs.list_events, job, limit=_PAGE)
            for number, page in enumerate(items_of(fetch, action), 1):
                ids = [event["id"] for event in page]
                new += page[: ids.index(seen)] if seen in ids else page
                if seen in ids or not seen or number == pages_at_most:
                    break
            return new

        with self._clients.calling(action):
            return unless_refused(read, 404) or []

    def _unless_full(self, create: Callable[[], Any], action: str) -> Any:
        """The reply. Raises NoRoom if the account has as many unfinished jobs as it takes."""
        try:
            return create()
        except Exception as exc:
            refusal = refusal_from(exc)
            if refusal is None or not wire.is_no_room(refusal):
                raise
            error = self._clients.error(refusal, action)
            raise NoRoom(error.summary, error.detail, retry_after=refusal.retry_after) from None

    def _get(self, remote_id: str, action: str) -> dict[str, Any] | None:
        return self._clients.look_up(self._jobs.retrieve, remote_id, action)

    @property
    def _jobs(self) -> Any:
        return self._clients.data.fine_tuning.jobs.with_raw_response

    def _describe(
        self,
        job: Mapping[str, Any],
        address: Address,
        inputs: Mapping[str, Json],
        recorded: Mapping[str, Json],
    ) -> RemoteObject:
        remote = self._remote(job, inputs)
        if wire.is_paused(job):
            return self._paused(job, address, inputs, remote)
        if remote.status is not Status.READY:
            return remote
        # The checkpoints of a finished job don't change: recorded ones are not requested again.
        known = {name: recorded[name] for name in ("checkpoint", "metrics") if name in recorded}
        if not known.get("checkpoint") or "metrics" not in known:
            saved = self._saved(str(job["id"]))
            names = wire.checkpoint_names(saved, str(job.get("fine_tuned_model") or ""))
            known = {"checkpoint": names, "metrics": wire.final_metrics(saved)}
        return replace(remote, attributes={**remote.attributes, **known})

    def _with_saved(self, remote: RemoteObject, recorded: Mapping[str, Json]) -> RemoteObject:
        """A job that was stopped, with the checkpoints that it has left, and the metrics of the best one."""
        if "checkpoint" in recorded:  # they don't change
            return remote
        saved = self._saved(remote.remote_id)
        names = wire.checkpoint_names(saved, "")
        left = {"checkpoint": names, "metrics": wire.metrics_of_checkpoint(saved, names.get("best"))}
        return replace(remote, attributes={**remote.attributes, **left})

    def _left_by(self, resource: ResourceState) -> RemoteObject:
        """A job that was stopped and was deleted since: its checkpoints count while the best one exists."""
        best = object_at(resource.outputs, "checkpoint").get("best")
        left: dict[str, Json] = {}
        if best and not self._model_exists(str(best)):
            left = {"checkpoint": {}, "metrics": {}}
        return RemoteObject(resource.remote_id, Status.TAINTED, left, message=resource.message)

    def _paused(
        self, job: Mapping[str, Any], address: Address, inputs: Mapping[str, Json], remote: RemoteObject
    ) -> RemoteObject:
        """A paused job, with the checkpoints that it has saved so far."""
        id, continues = str(job["id"]), wire.is_preempted(job, inputs)
        checkpoints = wire.checkpoint_names(self._saved(id), "")
        try:
            events = self._events_since(address, id, "")
        except ProviderError:
            events = []  # they are only shown
        resume = "" if continues else command("ftops", "job", "resume", str(address))
        said = wire.paused_text(events, checkpoints, resume=resume)
        attributes = {**remote.attributes, **({"checkpoint": checkpoints} if checkpoints else {})}
        return replace(remote, attributes=attributes, paused=said, continues=continues)

    def _remote(self, job: Mapping[str, Any], inputs: Mapping[str, Json]) -> RemoteObject:
        remote = wire.remote_of(job, inputs, self._pause)
        return replace(remote, attributes={**remote.attributes, **self._clients.home})

    def _models(self, job: Mapping[str, Any] | None, known: Mapping[str, Any]) -> list[str]:
        """The models of a job that have to be deleted: the final one, with which its checkpoints are deleted,
        or each checkpoint if there is no final model."""
        if model := known.get("fine_tuned_model"):
            return [str(model)]
        if job is None:  # it was stopped
            return sorted({str(model) for model in object_at(known, "checkpoint").values()})
        saved = self._saved(str(job["id"]))
        return [str(name) for item in saved if (name := item.get("fine_tuned_model_checkpoint"))]

    def _saved(self, job: str) -> list[dict[str, Any]]:
        """The checkpoints of a job; none if the API version has no route for them."""
        action = f"list the checkpoints of {job}"
        with self._clients.calling(action):
            route = self._clients.data.fine_tuning.jobs.checkpoints.with_raw_response
            pages = items_of(partial(route.list, job, limit=_PAGE), action)
            found = unless_refused(lambda: [item for page in pages for item in page], 404, 405)
        return found or []

    def _cancel(self, job: dict[str, Any], action: str) -> dict[str, Any]:
        """The job after it has ended. A refusal may mean that it has ended meanwhile."""
        remote_id = str(job["id"])
        refusal = self._refusal_of(lambda: self._jobs.cancel(remote_id), action)
        if refusal is not None and refusal.status not in (400, 404, 409):
            raise self._clients.error(refusal, action)
        job = self._get(remote_id, action) or {**job, "status": "cancelled"}
        if wire.status_of(job) is Status.PENDING:
            raise Temporary(
                f"{action}: the job is being cancelled",
                refusal.message if refusal else "",
                code="Cancelling",
                retry_after=min(self._pause, 5.0),
            )
        return job

    def _delete_model(self, model: str, action: str) -> None:
        """Deletes a model. If no route supports that, the model stays."""
        models = self._clients.latest.models.with_raw_response
        refusal = self._refusal_of(lambda: models.delete(model), action)
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
        path = f"/fine_tuning/jobs/{remote_id}"
        refusal = self._refusal_of(lambda: self._clients.extras.delete(path, cast_to=object), action)
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

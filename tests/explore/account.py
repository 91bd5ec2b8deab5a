"""The provider of an account of the cloud, which keeps the rules of the emulator.

Bodies are those of the service, read and written by the same functions as in the real provider. What an
object is made of follows from the request and the files of the account.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Protocol

from msgspec.structs import replace

from ftops.core.address import Address, Json
from ftops.core.errors import NoRoom, Permanent, Temporary
from ftops.evaluation.answers import Answer, Question
from ftops.providers.azure import managed_wire
from ftops.providers.azure.deployment_wire import name_for, name_of, status_of, token_of
from ftops.providers.base import Existing, Progress, Request
from ftops.providers.dataplane.client import plain
from ftops.providers.dataplane.datasets import remote_name
from ftops.providers.dataplane.evaluations import Evaluations
from ftops.providers.dataplane.job_wire import carries, job_body, remote_of, resembles
from ftops.providers.dataplane.listing import existing_file, existing_job
from ftops.providers.training_run import JobEvent, TrainingRun
from ftops.state.state import PendingOperation, RemoteObject, ResourceState, Status
from tests.explore.cloud import TRAINING_SECONDS, Cloud, Essence, Thing, job_essence, root
from tests.explore.contents import by_digest
from tests.explore.serving import OPEN, Body, Managed, Serverless, type_for, type_of

PROVISIONING_SECONDS = 2.0
_PAUSE = 2.0
"""Seconds between two looks at what is in the making."""
_EPOCH = 1_900_000_000
"""Later than any clock says while the tests run: what was made was made after what was begun."""


class Account:
    """The provider protocol over one account."""

    instant = True

    def __init__(self, cloud: Cloud, name: str) -> None:
        self.cloud = cloud
        self.name = name
        self.id = f"/accounts/{name}"
        self.exams = Evaluations(self, Deployments(self))

    # what the engine asks

    def create(self, request: Request) -> RemoteObject:
        if request.address.kind == "evaluation":
            return self.exams.create(request)
        return self.cloud.fault.call(lambda: self._shown(self._create(request), request.inputs))

    def read(self, resource: ResourceState) -> RemoteObject | None:
        if resource.address.kind == "evaluation":
            return self.exams.read(resource)
        self.cloud.fault.read()
        thing = self._get(resource)
        return None if thing is None else self._shown(thing, plain(resource.inputs), resource.outputs)

    def update(self, request: Request, resource: ResourceState) -> RemoteObject:
        return self.cloud.fault.call(lambda: self._shown(self._update(request, resource), request.inputs))

    def delete(self, resource: ResourceState) -> RemoteObject | None:
        if resource.address.kind == "evaluation":
            return self.exams.delete(resource)
        self.cloud.fault.call(lambda: self._delete(resource))
        return None

    def find_by_token(self, operation: PendingOperation, known: frozenset[str]) -> RemoteObject | None:
        if operation.address.kind == "evaluation":
            return self.exams.find_by_token(operation, known)
        self.cloud.fault.read()
        inputs = plain(operation.inputs)
        for thing in self.cloud.of(self.name, operation.address.kind):
            if thing.remote_id not in known and self._is_of(thing, operation, inputs):
                return self._shown(thing, inputs)
        return None

    def control(self, resource: ResourceState, verb: str) -> RemoteObject:
        """Cancels a job."""

        def cancel() -> RemoteObject:
            thing = self._get(resource)
            if thing is None or not thing.is_unfinished(self.cloud.now()):
                raise Permanent("it has ended", code="Ended")
            self.cloud.stop(thing)
            return self._shown(thing, {})

        return self.cloud.fault.call(cancel)

    def job_events(self, resource: ResourceState, seen: str) -> list[JobEvent]:
        self.cloud.fault.read()
        thing = self._get(resource)
        losses = thing.losses(self.cloud.now()) if thing else []
        return [
            JobEvent(
                str(step), "", "info", "", Progress("", metrics={"step": step, "train_loss": loss}), step
            )
            for step, loss in enumerate(losses, 1)
            if step > int(seen or 0)
        ]

    def training_run(self, resource: ResourceState) -> TrainingRun | None:
        raise NotImplementedError

    def existing(self, kind: str) -> list[Existing]:
        self.cloud.fault.read()
        return [self._existing(thing) for thing in reversed(self.cloud.of(self.name, kind))]

    def content(self, remote_id: str, take: Callable[[bytes], object]) -> bool:
        thing = self.cloud.get(self.name, "dataset", remote_id)
        if thing is not None:
            take(str(thing.body["content"]).encode())
        return thing is not None

    def model_exists(self, found: Existing) -> bool:
        return found.kind != "job" or found.remote.status is not Status.TAINTED

    def concurrency_key(self, address: Address) -> str | None:
        return self.id if address.kind in ("deployment", "evaluation") else None

    def ask(self, deployment: str, question: Question) -> Answer:
        thing = self._named(deployment)
        if thing is None or thing.status(self.cloud.now()) != "Succeeded":
            raise Permanent(f"there is no deployment {deployment}", code="DeploymentNotFound")
        return Answer(self.cloud.reply(thing, question), finish_reason="stop")

    def grade(self, grader: Mapping[str, Any], sample: str, item: Mapping[str, Any]) -> Mapping[str, Any]:
        raise NotImplementedError

    def close(self) -> None:
        """The process ends without another call."""

    # the objects

    def _create(self, request: Request) -> Thing:
        make = {"dataset": self._file, "job": self._job, "deployment": self._deployment}
        return make[request.address.kind](request)

    def _file(self, request: Request) -> Thing:
        uid = self.cloud.next_uid()
        content = by_digest(str(request.inputs["content"]))
        body = {
            "id": f"file-{uid}",
            "filename": remote_name(str(request.inputs["path"]), request),
            "purpose": request.inputs["purpose"],
            "content": content.text,
            "created_at": _EPOCH + uid,
        }
        return self._add(uid, "dataset", f"file-{uid}", body, ("file", content.meaning), request)

    def _job(self, request: Request) -> Thing:
        if self.cloud.fault.takes_the_place():
            raise NoRoom("somebody else was faster")
        if self.cloud.places and len(self.cloud.queue(self.name)) >= self.cloud.places.queued:
            self.cloud.refused.append(str(request.address))
            raise NoRoom("the queue is full")
        uid = self.cloud.next_uid()
        body = {
            **job_body(request, with_method=True, with_training_type=True),
            "id": f"job-{uid}",
            "created_at": _EPOCH + uid,
        }
        essence = job_essence(request.inputs, self._model(request.inputs["model"]), self._content)
        if not self.cloud.keeps_notes:
            body.pop("metadata")
        return self._add(uid, "job", str(body["id"]), body, essence, request, TRAINING_SECONDS)

    def _deployment(self, request: Request) -> Thing:
        name = name_for(request.inputs, request.address)
        type_, there = type_for(request.inputs), self._named(name)
        if there is not None:
            if token_of(there.body) == request.token:
                return there
            raise Permanent(f"there is a deployment {name} already", code="AlreadyExists")
        made_of = self._model(request.inputs["model"])
        if type_.segment == Serverless.segment and made_of[0] == "job" and root(made_of) == OPEN:
            raise Permanent("this model is served by adapters only", code="DeploymentModelNotSupported")
        essence = ("deployment", made_of)
        uid = self.cloud.next_uid()
        created = datetime.fromtimestamp(_EPOCH + uid, UTC).isoformat()
        body = {**type_.made(request, self.id), "name": name, "systemData": {"createdAt": created}}
        self._check_target(body)
        remote_id = f"{self.id}/{type_.segment}/{name}"
        return self._add(uid, "deployment", remote_id, body, essence, request, PROVISIONING_SECONDS)

    def _check_target(self, body: Body) -> None:
        """Raises an error unless what an adapter is to be on is ready."""
        target = managed_wire.target_of(body)
        base = self._named(target) if target else None
        if target and (base is None or base.segment != Managed.segment):
            raise Permanent(f"there is no managed deployment {target}", code="TargetDeploymentNotFound")
        if base is not None and base.status(self.cloud.now()) != "Succeeded":
            raise Permanent(f"{target} isn't ready", code="TargetNotReady")

    def _add(
        self,
        uid: int,
        kind: str,
        remote_id: str,
        body: Body,
        essence: Essence,
        request: Request,
        seconds: float = 0.0,
    ) -> Thing:
        begins = self.cloud.begins(self.name) if kind == "job" else self.cloud.now()
        thing = Thing(
            uid=uid,
            kind=kind,
            account=self.name,
            remote_id=remote_id,
            body=body,
            essence=essence,
            token=request.token,
            address=str(request.address),
            starts_at=begins,
            ready_at=begins + seconds,
            fails=kind == "job" and self.cloud.fault.fails_a_job(),
        )
        return self.cloud.put("create", thing)

    def _update(self, request: Request, resource: ResourceState) -> Thing:
        live = self._get(resource)
        if live is None:
            raise Permanent("it is gone", code="Gone")
        if live.kind != "deployment":
            raise Permanent(f"a {live.kind} can't be changed in place")
        changed = type_of(live.remote_id, {}).changed(live.body, request, resource, self.id)
        body = {**live.body, **changed}
        if body == live.body:
            return live
        essence = ("deployment", self._model(request.inputs["model"]))
        after = replace(live, body=body, essence=essence)
        now, target = self.cloud.now(), managed_wire.target_of(live.body)
        if target != managed_wire.target_of(body):
            if now < live.ready_at:
                raise Temporary(f"{live.name} is being changed", code="InFlux", retry_after=_PAUSE)
            self._check_target(body)
            after = replace(after, former=target, ready_at=now + PROVISIONING_SECONDS)
        return self.cloud.put("update", after)

    def _delete(self, resource: ResourceState) -> None:
        thing = self._get(resource)
        if thing is None:
            return
        now = self.cloud.now()
        if thing.kind == "dataset":
            readers = (j for j in self.cloud.of(self.name, "job") if j.is_unfinished(now))
            if any(thing.remote_id == j.body["training_file"] for j in readers):
                raise Permanent(f"a job is being trained on {thing.remote_id}", code="InUse")
        if thing.kind == "job" and self._is_deployed(thing):
            raise Temporary(f"the model of {thing.remote_id} is deployed", code="ModelDeployed")
        users = [d.name for d in self.cloud.of(self.name, "deployment") if d.is_on(thing, now)]
        if users:
            raise Permanent(f"{', '.join(users)} is on {thing.remote_id}", code="CannotDeleteResource")
        self.cloud.take_away("delete", thing)

    def _is_deployed(self, job: Thing) -> bool:
        return any(d.served == job.model for d in self.cloud.of(self.name, "deployment"))

    # what they are made of

    def _model(self, name: Json) -> Essence:
        if ".ft-" not in str(name):
            return ("base", name)
        makers = (j for j in self.cloud.of(self.name, "job") if j.model == name)
        job = next((j for j in makers if j.status(self.cloud.now()) == "succeeded"), None)
        if job is None:
            raise Permanent(f"there is no model {name}", code="ModelNotFound")
        return job.essence

    def _content(self, file: Json) -> str:
        thing = self.cloud.get(self.name, "dataset", str(file))
        if thing is None:
            raise Permanent(f"there is no file {file}", code="FileNotFound")
        return str(thing.essence[1])

    # how they look

    def _shown(self, thing: Thing, inputs: Mapping[str, Json], outputs: Body | None = None) -> RemoteObject:
        body = thing.shown(self.cloud.now())
        if thing.kind == "job":
            remote = remote_of(body, inputs, _PAUSE)
            if remote.status is not Status.READY:
                return remote
            metrics = {"train_loss": thing.losses(self.cloud.now())[-1]}
            return replace(remote, attributes={**remote.attributes, "metrics": metrics})
        if thing.kind == "dataset":
            attributes: dict[str, Json] = {"id": thing.remote_id, "status": "processed"}
            observed = {"purpose": body["purpose"]} if "purpose" in inputs else {}
            return RemoteObject(thing.remote_id, Status.READY, attributes, observed)
        type_, status = type_of(thing.remote_id, {}), status_of(body)
        pending = status is Status.PENDING
        return RemoteObject(
            thing.remote_id,
            status,
            type_.attributes(body, thing.remote_id, self.id),
            type_.observed(body, inputs, outputs or {}, self.id),
            requeue_after=_PAUSE if pending else None,
            holds_concurrency_key=pending,
        )

    def _existing(self, thing: Thing) -> Existing:
        remote = self._shown(thing, {})
        if thing.kind == "dataset":
            return existing_file(thing.body, remote)
        if thing.kind == "job":
            return existing_job(thing.shown(self.cloud.now()), remote)
        type_ = type_of(thing.remote_id, {})
        remote = replace(remote, inputs=type_.all_inputs(thing.body, self.id))
        token = token_of(thing.body)
        return Existing("deployment", remote, thing.name, token=token, carries_token=type_.keeps_tokens)

    def _is_of(self, thing: Thing, operation: PendingOperation, inputs: Mapping[str, Json]) -> bool:
        """Whether an object shows that a pending operation made it."""
        if thing.kind == "dataset":
            return f".{operation.token}." in thing.body["filename"]
        if thing.kind == "deployment":
            name, type_ = name_for(inputs, operation.address), type_for(inputs)
            is_named = (thing.segment, thing.name.casefold()) == (type_.segment, name.casefold())
            return is_named and type_.is_of(thing.body, operation, inputs)
        mine = carries(thing.body, operation.token)
        shown = thing.shown(self.cloud.now())
        return mine or (mine is None and resembles(shown, inputs, operation))

    def _get(self, resource: ResourceState) -> Thing | None:
        remote_id = resource.remote_id
        if resource.address.kind == "deployment":
            own = f"{self.id}/{type_of(remote_id, resource.inputs).segment}/{name_of(remote_id)}"
            if "/" in remote_id and remote_id.casefold() != own.casefold():
                raise Permanent(f"{remote_id} is in another account than {self.id}", code="OtherAccount")
            remote_id = own
        return self.cloud.get(self.name, resource.address.kind, remote_id)

    def _named(self, name: str) -> Thing | None:
        """The deployment of this name: types share names."""
        deployments = self.cloud.of(self.name, "deployment")
        return next((d for d in deployments if d.name.casefold() == name.casefold()), None)


class Keeper(Protocol):
    """An account, as its evaluations see it."""

    def create(self, request: Request) -> RemoteObject: ...

    def read(self, resource: ResourceState) -> RemoteObject | None: ...

    def delete(self, resource: ResourceState) -> RemoteObject | None: ...

    def existing(self, kind: str) -> list[Existing]: ...


class QueueingAccount(Account):
    """One that has places for only so many jobs."""

    def __init__(self, cloud: Cloud, name: str) -> None:
        super().__init__(cloud, name)
        assert cloud.places is not None
        self.limits = {"queued_jobs": cloud.places.queued}

    def queued(self, kind: str) -> int:
        self.cloud.fault.read()
        return len(self.cloud.queue(self.name))


class Deployments:
    """The deployments of an account, for its evaluations."""

    def __init__(self, account: Keeper) -> None:
        self._account = account
        self.create, self.read, self.delete = account.create, account.read, account.delete

    def existing(self) -> list[Existing]:
        return self._account.existing("deployment")

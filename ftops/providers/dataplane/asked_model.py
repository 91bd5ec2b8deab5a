"""Asked model: a model and the deployment through which it is asked. If none serves it, a temporary one is
created, and deleted again; if that one is lost, another one."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Protocol

from ftops.core.address import Address, Json
from ftops.core.errors import Permanent, Temporary
from ftops.core.normal_form import model as spelled
from ftops.core.serving import is_named
from ftops.evaluation.answers import Answer, Answers, Question
from ftops.evaluation.temporary import PREFIX
from ftops.providers.base import Existing, Progress, Request, Unfinished
from ftops.state.state import RemoteObject, ResourceState, Status

LOOK_AGAIN = 3.0
LATEST_ANSWER = 900.0
"""Seconds until a deployment has to answer. The service may need ten minutes."""
MOST_LOSSES = 5
_UNKNOWN = frozenset({"deploymentnotfound", "deploymentnotready"})


class Deploys(Protocol):
    """The handler of deployments."""

    def create(self, request: Request) -> RemoteObject: ...

    def read(self, resource: ResourceState) -> RemoteObject | None: ...

    def delete(self, resource: ResourceState) -> RemoteObject | None: ...

    def existing(self) -> list[Existing]: ...


class AskedModel:
    """One model of an evaluation. `title` is for messages: the names of models are long. It asks as a
    provider does, whatever the deployment is called at the time."""

    def __init__(
        self,
        model: str,
        title: str,
        temporary: Request,
        service: Answers,
        deployments: Deploys,
        existing: Sequence[Existing],
    ) -> None:
        self.model = model
        self.title = title
        self.sku: Mapping[str, Json] = {}
        """Of the deployment."""
        self._wanted = temporary
        self._service = service
        self._deployments = deployments
        self._name = ""
        self._temporary: RemoteObject | None = None
        self._is_deleting = False
        self._is_unknown = False
        self._unknown_since: float | None = None
        self._losses = 0
        self._use(existing)

    @property
    def capacity(self) -> int | None:
        """Of the deployment; None if it isn't known."""
        capacity = self.sku.get("capacity")
        return capacity if isinstance(capacity, int) else None

    @property
    def left(self) -> list[str]:
        """The name of the temporary deployment, if it may exist."""
        return [] if self._temporary is None else [self._wanted.address.name]

    def ask(self, deployment: str, question: Question) -> Answer:
        """A deployment that the service doesn't know, or not yet, gives no answer to count: the question is
        to be asked again."""
        try:
            answer = self._service.ask(self._name, question)
        except Temporary as error:
            if error.code.lower() in _UNKNOWN:
                self._is_unknown, error.retry_after = True, LOOK_AGAIN
            raise
        self._unknown_since = None
        return answer

    def deploy(self) -> None:
        """Sees to it that a deployment serves the model. Raises Unfinished while it is being created, and
        Permanent if that fails. Called again with the same token, the service shows the one that is there."""
        if self._name:
            return
        remote = (
            self._create() if self._temporary is None else self._deployments.read(_record(self._temporary))
        )
        if remote is None:
            self._lost(())
            raise Unfinished(LOOK_AGAIN, Progress(f"{self.title}: its temporary deployment has disappeared"))
        self._temporary = remote
        if remote.status is Status.TAINTED:
            raise Permanent(
                f"the temporary deployment of {self.title} failed",
                remote.message,
                "set `sku` of the evaluation to one that the account offers for this model",
            )
        if remote.status is Status.PENDING:
            raise self._waiting(remote)
        self._name = str(remote.attributes.get("name") or self._wanted.address.name)

    def is_lost(self) -> bool:
        """Whether its deployment gave no answer since this was last called. If it doesn't exist any more,
        another one takes its place. Raises Permanent if that has happened too often, or if it hasn't answered
        for too long."""
        if not self._is_unknown:
            return False
        self._is_unknown = False
        existing = self._deployments.existing()
        if all(one.name.casefold() != self._name.casefold() for one in existing):
            self._lost(existing)
            return True
        now = time.monotonic()
        self._unknown_since = now if self._unknown_since is None else self._unknown_since
        if now - self._unknown_since > LATEST_ANSWER:
            raise Permanent(f"the deployment {self._name} of {self.title} doesn't answer", "", "apply again")
        return True

    def tidy_up(self) -> None:
        """Deletes the temporary deployment. Raises Unfinished while it is being deleted."""
        if self._temporary is None:
            return
        record = _record(self._temporary)
        delete = self._deployments.read if self._is_deleting else self._deployments.delete
        remote = delete(record)
        self._is_deleting = True
        if remote is not None:
            raise self._waiting(remote)
        self._temporary = None

    def _create(self) -> RemoteObject:
        try:
            return self._deployments.create(self._wanted)
        except Temporary as error:
            error.effect_unknown = False  # the next try finds the deployment by its token
            raise

    def _lost(self, existing: Sequence[Existing]) -> None:
        self._use(existing)
        self._temporary = self._unknown_since = None
        self._losses += 1
        if self._losses > MOST_LOSSES:
            hint = "find out what deletes it, then apply again"
            raise Permanent(f"the deployment of {self.title} was deleted {self._losses} times", "", hint)

    def _use(self, existing: Sequence[Existing]) -> None:
        """Takes a deployment that serves the model and is ready, if there is one. Those of other evaluations
        will soon go."""
        self._name = ""
        for one in existing:
            is_ready = one.remote.status is Status.READY and not one.name.startswith(PREFIX)
            if is_ready and spelled(model_of(one)) == spelled(self.model):
                self._name, self.sku = one.name, sku_of(one)
                return
        self.sku = _mapping(self._wanted.inputs["sku"])

    def _waiting(self, remote: RemoteObject) -> Unfinished:
        return Unfinished(
            remote.requeue_after or LOOK_AGAIN,
            Progress(f"{self.title}: {remote.message}"),
            is_progress=True,
            holds_concurrency_key=remote.holds_concurrency_key,
        )


def served_by(name: str, existing: Sequence[Existing]) -> str:
    """The model of the deployment with this declared name; empty if there is none."""
    return next((model_of(one) for one in existing if is_named(one.name, name)), "")


def model_of(deployment: Existing) -> str:
    return str(deployment.remote.attributes.get("model") or "")


def sku_of(deployment: Existing) -> Mapping[str, Json]:
    return _mapping((deployment.remote.inputs or {}).get("sku"))


def _record(remote: RemoteObject) -> ResourceState:
    """Of a temporary deployment, which no state has."""
    address = Address("deployment", "temporary")
    inputs = remote.inputs or {}
    return ResourceState(
        address, "", remote.remote_id, remote.status, inputs, remote.attributes, resume=remote.resume
    )


def _mapping(value: Json) -> Mapping[str, Json]:
    return value if isinstance(value, Mapping) else {}

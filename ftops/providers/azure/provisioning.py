"""Provisioning: what deployments of all types have in common, from the first state to the first answer.

A deployment is ready when it is provisioned, has what was asked for, and answers a call.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from msgspec.structs import replace

from ftops.core.address import Json
from ftops.core.errors import Permanent, ProviderError, Temporary
from ftops.core.nested import object_at
from ftops.core.snippets import import_block
from ftops.providers.azure import deployment_wire as wire
from ftops.providers.azure.clients import Clients
from ftops.providers.azure.readiness import Readiness
from ftops.providers.base import OTHER_ACCOUNT, Existing, Request
from ftops.providers.dataplane.client import plain
from ftops.state.state import PendingOperation, RemoteObject, ResourceState, Status

_SECONDS_BETWEEN_READS = 15.0
_SECONDS_BEFORE_RETRY = 30.0
_QUOTA_LAG_SECONDS = 90.0
"""The quota of a deleted deployment is released some time after its deletion."""

Written = tuple[dict[str, Any], str]
"""A deployment after a write, and the token of the operation in progress."""


class Provisioned:
    """Reads and deletes deployments of one type. Subclasses know the calls, and what one still lacks."""

    segment = ""
    """Of the ARM ID, before the name."""
    plural = ""
    """The objects, for messages."""

    def __init__(self, clients: Clients, readiness: Readiness) -> None:
        self._clients = clients
        self._readiness = readiness
        self._account = clients.account
        self._pause = min(clients.account.poll_interval, _SECONDS_BETWEEN_READS)
        self._retry = min(clients.account.poll_interval, _SECONDS_BEFORE_RETRY)
        self._freed_at = float("-inf")
        self._deletions: dict[str, str] = {}
        """By name, the tokens of deletions that this process began."""

    # what subclasses know

    def _get(self, name: str, action: str) -> dict[str, Any] | None:
        """The object; None if it doesn't exist."""
        raise NotImplementedError

    def _begin_to_delete(self, name: str, action: str) -> str:
        """Returns the token of the operation."""
        raise NotImplementedError

    def _operation_failure(self, name: str, token: str) -> str:
        """Why an operation failed; empty if it didn't, or isn't known any more."""
        raise NotImplementedError

    def _list(self) -> list[dict[str, Any]]:
        """Every object of the account."""
        raise NotImplementedError

    def _existing(self, body: Mapping[str, Any], name: str) -> Existing:
        raise NotImplementedError

    def _was_made_by(
        self, body: Mapping[str, Any], operation: PendingOperation, inputs: Mapping[str, Json]
    ) -> bool:
        """Whether an object is that of an interrupted creation, whose name it has."""
        raise NotImplementedError

    def _attributes(
        self, body: Mapping[str, Any], remote_id: str, inputs: Mapping[str, Json]
    ) -> dict[str, Json]:
        raise NotImplementedError

    def _observed(
        self, body: Mapping[str, Any], inputs: Mapping[str, Json], outputs: Mapping[str, Json]
    ) -> dict[str, Json]:
        """The requested inputs that the service reports."""
        raise NotImplementedError

    def _lacks(
        self, body: Mapping[str, Any], name: str, inputs: Mapping[str, Json], resume: wire.Resume
    ) -> str:
        """What a provisioned object that was created or changed still lacks; empty if it is ready."""
        raise NotImplementedError

    # what all have in common

    def read(self, resource: ResourceState) -> RemoteObject | None:
        name = self._own_name(resource)
        body = self._get(name, f"read deployment {name}")
        if body is None:
            self._deletions.pop(name, None)
            return None
        inputs, outputs = plain(resource.inputs), resource.outputs
        if name in self._deletions:
            return self._describe_deletion(body, name, inputs, outputs)
        resume = wire.Resume.parse(resource.resume, self._account.control_endpoint)
        remote = self._describe(body, name, inputs, resume, outputs)
        known = remote.status is resource.status is Status.TAINTED and resource.message
        # Only the operation tells the reason of a failure; later it is known from the state.
        return replace(remote, message=resource.message) if known else remote

    def delete(self, resource: ResourceState) -> RemoteObject | None:
        name = self._own_name(resource)
        action = f"delete deployment {name}"
        try:
            self._deletions[name] = self._begin_to_delete(name, action)
        except Temporary:
            # The reply was lost, or a deletion is already in progress.
            body = self._get(name, action)
            if body is not None and not wire.is_deleting(body):
                raise
        self._freed_at = time.monotonic()
        self._readiness.forget(name)
        return self.read(resource)

    def find_by_token(self, operation: PendingOperation, known: frozenset[str]) -> RemoteObject | None:
        inputs = plain(operation.inputs)
        name = wire.name_for(inputs, operation.address)
        if self._remote_id(name) in known:
            return None
        body = self._get(name, f"look for deployment {name}")
        if body is None or not self._was_made_by(body, operation, inputs):
            return None
        return self._describe(body, name, inputs, wire.Resume("create"))

    def existing(self) -> list[Existing]:
        """Every object of the account that isn't being deleted."""
        with self._clients.calling(f"list {self.plural}", control_plane=True):
            bodies = self._list()
        named = [body for body in bodies if body.get("name") and not wire.is_deleting(body)]
        return [self._existing(body, str(body["name"])) for body in named]

    def _describe(
        self,
        body: Mapping[str, Any],
        name: str,
        inputs: Mapping[str, Json],
        resume: wire.Resume | None,
        outputs: Mapping[str, Json] = {},
    ) -> RemoteObject:
        status, state = wire.status_of(body), wire.state_of(body)
        message, provisioning = "", status is Status.PENDING
        if status is Status.TAINTED:
            message = self._why(body, name, resume)
        elif provisioning:
            message = f"the deployment is {state or 'without a state'}"
        elif resume is not None:
            message = self._lacks(body, name, inputs, resume)
            status = Status.PENDING if message else Status.READY
        elif state.lower() != "succeeded" or _is_paused(body):
            message = "the deployment is paused" if _is_paused(body) else f"the deployment is {state}"
        remote = self._remote(body, name, inputs, outputs, status, message, resume)
        is_new = resume is not None and resume.operation == "create"
        stuck = is_new and status is Status.PENDING and self._readiness.is_stuck(name)
        return replace(remote, holds_concurrency_key=provisioning, is_stuck=stuck)

    def _describe_deletion(
        self, body: Mapping[str, Any], name: str, inputs: Mapping[str, Json], outputs: Mapping[str, Json]
    ) -> RemoteObject:
        """A deployment that is being deleted. Raises Permanent if the deletion failed."""
        in_doubt = not wire.is_deleting(body)
        failure = self._failure(name, self._deletions.get(name, "")) if in_doubt else ""
        if failure:
            self._deletions.pop(name, None)
            raise Permanent(
                f"delete deployment {name}: the deletion failed",
                failure,
                "apply again",
                code="DeletionFailed",
            )
        self._freed_at = time.monotonic()
        message = "the deployment is being deleted"
        remote = self._remote(body, name, inputs, outputs, Status.PENDING, message, None)
        return replace(remote, holds_concurrency_key=True)

    def _remote(
        self,
        body: Mapping[str, Any],
        name: str,
        inputs: Mapping[str, Json],
        outputs: Mapping[str, Json],
        status: Status,
        message: str,
        resume: wire.Resume | None,
    ) -> RemoteObject:
        pending = status is Status.PENDING
        remote_id = self._remote_id(str(body.get("name") or name))
        return RemoteObject(
            remote_id=remote_id,
            status=status,
            attributes=self._attributes(body, remote_id, inputs),
            inputs=self._observed(body, inputs, outputs),
            message=message,
            resume=str(resume) if pending and resume is not None else "",
            requeue_after=self._pause if pending else None,
        )

    def _why(self, body: Mapping[str, Any], name: str, resume: wire.Resume | None) -> str:
        """The reason of a failure. ARM keeps it with the operation, rarely with the deployment."""
        own = wire.reason_of(body)
        reason = own or self._failure(name, resume.token if resume else "")
        message = f"the deployment is {wire.state_of(body)}"
        if not reason and resume is not None and resume.refused:
            place = self._account.control_endpoint
            reason = f"the reason wasn't requested: the operation in the state isn't at {place}"
        return f"{message}: {reason}" if reason else message

    def _failure(self, name: str, token: str) -> str:
        if not token:
            return ""
        with self._clients.calling(f"ask about deployment {name}", control_plane=True):
            return self._operation_failure(name, token)

    def _write(self, send: Callable[[], Written], action: str, *, creates: bool = False) -> Written:
        try:
            with self._clients.calling(action, creates=creates, control_plane=True):
                return send()
        except ProviderError as error:
            raise self._unless_quota_returns(error) from error.__cause__

    def _unless_quota_returns(self, error: ProviderError) -> ProviderError:
        """Missing quota right after a deletion is a temporary error: it will be released."""
        since = time.monotonic() - self._freed_at
        if error.code.lower() != "insufficientquota" or since > _QUOTA_LAG_SECONDS:
            return error
        return Temporary(
            f"{error.summary} (the quota of a deleted deployment is released after a while)",
            error.detail,
            error.hint,
            code=error.code,
            request_id=error.request_id,
            retry_after=self._retry,
        )

    def _to_change(self, name: str, action: str) -> dict[str, Any]:
        """The object to be changed. Raises Permanent if it doesn't exist."""
        live = self._get(name, action)
        if live is None:
            raise Permanent(
                f"{action}: it doesn't exist any more", hint="plan again: `ftops plan`", code="Gone"
            )
        return live

    def _taken(self, request: Request, name: str, action: str, what: str) -> ProviderError:
        return Permanent(
            f"{action}: a deployment with this name already exists, and it isn't in this state",
            f"It serves {what}.",
            f"import it ({import_block(request.address, name)}) or choose another name",
            code="AlreadyExists",
        )

    def _refuse_deleting(self, body: Mapping[str, Any], action: str) -> None:
        if wire.is_deleting(body):
            raise self._later(f"{action}: the old deployment is still being deleted", "Deleting")

    def _later(self, summary: str, code: str) -> Temporary:
        return Temporary(summary, code=code, retry_after=self._retry)

    def _remote_id(self, name: str) -> str:
        return f"{self._account.id}/{self.segment}/{name}"

    def _own_name(self, resource: ResourceState) -> str:
        """The name of a recorded deployment. Raises Permanent if it is in another account."""
        remote_id, name = resource.remote_id, wire.name_of(resource.remote_id)
        if "/" in remote_id and remote_id.casefold() != self._remote_id(name).casefold():
            raise Permanent(
                f"{resource.address} is recorded in another account than that of {self._account.provider}",
                f"The state has {remote_id}; the provider's account is {self._account.id}.",
                "give the provider its previous account, or destroy the resource there first",
                code=OTHER_ACCOUNT,
            )
        return name


def _is_paused(body: Mapping[str, Any]) -> bool:
    return str(object_at(body, "properties").get("deploymentState") or "").lower() == "paused"

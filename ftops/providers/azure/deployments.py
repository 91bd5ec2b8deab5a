"""Deployments: created on the control plane, and ready only when the data plane answers.

Ready means: it is provisioned, it has the requested model, and a call is answered. A reused name serves the
old model for a while, and the data plane doesn't know a new name at first.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from msgspec.structs import replace

from ftops.core.address import Json
from ftops.core.errors import Permanent, ProviderError, Temporary
from ftops.core.nested import object_at
from ftops.core.snippets import import_block
from ftops.providers.azure import deployment_wire as wire
from ftops.providers.azure.clients import Clients
from ftops.providers.azure.publishers import Publishers
from ftops.providers.base import OTHER_ACCOUNT, Existing, Request
from ftops.providers.dataplane.client import body_of, plain
from ftops.providers.dataplane.errors import Refusal, refusal_from
from ftops.providers.deployment_expiry import CREATED, may_have_expired
from ftops.state.state import PendingOperation, RemoteObject, ResourceState, Status

_SECONDS_BETWEEN_READS = 15.0
_SECONDS_BEFORE_RETRY = 30.0
_QUOTA_LAG_SECONDS = 90.0
"""The quota of a deleted deployment is released some time after its deletion."""
_INTERNAL_ERROR = 500
_NOT_YET = frozenset({"deploymentnotfound", "deploymentnotready"})
_NOT_LOADED = "failed to load lora"
"""In the internal error of a new deployment of a tuned open model, on and off for some minutes."""
_ANSWERS = frozenset({"recordingnotfound"})
"""Codes with the status 404 of a deployment that answers: the emulator's, of one that has recordings only."""


class _Asked(NamedTuple):
    """A requested deployment, and the tenant of its model."""

    body: dict[str, Any]
    tenant: str


_Written = tuple[dict[str, Any], str]
"""The deployment after a write, and the token of the operation in progress."""


class Deployments:
    """Creates, changes and deletes deployments."""

    def __init__(self, clients: Clients, project: Path) -> None:
        self._clients = clients
        self._publishers = Publishers(clients, project)
        self._account = clients.account
        self._pause = min(clients.account.poll_interval, _SECONDS_BETWEEN_READS)
        self._retry = min(clients.account.poll_interval, _SECONDS_BEFORE_RETRY)
        self._freed_at = float("-inf")
        self._crashed: set[str] = set()
        """Names of deployments of open models whose creation was an internal error of the service once."""
        self._deletions: dict[str, str] = {}
        """By name, the tokens of deletions that this process began."""

    def create(self, request: Request) -> RemoteObject:
        name = wire.name_for(request.inputs, request.address)
        action = f"create deployment {name}"
        existing = self._get(name, action)
        if existing is not None:
            return self._adopt(request, name, existing, action)
        self._deletions.pop(name, None)
        publisher = self._publishers.of(request.inputs)
        asked = wire.body_for(request.inputs, request.token, self._account.id, publisher)
        body, token = self._put(name, _Asked(asked, _tenant(request)), action, creates=True)
        return self._describe(body, name, request.inputs, wire.Resume("create", token))

    def read(self, resource: ResourceState) -> RemoteObject | None:
        name = self._own_name(resource)
        body = self._get(name, f"read deployment {name}")
        if body is None:
            self._deletions.pop(name, None)
            return None
        if name in self._deletions:
            return self._describe_deletion(body, name, plain(resource.inputs))
        resume = wire.Resume.parse(resource.resume, self._account.control_endpoint)
        remote = self._describe(body, name, plain(resource.inputs), resume)
        known = remote.status is resource.status is Status.TAINTED and resource.message
        # Only the operation tells the reason of a failure; later it is known from the state.
        return replace(remote, message=resource.message) if known else remote

    def why_gone(self, resource: ResourceState) -> str:
        """By the clock of the service."""
        now = self._clients.arm.absent_since.get(self._own_name(resource)) or datetime.now(UTC)
        expired = may_have_expired(plain(resource.inputs), resource.outputs.get(CREATED), now)
        return "expired" if expired else ""

    def update(self, request: Request, resource: ResourceState) -> RemoteObject:
        """Sends the changes in the steps that the service accepts. Repeating it sends what is left."""
        name = self._own_name(resource)
        action = f"update deployment {name}"
        live = self._get(name, action)
        if live is None:
            raise Permanent(
                f"{action}: it doesn't exist any more", hint="plan again: `ftops plan`", code="Gone"
            )
        dropped = wire.dropped_inputs(live, plain(resource.inputs), request.inputs)
        changed = wire.differences(live, request.inputs) | dropped
        token = ""
        if changed:
            own = wire.token_of(live) or resource.token
            publisher = self._publishers.of(request.inputs)
            body = wire.changed_body(live, request.inputs, own, self._account.id, dropped, publisher)
            live, token = self._change(name, live, _Asked(body, _tenant(request)), changed, action)
        return self._describe(live, name, request.inputs, wire.Resume("update", token))

    def _change(
        self, name: str, live: dict[str, Any], asked: _Asked, changed: Collection[str], action: str
    ) -> _Written:
        """The deployment after the changes that the service accepts now. It refuses a new size and a new
        model in one request, and a change while another one is in progress."""
        token = ""
        if wire.status_of(live) is Status.PENDING:
            raise self._later(f"{action}: it is {wire.state_of(live)}", "InFlux")
        if not wire.PATCHED.isdisjoint(changed):
            size = {key: asked.body[key] for key in ("sku", "tags")}
            live, token = self._write(lambda: self._clients.arm.patch(name, size), action)
        if not wire.PATCHED.issuperset(changed):
            if wire.status_of(live) is Status.PENDING:
                raise self._later(f"{action}: the next change follows", "InSteps")
            live, token = self._put(name, asked, action)
        return self._get(name, action) or live, token

    def delete(self, resource: ResourceState) -> RemoteObject | None:
        name = self._own_name(resource)
        action = f"delete deployment {name}"
        try:
            with self._clients.calling(action, control_plane=True):
                self._deletions[name] = self._clients.arm.delete(name)
        except Temporary:
            # The reply was lost, or a deletion is already in progress.
            body = self._get(name, action)
            if body is not None and wire.state_of(body).lower() != "deleting":
                raise
        self._freed_at = time.monotonic()
        return self.read(resource)

    def find_by_token(self, operation: PendingOperation, known: frozenset[str]) -> RemoteObject | None:
        inputs = plain(operation.inputs)
        name = wire.name_for(inputs, operation.address)
        if self._remote_id(name) in known:
            return None
        body = self._get(name, f"look for deployment {name}")
        if body is None or wire.token_of(body) != operation.token:
            return None
        return self._describe(body, name, inputs, wire.Resume("create"))

    def existing(self) -> list[Existing]:
        """Every deployment of the account."""
        with self._clients.calling("list the deployments", control_plane=True):
            bodies = self._clients.arm.deployments()
        named = [body for body in bodies if body.get("name") and wire.state_of(body).lower() != "deleting"]
        return [self._existing(body, str(body["name"])) for body in named]

    def _existing(self, body: Mapping[str, Any], name: str) -> Existing:
        remote = self._remote(body, name, {}, wire.status_of(body), "", None)
        inputs = wire.all_inputs(body, self._account.id)
        return Existing("deployment", replace(remote, inputs=inputs), name, token=wire.token_of(body))

    def _adopt(self, request: Request, name: str, body: Mapping[str, Any], action: str) -> RemoteObject:
        if wire.state_of(body).lower() == "deleting":
            raise self._later(f"{action}: the old deployment is still being deleted", "Deleting")
        if wire.token_of(body) != request.token:
            raise Permanent(
                f"{action}: a deployment with this name already exists, and it isn't in this state",
                f"It serves {wire.attributes_of(body, name, '')['model']}.",
                f"import it ({import_block(request.address, name)}) or choose another name",
                code="AlreadyExists",
            )
        if wire.status_of(body) is Status.TAINTED:
            with self._clients.calling(action, control_plane=True):
                self._clients.arm.delete(name)
            raise self._later(f"{action}: a failed deployment is being deleted first", "Deleting")
        return self._describe(body, name, request.inputs, wire.Resume("create"))

    def _describe(
        self, body: Mapping[str, Any], name: str, inputs: Mapping[str, Json], resume: wire.Resume | None
    ) -> RemoteObject:
        status, state = wire.status_of(body), wire.state_of(body)
        message, provisioning = "", status is Status.PENDING
        if status is Status.TAINTED:
            message = self._why(body, name, resume)
        elif provisioning:
            message = f"the deployment is {state or 'without a state'}"
        elif resume is not None:
            message = self._not_ready_yet(body, name, inputs, resume)
            status = Status.PENDING if message else Status.READY
        elif state.lower() != "succeeded" or _is_paused(body):
            message = "the deployment is paused" if _is_paused(body) else f"the deployment is {state}"
        return self._remote(body, name, inputs, status, message, resume, holds_concurrency_key=provisioning)

    def _describe_deletion(
        self, body: Mapping[str, Any], name: str, inputs: Mapping[str, Json]
    ) -> RemoteObject:
        """A deployment that is being deleted. Raises Permanent if the deletion failed."""
        in_doubt = wire.state_of(body).lower() != "deleting"
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
        return self._remote(body, name, inputs, Status.PENDING, message, None, holds_concurrency_key=True)

    def _remote(
        self,
        body: Mapping[str, Any],
        name: str,
        inputs: Mapping[str, Json],
        status: Status,
        message: str,
        resume: wire.Resume | None,
        *,
        holds_concurrency_key: bool = False,
    ) -> RemoteObject:
        pending = status is Status.PENDING
        remote_id = self._remote_id(str(body.get("name") or name))
        return RemoteObject(
            remote_id=remote_id,
            status=status,
            attributes=wire.attributes_of(body, remote_id, self._account.endpoint),
            inputs=wire.observed_inputs(body, inputs),
            message=message,
            resume=str(resume) if pending and resume is not None else "",
            requeue_after=self._pause if pending else None,
            holds_concurrency_key=pending and holds_concurrency_key,
        )

    def _not_ready_yet(
        self, body: Mapping[str, Any], name: str, inputs: Mapping[str, Json], resume: wire.Resume
    ) -> str:
        """What a provisioned deployment that was created or changed still lacks; empty if it is ready."""
        if "model" in inputs and not wire.has_model(body, inputs):
            return f"the deployment still has the model {wire.attributes_of(body, name, '')['model']}"
        if resume.operation == "update" and (open_changes := wire.differences(body, inputs)):
            return (
                f"the service accepted the change but doesn't show it yet: {', '.join(sorted(open_changes))}"
            )
        return self._unanswered(name, str(inputs.get("model") or "")) if self._account.probe else ""

    def _unanswered(self, name: str, model: str) -> str:
        """Why a call isn't answered yet. Anything but "no such deployment" counts as an answer."""
        action = f"call deployment {name}"
        with self._clients.calling(action):
            try:
                reply = self._clients.data.chat.completions.with_raw_response.create(
                    model=name, messages=[{"role": "user", "content": "ping"}], max_tokens=1
                )
            except Exception as exc:
                refusal = refusal_from(exc)
                reason = _not_yet(refusal) if refusal else ""
                if not reason and (refusal is None or refusal.status >= 500):
                    raise
                return reason
        answered_by = str(body_of(reply, action).get("model") or "")
        return "" if wire.answers_as(answered_by, model) else f"the deployment still answers as {answered_by}"

    def _why(self, body: Mapping[str, Any], name: str, resume: wire.Resume | None) -> str:
        """The reason of a failure. ARM keeps it with the operation, rarely with the deployment."""
        own = str(object_at(body, "properties", "error").get("message") or "")
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
            return self._clients.arm.failure(name, token)

    def _get(self, name: str, action: str) -> dict[str, Any] | None:
        with self._clients.calling(action, control_plane=True):
            return self._clients.arm.get(name)

    def _put(self, name: str, asked: _Asked, action: str, *, creates: bool = False) -> _Written:
        def send() -> _Written:
            return self._clients.arm.put(name, asked.body, self._clients.auxiliary_headers(asked.tenant))

        try:
            return self._write(send, action, creates=creates)
        except Temporary as error:
            publisher = object_at(asked.body, "properties", "model")["format"]
            if error.status != _INTERNAL_ERROR or publisher == wire.OPENAI or name not in self._crashed:
                self._crashed |= {name} if error.status == _INTERNAL_ERROR else set()
                raise
            raise Permanent(
                f"{action}: the service failed twice, probably because of the format `{publisher}`",
                "If it doesn't fit the model, the service answers with an internal error.",
                "set `format` of the deployment as the account lists it (`az cognitiveservices account "
                "list-models`)",
                code="Format",
                request_id=error.request_id,
            ) from error

    def _write(self, send: Callable[[], _Written], action: str, *, creates: bool = False) -> _Written:
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

    def _later(self, summary: str, code: str) -> Temporary:
        return Temporary(summary, code=code, retry_after=self._retry)

    def _remote_id(self, name: str) -> str:
        return f"{self._account.id}/deployments/{name}"

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


def _tenant(request: Request) -> str:
    return str(request.inputs.get("source_tenant") or "")


def _is_paused(body: Mapping[str, Any]) -> bool:
    return str(object_at(body, "properties").get("deploymentState") or "").lower() == "paused"


def _not_yet(refusal: Refusal) -> str:
    """Why a deployment refuses a call that it will answer later; empty if the refusal is an answer."""
    code = refusal.code.lower()
    if _NOT_LOADED in refusal.message.lower():
        return (
            "the deployment is provisioned but hasn't loaded its model yet (with an open model that takes "
            "some minutes, and `sku.capacity` should be at least 100)"
        )
    if code not in _ANSWERS and (refusal.status == 404 or code in _NOT_YET):
        return "the deployment is provisioned but doesn't answer yet"
    return ""

"""Deployments: created on the control plane, and ready only when the data plane answers.

A reused name serves the old model for a while, and the data plane doesn't know a new name at first.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from msgspec.structs import replace

from ftops.core.address import Json
from ftops.core.errors import Permanent, Temporary
from ftops.providers.azure import deployment_wire as wire
from ftops.providers.azure.clients import Clients
from ftops.providers.azure.provisioning import Provisioned, Written
from ftops.providers.azure.publishers import Publishers
from ftops.providers.azure.readiness import Readiness
from ftops.providers.base import Existing, Request
from ftops.providers.dataplane.client import plain
from ftops.providers.deployment_expiry import CREATED, may_have_expired
from ftops.state.state import PendingOperation, RemoteObject, ResourceState, Status

_INTERNAL_ERROR = 500


class _Asked(NamedTuple):
    """A requested deployment, its inputs, and the word for the publisher of its model."""

    body: dict[str, Any]
    inputs: Mapping[str, Json]
    publisher: str


class Deployments(Provisioned):
    """Creates, changes and deletes serverless deployments."""

    segment = "deployments"
    plural = "the deployments"

    def __init__(self, clients: Clients, readiness: Readiness, project: Path) -> None:
        super().__init__(clients, readiness)
        self._publishers = Publishers(clients, project)
        self._crashed: set[str] = set()
        """Names of deployments with a doubtful format whose request has failed inside the service once."""

    def create(self, request: Request) -> RemoteObject:
        name = wire.name_for(request.inputs, request.address)
        action = f"create deployment {name}"
        existing = self._get(name, action)
        if existing is not None:
            return self._adopt(request, name, existing, action)
        self._deletions.pop(name, None)
        publisher = self._publishers.of(request.inputs)
        asked = wire.body_for(request.inputs, request.token, self._account.id, publisher)
        body, token = self._put(name, _Asked(asked, request.inputs, publisher), action, creates=True)
        return self._describe(body, name, request.inputs, wire.Resume("create", token))

    def why_gone(self, resource: ResourceState) -> str:
        """By the clock of the service."""
        now = self._clients.arm.absent_since.get(self._own_name(resource)) or datetime.now(UTC)
        expired = may_have_expired(plain(resource.inputs), resource.outputs.get(CREATED), now)
        return "expired" if expired else ""

    def update(self, request: Request, resource: ResourceState) -> RemoteObject:
        """Sends the changes in the steps that the service accepts. Repeating it sends what is left."""
        name = self._own_name(resource)
        action = f"update deployment {name}"
        live = self._to_change(name, action)
        dropped = wire.dropped_inputs(live, plain(resource.inputs), request.inputs)
        changed = wire.differences(live, request.inputs) | dropped
        token = ""
        if changed:
            own = wire.token_of(live) or resource.token
            publisher = self._publishers.of(request.inputs)
            body = wire.changed_body(live, request.inputs, own, self._account.id, dropped, publisher)
            asked = _Asked(body, request.inputs, publisher)
            live, token = self._change(name, live, asked, changed, action)
        return self._describe(live, name, request.inputs, wire.Resume("update", token))

    def _change(
        self, name: str, live: dict[str, Any], asked: _Asked, changed: Collection[str], action: str
    ) -> Written:
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

    def _was_made_by(
        self, body: Mapping[str, Any], operation: PendingOperation, inputs: Mapping[str, Json]
    ) -> bool:
        return wire.token_of(body) == operation.token

    def _list(self) -> list[dict[str, Any]]:
        return self._clients.arm.deployments()

    def _existing(self, body: Mapping[str, Any], name: str) -> Existing:
        remote = self._remote(body, name, {}, {}, wire.status_of(body), "", None)
        inputs = wire.all_inputs(body, self._account.id)
        return Existing("deployment", replace(remote, inputs=inputs), name, token=wire.token_of(body))

    def _adopt(self, request: Request, name: str, body: Mapping[str, Any], action: str) -> RemoteObject:
        self._refuse_deleting(body, action)
        if wire.token_of(body) != request.token:
            raise self._taken(request, name, action, str(wire.attributes_of(body, name, "")["model"]))
        if wire.status_of(body) is Status.TAINTED:
            with self._clients.calling(action, control_plane=True):
                self._clients.arm.delete(name)
            raise self._later(f"{action}: a failed deployment is being deleted first", "Deleting")
        return self._describe(body, name, request.inputs, wire.Resume("create"))

    def _lacks(
        self, body: Mapping[str, Any], name: str, inputs: Mapping[str, Json], resume: wire.Resume
    ) -> str:
        if "model" in inputs and not wire.has_model(body, inputs):
            return f"the deployment still has the model {wire.attributes_of(body, name, '')['model']}"
        if resume.operation == "update" and (open_changes := wire.differences(body, inputs)):
            return (
                f"the service accepted the change but doesn't show it yet: {', '.join(sorted(open_changes))}"
            )
        return self._readiness.unanswered(self._clients.data, name, str(inputs.get("model") or ""))

    def _attributes(
        self, body: Mapping[str, Any], remote_id: str, inputs: Mapping[str, Json]
    ) -> dict[str, Json]:
        return wire.attributes_of(body, remote_id, self._account.endpoint)

    def _observed(
        self, body: Mapping[str, Any], inputs: Mapping[str, Json], outputs: Mapping[str, Json]
    ) -> dict[str, Json]:
        return wire.observed_inputs(body, inputs)

    def _get(self, name: str, action: str) -> dict[str, Any] | None:
        with self._clients.calling(action, control_plane=True):
            return self._clients.arm.get(name)

    def _begin_to_delete(self, name: str, action: str) -> str:
        with self._clients.calling(action, control_plane=True):
            return self._clients.arm.delete(name)

    def _operation_failure(self, name: str, token: str) -> str:
        return self._clients.arm.failure(name, token)

    def _put(self, name: str, asked: _Asked, action: str, *, creates: bool = False) -> Written:
        def send() -> Written:
            tenant = str(asked.inputs.get("source_tenant") or "")
            return self._clients.arm.put(name, asked.body, self._clients.auxiliary_headers(tenant))

        try:
            return self._write(send, action, creates=creates)
        except Temporary as error:
            has_crashed = error.status == _INTERNAL_ERROR
            if not has_crashed or not self._publishers.is_doubtful(asked.inputs, asked.publisher):
                raise
            if name not in self._crashed:
                self._crashed.add(name)
                raise
            raise Permanent(
                f"{action}: the service failed twice, probably because of the format `{asked.publisher}`",
                "If it doesn't fit the model, the service answers with an internal error.",
                "set `format` of the deployment as the account lists it (`az cognitiveservices account "
                "list-models`)",
                code="Format",
                request_id=error.request_id,
            ) from error

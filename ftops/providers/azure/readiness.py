"""Readiness: whether a deployment that is provisioned answers calls, and with which model."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from ftops.providers.azure import deployment_wire as wire
from ftops.providers.azure.clients import Clients
from ftops.providers.dataplane.client import body_of
from ftops.providers.dataplane.errors import Refusal, refusal_from

if TYPE_CHECKING:
    from openai import OpenAI

_NOT_FOUND, _NOT_READY = "deploymentnotfound", "deploymentnotready"
_NOT_LOADED = "failed to load lora"
"""In the internal error of a new deployment of a tuned open model, on and off for some minutes."""
_ANSWERS = frozenset({"recordingnotfound"})
"""Codes with the status 404 of a deployment that answers: the emulator's, of one that has recordings only."""


class Readiness:
    """Asks the deployments of one account."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients
        self._unready: dict[str, float] = {}
        """By name, since when a deployment has only said that it isn't ready."""

    def is_stuck(self, name: str) -> bool:
        """Whether a deployment has said nothing else for as long as the provider's settings allow."""
        since, limit = self._unready.get(name), self._clients.account.recreate_after
        return since is not None and limit is not None and time.monotonic() - since >= limit

    def forget(self, name: str) -> None:
        """The deployment of this name is another one from now on."""
        self._unready.pop(name, None)

    def unanswered(self, client: OpenAI, name: str, model: str) -> str:
        """Why a call isn't answered yet; empty if it is. Anything but "no such deployment" counts as an
        answer."""
        if not self._clients.account.probe:
            return ""
        action = f"call deployment {name}"
        with self._clients.calling(action):
            try:
                reply = client.chat.completions.with_raw_response.create(
                    model=name, messages=[{"role": "user", "content": "ping"}], max_tokens=1
                )
            except Exception as exc:
                refusal = refusal_from(exc)
                reason = self._not_yet(name, refusal) if refusal else ""
                if not reason and (refusal is None or refusal.status >= 500):
                    raise
                return reason
        self.forget(name)
        answered_by = str(body_of(reply, action).get("model") or "")
        return "" if wire.answers_as(answered_by, model) else f"the deployment still answers as {answered_by}"

    def _not_yet(self, name: str, refusal: Refusal) -> str:
        """Why a deployment refuses a call that it will answer later; empty if the refusal is an answer."""
        code = refusal.code.lower()
        if code == _NOT_READY:
            self._unready.setdefault(name, time.monotonic())
            return "the deployment doesn't answer yet (DeploymentNotReady)"
        self.forget(name)
        if _NOT_LOADED in refusal.message.lower():
            return (
                "the deployment hasn't loaded its model yet (with an open model that "
                "takes some minutes, and `sku.capacity` should be at least 100)"
            )
        if code not in _ANSWERS and (refusal.status == 404 or code == _NOT_FOUND):
            return "the deployment doesn't answer yet"
        return ""

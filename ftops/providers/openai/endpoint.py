"""Endpoint: any service with the chat completions of OpenAI, which is only asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftops.core.trusted_hosts import CHAT
from ftops.evaluation.answers import Answer, Question
from ftops.providers.dataplane.client import AccountSettings, DataPlane, client_options
from ftops.providers.dataplane.completions import ask
from ftops.providers.openai.clients import DIALECT

if TYPE_CHECKING:
    from openai import OpenAI

_NO_KEY = "none"
"""For a server on this machine; the SDK takes no empty one."""


class Endpoint(DataPlane):
    """One address, with the key of its service."""

    def __init__(self, address: str, api_key: str) -> None:
        super().__init__()
        self.account = AccountSettings(provider=address, api_key=api_key)
        self.dialect = DIALECT

    @property
    def data(self) -> OpenAI:
        client: OpenAI = self._once("data", self._build)
        return client

    def ask(self, deployment: str, question: Question) -> Answer:
        """One attempt; `deployment` is the model. Raises Temporary and Permanent."""
        return ask(self, deployment, question)

    def _build(self) -> OpenAI:
        from openai import OpenAI, omit

        address = self.account.provider
        # Unset values are omitted explicitly: the SDK would read them from the environment.
        names = dict.fromkeys(("OpenAI-Organization", "OpenAI-Project"), omit)
        return OpenAI(
            base_url=f"{address.rstrip('/')}/",
            api_key=self.account.api_key or _NO_KEY,
            default_headers=names,  # type: ignore[arg-type]
            **client_options(address, CHAT),
        )

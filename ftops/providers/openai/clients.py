"""SDK client of one project of the OpenAI platform."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ftops.core.address import Value
from ftops.core.errors import Permanent
from ftops.core.trusted_hosts import OPENAI
from ftops.providers.dataplane.client import (
    OPENAI_FILE_STATUS,
    AccountSettings,
    DataPlane,
    Dialect,
    client_options,
    shared_settings,
    text_setting,
)
from ftops.providers.openai.errors import PLATFORM

if TYPE_CHECKING:
    from openai import OpenAI

BASE_URL = "https://api.openai.com/v1"
DIALECT = Dialect(
    "the OpenAI platform",
    words=PLATFORM,
    has_training_type=False,
    fetches_files=False,
    deletes_jobs=False,
    file_status=OPENAI_FILE_STATUS,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Project(AccountSettings):
    """One project, from the settings of a provider."""

    organization: str = ""
    name: str = ""
    base_url: str = BASE_URL


def project_from(settings: Mapping[str, Value], name: str, hidden: tuple[str, ...] = ()) -> Project:
    """The project that a provider's settings describe."""
    return Project(
        organization=text_setting(settings, "organization"),
        name=text_setting(settings, "project"),
        base_url=(text_setting(settings, "base_url") or BASE_URL).rstrip("/"),
        **shared_settings(settings, name, hidden),
    )


class PlatformClients(DataPlane):
    """The only client: all routes have one base URL."""

    account: Project

    def __init__(self, account: Project) -> None:
        super().__init__()
        self.account = account
        self.dialect = DIALECT

    @property
    def data(self) -> OpenAI:
        client: OpenAI = self._once("data", self._build)
        return client

    def _build(self) -> OpenAI:
        from openai import OpenAI, omit

        account = self.account
        if not account.api_key:
            raise Permanent(
                f"provider {account.provider} has no key",
                hint=f"set providers.{account.provider}.api_key: ${{env.OPENAI_API_KEY}}",
                code="Settings",
            )
        # Unset values are omitted explicitly: the SDK would read them from the environment.
        names = {"OpenAI-Organization": account.organization, "OpenAI-Project": account.name}
        return OpenAI(
            base_url=f"{account.base_url}/",
            api_key=account.api_key,
            default_headers={name: value or omit for name, value in names.items()},  # type: ignore[misc]
            **client_options(account.base_url, OPENAI),
        )

"""SDK client of one project of the OpenAI platform."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ftops.core.address import Value
from ftops.core.errors import Permanent
from ftops.core.trusted_hosts import OPENAI
from ftops.providers.dataplane.client import (
    OPENAI_FILE_STATUS,
    DataPlane,
    Dialect,
    client_options,
    seconds_setting,
    text_setting,
    whole_setting,
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


@dataclass(frozen=True, slots=True)
class Project:
    """One project, from the settings of a provider."""

    provider: str
    api_key: str = field(default="", repr=False)
    organization: str = ""
    name: str = ""
    base_url: str = BASE_URL
    poll_interval: float = 30.0
    large_file_bytes: int = 100 << 20
    """Larger files are sent in parts."""
    part_bytes: int = 16 << 20
    hidden: tuple[str, ...] = field(default=(), repr=False)
    """Values of other settings that no message may contain."""

    @property
    def secrets(self) -> tuple[str, ...]:
        return tuple(filter(None, (self.api_key, *self.hidden)))


def project_from(settings: Mapping[str, Value], name: str, hidden: tuple[str, ...] = ()) -> Project:
    """The project that a provider's settings describe."""
    return Project(
        provider=name,
        api_key=text_setting(settings, "api_key"),
        organization=text_setting(settings, "organization"),
        name=text_setting(settings, "project"),
        base_url=(text_setting(settings, "base_url") or BASE_URL).rstrip("/"),
        poll_interval=seconds_setting(settings, "poll_interval", 30.0),
        large_file_bytes=whole_setting(settings, "large_file_bytes", 100 << 20),
        part_bytes=whole_setting(settings, "part_bytes", 16 << 20),
        hidden=hidden,
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

"""The OpenAI platform as tests have it: the emulator's v1 routes behind a wire that speaks the platform's
dialect. What it says in its own way: statuses, names of models, errors."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from ftops.core.address import Json
from ftops.providers.openai.provider import OpenAIProvider
from tests.contract.azure_cloud import Cloud
from tests.contract.wire import Wire, tapped

_THEIRS = re.compile(r"(?P<base>gpt-[a-z0-9.-]+?)\.ft-(?P<id>[0-9a-f]{32})(?:-(?P<suffix>[A-Za-z0-9_-]+))?")
_OURS = re.compile(r"ft:(?P<base>gpt-[a-z0-9.-]+):acme:(?P<suffix>[A-Za-z0-9_-]*):(?P<id>[0-9a-f]{32})")
_JOB_PENDING = re.compile(r'("object":"fine_tuning\.job","created_at":\d+,"status":)"pending"')
_FILE_PENDING = re.compile(r'"status":"pending"(?=[^{}]*"object":"file")')


def as_platform(text: str) -> str:
    """What the emulator says, as the platform would."""
    text = _THEIRS.sub(lambda m: f"ft:{m['base']}:acme:{m['suffix'] or ''}:{m['id']}", text)
    text = _JOB_PENDING.sub(r'\1"validating_files"', text)
    return _FILE_PENDING.sub('"status":"uploaded"', text)


def as_emulator(text: str) -> str:
    """What is asked of the platform, as the emulator knows it."""
    text = text.replace("%3A", ":")
    return _OURS.sub(lambda m: f"{m['base']}.ft-{m['id']}" + (f"-{m['suffix']}" if m["suffix"] else ""), text)


@dataclass(frozen=True)
class Platform:
    """The platform, and what is needed to speak to it."""

    wire: Wire
    cloud: Cloud

    @property
    def base_url(self) -> str:
        return f"{self.wire.url}/v1"

    def settings(self) -> dict[str, Json]:
        return {
            "api_key": self.cloud.key,
            "base_url": self.base_url,
            "poll_interval": 0.0,
            "visible_after": 0,
        }

    def provider(self, **settings: Json) -> OpenAIProvider:
        return OpenAIProvider(self.settings() | settings, name="openai")


@contextmanager
def running_platform(cloud: Cloud) -> Iterator[Platform]:
    """The platform on an emulator that doesn't ask for a training type."""
    wire = Wire(cloud.url, prefix="/openai", asked=as_emulator, answered=as_platform)
    before = cloud.admin("GET", "settings")["training_type_v1"]
    cloud.admin("PATCH", "settings", {"training_type_v1": "accepted"})
    try:
        with tapped(wire):
            yield Platform(wire, cloud)
    finally:
        cloud.admin("PATCH", "settings", {"training_type_v1": before})

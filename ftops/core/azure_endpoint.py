"""Azure endpoints: the address of a resource or of a project in it, and the scopes of its tokens. Pure."""

from __future__ import annotations

import re
from typing import NamedTuple

RESOURCE_SCOPE = "https://cognitiveservices.azure.com/.default"
PROJECT_SCOPE = "https://ai.azure.com/.default"
SCOPES = (
    RESOURCE_SCOPE,
    PROJECT_SCOPE,
    "https://cognitiveservices.azure.us/.default",
    "https://cognitiveservices.azure.cn/.default",
)
"""Which of the first two a service takes isn't the same everywhere."""
_FORM = re.compile(r"(?P<resource>.*?)(?P<project>/api/projects/[^/]+)?(?:/openai/v1)?/*", re.IGNORECASE)


class Endpoint(NamedTuple):
    """The address of a resource, and the path of a project in it, if there is one."""

    resource: str
    project: str = ""

    @property
    def v1(self) -> str:
        """The base URL of the v1 routes."""
        return f"{self.resource}{self.project}/openai/v1/"

    @property
    def scope(self) -> str:
        """The usual scope of tokens for it."""
        return PROJECT_SCOPE if self.project else RESOURCE_SCOPE


def parse(address: str) -> Endpoint:
    """Also of an address to which somebody has added `/openai/v1`."""
    found = _FORM.fullmatch(address.strip())
    return Endpoint(found["resource"], found["project"] or "") if found else Endpoint(address)


def other_scope(scope: str) -> str:
    """What to try if a token for this scope is refused."""
    return RESOURCE_SCOPE if scope == PROJECT_SCOPE else PROJECT_SCOPE

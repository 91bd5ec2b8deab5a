"""Azure endpoints: the address of a resource or of a project in it. Pure."""

from __future__ import annotations

import re
from typing import NamedTuple

_FORM = re.compile(
    r"(?P<resource>.*?)/*(?P<project>/api/projects/[a-z0-9][a-z0-9._-]{0,63})?(?:/openai/v1)?/*",
    re.IGNORECASE | re.ASCII,
)


class Endpoint(NamedTuple):
    """The address of a resource, and the path of a project in it, if there is one."""

    resource: str
    project: str = ""

    @property
    def v1(self) -> str:
        """The base URL of the v1 routes."""
        return f"{self.resource}{self.project}/openai/v1/"


_HOST = re.compile(
    r"(https://[a-z0-9-]+)\.(?:openai|cognitiveservices)(\.azure\.(?:com|us|cn))",
    re.IGNORECASE | re.ASCII,
)


def of_foundry(resource: str) -> str:
    """The address of a resource at which it also serves managed compute, if its host tells that: the one of
    Azure OpenAI isn't said to."""
    found = _HOST.fullmatch(resource.rstrip("/"))
    return f"{found[1]}.services.ai{found[2]}" if found else resource


def parse(address: str) -> Endpoint:
    """Also of an address to which somebody has added `/openai/v1`."""
    found = _FORM.fullmatch(address.strip())
    return Endpoint(found["resource"], found["project"] or "") if found else Endpoint(address)

"""API versions of Azure OpenAI's data plane, and what their descriptions have. Pure."""

from __future__ import annotations

from msgspec import Struct

V1 = "v1"
PREVIEW = "2025-04-01-preview"
"""Has what v1 lacks: uploads in parts, files from a URL, the deletion of jobs."""
STABLE = "2024-10-21"
_V1_NAMES = frozenset({V1, "preview", "latest"})


class Description(Struct, frozen=True):
    """What the description of an API version has for jobs."""

    methods: tuple[str, ...] = ("supervised", "dpo", "reinforcement")
    lacks: tuple[str, ...] = ()
    """Fields of a job that are sent all the same."""
    longest_suffix: int = 64


_V1 = Description()
_PREVIEW = Description(lacks=("metadata",), longest_suffix=40)
_STABLE = Description(("supervised",), ("trainingType", "metadata", "integrations"), longest_suffix=40)


def is_v1(version: str) -> bool:
    """Whether its routes have no date: they are below `/openai/v1/`."""
    return version.lower() in _V1_NAMES


def describe(version: str) -> Description:
    """By the kind of version: v1, a dated preview, or a stable dated version."""
    if is_v1(version):
        return _V1
    return _PREVIEW if "preview" in version.lower() else _STABLE

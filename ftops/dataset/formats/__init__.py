"""Formats: what a line of each format has to look like."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

Holder = TypeVar("Holder", bound=Mapping[str, Any])
OUTPUTS = ("preferred_output", "non_preferred_output")
"""The answers of a preference pair."""


def is_conversation(messages: object) -> bool:
    """Whether it is a list of messages with roles that are text."""
    return isinstance(messages, list) and all(
        isinstance(m, dict) and isinstance(m.get("role"), str) for m in messages
    )


def offering(example: Holder) -> Holder | dict[str, Any]:
    """The part of an example that offers functions: of a preference pair its input, else all of it."""
    given = example.get("input")
    return given if isinstance(given, dict) and "messages" not in example else example

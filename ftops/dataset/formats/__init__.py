"""Formats: what a line of each format has to look like."""

from __future__ import annotations

OUTPUTS = ("preferred_output", "non_preferred_output")
"""The answers of a preference pair."""


def is_conversation(messages: object) -> bool:
    """Whether it is a list of messages with roles that are text."""
    return isinstance(messages, list) and all(
        isinstance(m, dict) and isinstance(m.get("role"), str) for m in messages
    )

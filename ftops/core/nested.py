"""Nested values: reads mappings within mappings whose form isn't certain, such as replies of a service."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def object_at(holder: Mapping[str, Any], *keys: str) -> Mapping[str, Any]:
    """The mapping at a path of keys; empty if there is none."""
    for key in keys:
        value = holder.get(key)
        holder = value if isinstance(value, Mapping) else {}
    return holder


def number_at(holder: Mapping[str, Any], key: str) -> int:
    """The whole number at a key; 0 if there is none."""
    value = holder.get(key)
    return value if isinstance(value, int) and not isinstance(value, bool) else 0


def list_at(holder: Mapping[str, Any], key: str) -> list[Any]:
    """The list at a key; empty if there is none."""
    value = holder.get(key)
    return value if isinstance(value, list) else []

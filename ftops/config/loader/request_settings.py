"""Settings of requests: parameters that would ask another model, or something else, are errors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ftops.config.loader.files import Keys


def settings_faults(settings: Mapping[str, Any]) -> Iterator[tuple[Keys, str]]:
    """Parameters that a spec can't set: where, and a summary."""
    from ftops.evaluation.answers import NO_SETTINGS  # only if a spec has settings

    yield from (
        (("settings", key), f"`settings` can't set `{key}`") for key in NO_SETTINGS if key in settings
    )

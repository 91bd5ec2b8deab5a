"""Durations as they are written, such as `30s`, `12h`, `90d` or `1h30m`."""

from __future__ import annotations

import re
from collections.abc import Mapping

_PART = re.compile(r"(\d+(?:\.\d+)?)(s|m|h|d)?")
_SECONDS: Mapping[str | None, int] = {None: 1, "s": 1, "m": 60, "h": 3600, "d": 86400}
LONGEST = 36_525 * 86_400.0
"""A century, in seconds."""


def seconds_of(text: str) -> float | None:
    """None if it isn't a duration. A number alone is in seconds."""
    found = list(_PART.finditer(text))
    if not found or "".join(match[0] for match in found) != text:
        return None
    return sum(float(match[1]) * _SECONDS[match[2]] for match in found)

"""When an object counts as gone that the service doesn't show: its lists and replicas lag behind. Pure."""

from __future__ import annotations

from datetime import datetime

LOOK_AGAIN = 2.0
"""Seconds between two looks at most."""


def invisible_for(created_at: str, lag: float, now: datetime) -> float:
    """Seconds for which an object may still not be shown; `lag` is what its provider allows for at most. The
    clock of the machine that created it may be another. Without a moment (ISO 8601), it isn't new."""
    if not (lag and created_at):
        return 0.0
    age = (now - datetime.fromisoformat(created_at)).total_seconds()
    return min(lag, max(0.0, lag - age))


def look_again_after(left: float, pause: float, *, missed_before: bool) -> float | None:
    """Seconds until the next look at an object that was not shown; None if it counts as gone. `left` is how
    long it may stay so. A single miss means nothing: the next look is made by another replica."""
    if missed_before and left <= 0:
        return None
    return min(max(left, pause), LOOK_AGAIN)

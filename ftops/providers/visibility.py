"""Visibility: when an object that the service doesn't show counts as deleted. Its replicas lag. Pure."""

from __future__ import annotations

from datetime import datetime

LOOK_AGAIN = 2.0
"""The longest time between two reads, in seconds."""


def invisible_for(created_at: str, lag: float, now: datetime) -> float:
    """Seconds for which an object may still not be visible, at most `lag`. It may have been created by a
    machine with another clock. Without a timestamp (ISO 8601), it isn't new."""
    if not (lag and created_at):
        return 0.0
    age = (now - datetime.fromisoformat(created_at)).total_seconds()
    return min(lag, max(0.0, lag - age))


def look_again_after(left: float, pause: float, *, missed_before: bool) -> float | None:
    """Seconds until the next read of an object that wasn't found; None if it counts as deleted. `left`: how
    long it may remain invisible. A single miss doesn't count: another replica may answer the next read."""
    if missed_before and left <= 0:
        return None
    return min(max(left, pause), LOOK_AGAIN)

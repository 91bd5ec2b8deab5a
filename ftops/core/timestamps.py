"""Timestamps: the text form of times."""

from __future__ import annotations

from datetime import datetime


def iso_timestamp(moment: datetime, timespec: str = "seconds") -> str:
    """A time in UTC in ISO 8601: 2026-01-01T00:00:00Z. `timespec` as of datetime.isoformat."""
    return moment.isoformat(timespec=timespec).replace("+00:00", "Z")

"""Retry: exponential backoff between the tries of a call that fails temporarily. Pure."""

from __future__ import annotations

import sys

from msgspec import Struct

_DOUBLINGS = 30
"""More would be no number that a float can hold."""


class Backoff(Struct, frozen=True):
    """Waits double from `base` seconds up to `longest`. A time from the service (`retry_after`) has
    precedence, up to `longest_named`: some services ask for a day, and an earlier retry does no harm."""

    base: float
    tries: int
    longest: float = 60.0
    longest_named: float = 60.0

    def wait(self, failures: int, retry_after: float | None = None) -> float | None:
        """Seconds before the next try after this number of failures; None: give up."""
        if failures >= self.tries:
            return None
        if retry_after is not None:
            return min(retry_after, self.longest_named)
        return min(self.base * 2.0 ** min(failures - 1, _DOUBLINGS), self.longest)


def of_changes(base: float) -> Backoff:
    """About seven minutes, or more if the service gives a time: a run that stops halfway costs more."""
    return Backoff(base, tries=12, longest_named=300.0)


def of_places(base: float) -> Backoff:
    """Until there is room, which may take days."""
    return Backoff(base, tries=sys.maxsize)


def of_reads(base: float) -> Backoff:
    """Few tries: you wait for the plan, and can plan again."""
    return Backoff(base, tries=5)


def of_searches(base: float) -> Backoff:
    """One retry: a plan doesn't depend on the result."""
    return Backoff(base, tries=2)

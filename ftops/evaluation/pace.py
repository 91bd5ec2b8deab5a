"""Pace: how many requests a busy deployment is sent at once, and from when. Learned from its refusals. Pure.

A limit applies to a window of time or to a bucket that is filled continuously; the service says when to come
again, and until then nothing is sent. The number of requests at once is found as in TCP: it doubles with each
round of answers until the first refusal, then shrinks with each refusal and grows by one with each round. So
the whole limit is used, and few requests are refused.
"""

from __future__ import annotations

import math

from ftops.core.retry import Backoff

PATIENCE = Backoff(1.0, tries=12, longest=30.0, longest_named=120.0)
FIRST = 8.0
"""Requests at once, at first."""
_LESS = 0.7
"""Of the requests at once after a refusal."""


class Pace:
    """Of one deployment. Times are monotonic."""

    def __init__(self) -> None:
        self.slots = FIRST
        """Requests at once."""
        self.not_before = -math.inf
        """When the next request may be sent."""
        self._sent = 0
        self._known = 0
        self._refusals = 0

    def sent(self) -> int:
        """The number of a request that is sent now."""
        self._sent += 1
        return self._sent

    def answered(self) -> None:
        self._refusals = 0
        self.slots += 1 / self.slots if self._known else 1

    def refused(self, number: int, now: float, running: int, retry_after: float | None) -> bool:
        """After a request, of so many at once, was refused because the service is busy. False if it has been
        busy for too long."""
        if number > self._known:  # else it was sent before the last refusal was known: the same one
            self._known = self._sent
            self._refusals += 1
            self.slots = max(1.0, running * _LESS)
        delay = PATIENCE.wait(self._refusals, retry_after)
        if delay is None:
            return False
        self.not_before = max(self.not_before, now + delay)
        return True

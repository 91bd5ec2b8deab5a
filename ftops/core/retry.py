"""Retry with exponential backoff: tries of a call that fails temporarily, and waits between. Pure."""

from __future__ import annotations

from msgspec import Struct


class Backoff(Struct, frozen=True):
    """Waits double from `base` seconds up to `longest`. What the service names (`retry_after`) counts
    instead, up to `longest_named`: services have been seen to ask for a day, and asking again sooner does
    no harm."""

    base: float
    tries: int
    longest: float = 60.0
    longest_named: float = 60.0

    def wait(self, failures: int, retry_after: float | None = None) -> float | None:
        """Seconds before the next try of a call that has failed so often; None: give up."""
        if failures >= self.tries:
            return None
        if retry_after is not None:
            return min(retry_after, self.longest_named)
        return min(self.base * 2.0 ** (failures - 1), self.longest)


def of_changes(base: float) -> Backoff:
    """About seven minutes, and more where the service names a time: a run that stops halfway costs more."""
    return Backoff(base, tries=12, longest_named=300.0)


def of_reads(base: float) -> Backoff:
    """Few tries: somebody waits for the plan, and nothing is lost by planning again."""
    return Backoff(base, tries=5)


def of_searches(base: float) -> Backoff:
    """One more try: a plan can be made without what is looked for."""
    return Backoff(base, tries=2)

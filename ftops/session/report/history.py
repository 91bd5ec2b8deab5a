"""History of recorded objects: the run that created each, and the versions of the state. Reads the store."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from itertools import pairwise

from ftops.core.errors import StateError
from ftops.session.session import Session
from ftops.state.backends.audit_log import Run
from ftops.state.state import ResourceState, State


class Runs:
    """The runs of an audit log, by time."""

    def __init__(self, runs: Sequence[Run]) -> None:
        self.all = [run for run in runs if _moment(run.begun.at)]
        self._starts = [_moment(run.begun.at) or datetime.min.replace(tzinfo=UTC) for run in self.all]

    def of(self, record: ResourceState) -> Run | None:
        """The run during which an object was created; None if it is older than the log, or was adopted."""
        created = _moment(record.created_at)
        if created is None:
            return None
        place = bisect_right(self._starts, created)
        run = self.all[place - 1] if place else None
        ended = _moment(run.ended.at) if run and run.ended else None
        return None if ended is not None and created > ended else run

    def overrides(self) -> dict[str, str]:
        """Why the gates of deployments were overridden last, by their address."""
        found: dict[str, str] = {}
        for run in self.all:
            found |= run.begun.overrides
        return found


def earlier_states(session: Session) -> Iterator[tuple[str, State]]:
    """The kept versions of the state before the current one, the newest first, with the time at which each
    was replaced. Those that can't be read are left out."""
    versions = session.store.versions()
    for later, version in pairwise(versions):
        with suppress(StateError):
            yield later.at, session.store.read_version(version.id)


def _moment(text: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)

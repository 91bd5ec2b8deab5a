"""Read-only sessions: they also find a state at its previous location."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ftops.cli.console import Screen
from ftops.config.config import Config
from ftops.session.session import Session


@contextmanager
def looking(screen: Screen, config: Config) -> Iterator[Session]:
    """A session that is there to be read. Where its record was found elsewhere, a warning says so."""
    with Session.open(config) as session:
        screen.warn(session.look_elsewhere())
        yield session

"""Running jobs: where recorded jobs in progress stand, as lines below what another command shows."""

from __future__ import annotations

from collections.abc import Collection

from ftops.core.address import Address
from ftops.core.errors import FtopsError
from ftops.session.session import Session
from ftops.session.training import standings
from ftops.views.jobs import draw_standing
from ftops.views.paint import Painter


def standing_lines(session: Session, addresses: Collection[Address], paint: Painter) -> list[str]:
    """A line for each that is in progress; if they can't be read, a line that says why, since what the
    command itself shows doesn't need them."""
    try:
        found = standings(session, addresses)
    except FtopsError as error:
        return [f"Where running jobs stand isn't known: {paint(error.diagnostics[0].summary)}."]
    unrecorded = "; `ftops apply` records it"
    return [f"{draw_standing(one, paint)}{unrecorded * one.is_ended}" for one in found.values()]

"""Sweeps at the command line: `ftops results` with an address without a key."""

from __future__ import annotations

from ftops.cli.console import Screen
from ftops.core.address import Address
from ftops.session.session import Session
from ftops.session.sweep import instances, sweep_of
from ftops.views.sweep import draw_sweep, sweep_to_csv, sweep_to_json, sweep_to_markdown


def is_sweep(session: Session, address: Address) -> bool:
    """Whether the address stands for the recorded jobs of a `for_each`."""
    recorded = session.state.resources
    return address.key is None and address not in recorded and bool(instances(recorded, address))


def show_sweep(screen: Screen, session: Session, address: Address, sort: str | None) -> int:
    sweep = sweep_of(session, address, sort or "")
    if screen.markdown:
        screen.text(sweep_to_markdown(sweep))
    elif screen.format == "csv":
        for line in sweep_to_csv(sweep):
            screen.raw(line)
    else:
        screen.result(lambda: sweep_to_json(sweep), lambda: draw_sweep(sweep, screen.paint, screen.width))
    return 0

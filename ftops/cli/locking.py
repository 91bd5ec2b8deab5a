"""Locking for commands that write to the state: waits for the lock, and always releases it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import click

from ftops.cli.console import Screen
from ftops.cli.interrupts import Interrupts
from ftops.cli.output_options import Command
from ftops.core.errors import StateLocked
from ftops.session.session import Session
from ftops.state.backends import Waiting

_DURATION = re.compile(r"(\d+(?:\.\d+)?)(s|m|h)?")
_SECONDS: Mapping[str | None, int] = {None: 1, "s": 1, "m": 60, "h": 3600}


class Duration(click.ParamType[float]):
    """`90`, `30s`, `10m`, `1h`: in seconds."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if isinstance(value, int | float):
            return float(value)
        found = list(_DURATION.finditer(value))
        if not found or "".join(match[0] for match in found) != value:
            self.fail(f"{value!r} isn't a duration such as 30s or 10m", param, ctx)
        return sum(float(match[1]) * _SECONDS[match[2]] for match in found)


def lock_option(function: Command) -> Command:
    """--lock-timeout, in seconds."""
    return click.option(
        "--lock-timeout",
        type=Duration(),
        default=0.0,
        metavar="TIME",
        help="How long to wait for another run to end: 30s, 10m (default: don't wait).",
    )(function)


@contextmanager
def locked(screen: Screen, session: Session, operation: str, timeout: float) -> Iterator[Interrupts]:
    """Alone with the state until the end of the block. A signal ends the block, and so gives the lock back.
    Raises StateLocked, KeyboardInterrupt."""

    def tell(refusal: StateLocked) -> None:
        screen.note(f"Waiting for the lock of the state: {refusal.detail}\n")

    with Interrupts() as interrupts, session.locked(operation, Waiting(timeout, tell)):
        yield interrupts

"""Sessions: opens one for a command, read-only or with the state locked, and stops it on a signal."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from types import FrameType
from typing import Any

import click

from ftops.applying.run import Apply
from ftops.cli.console import INTERRUPTED, Screen
from ftops.cli.spec_args import SpecArguments, read_outline
from ftops.core.durations import LONGEST, seconds_of
from ftops.core.errors import StateLocked
from ftops.session.session import Session
from ftops.state.backends.base import Waiting

_SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))


@contextmanager
def looking(screen: Screen, spec: SpecArguments) -> Iterator[Session]:
    """A read-only session. Warns if the state was found at its previous location."""
    with Session.open(read_outline(spec)) as session:
        screen.warn(session.look_elsewhere())
        yield session


@contextmanager
def locked(screen: Screen, session: Session, operation: str, timeout: float) -> Iterator[Interrupts]:
    """Holds the lock of the state until the end of the block, also if a signal ends it.
    Raises StateLocked, KeyboardInterrupt."""

    def tell(refusal: StateLocked) -> None:
        screen.note(f"Waiting for the lock of the state: {refusal.detail}\n")

    interrupts = Interrupts()
    with handling_signals(interrupts.take), session.locked(operation, Waiting(timeout, tell)):
        yield interrupts


@contextmanager
def locked_or_beside(session: Session, operation: str) -> Iterator[StateLocked | None]:
    """Holds the lock of the state; if another run has it, goes on without, and yields the refusal. For what
    only asks the service for something, and changes nothing on which the other run relies."""
    other: StateLocked | None = None
    with handling_signals(Interrupts().take), ExitStack() as stack:
        try:
            stack.enter_context(session.locked(operation))
        except StateLocked as refusal:
            other = refusal
        yield other


class Duration(click.ParamType[float]):
    """`90`, `30s`, `10m`, `1h`, `90d`: in seconds."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if isinstance(value, int | float):
            return float(value)
        seconds = seconds_of(value)
        if seconds is None:
            self.fail(f"{value!r} isn't a duration such as 30s or 10m", param, ctx)
        if seconds > LONGEST:
            self.fail(f"{value!r} is more than a century", param, ctx)
        return seconds


lock_option = click.option(
    "--lock-timeout",
    type=Duration(),
    default=0.0,
    metavar="TIME",
    help="How long to wait for another run to end: 30s, 10m (default: don't wait).",
)


@contextmanager
def handling_signals(take: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    """Signals that end a program go to this handler, in the main thread. One that is ignored (nohup) stays
    ignored."""
    handled = [number for number in _SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, take) for number in handled}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class Interrupts:
    """The first signal stops the run gracefully, the second immediately."""

    def __init__(self) -> None:
        self._run: Apply | None = None
        self._count = 0

    def watch(self, run: Apply) -> None:
        """From now on the first signal stops this run."""
        self._run = run

    def take(self, number: int, frame: FrameType | None) -> None:
        self._count += 1
        if self._run is None or self._count == 2:
            raise KeyboardInterrupt
        if self._count > 2:
            os._exit(INTERRUPTED)
        self._run.stop()

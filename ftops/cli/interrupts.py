"""Interrupts: the first signal stops an apply gracefully, the second immediately."""

from __future__ import annotations

import os
import signal
from types import FrameType, TracebackType
from typing import Any, Protocol

from ftops.cli.console import INTERRUPTED

SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))


class Stoppable(Protocol):
    """What can be asked to stop from a signal handler."""

    def stop(self) -> None: ...


class Interrupts:
    """A context manager, for the main thread. A signal that is ignored (nohup) stays ignored."""

    def __init__(self) -> None:
        self._run: Stoppable | None = None
        self._count = 0
        self._before: dict[int, Any] = {}

    def watch(self, run: Stoppable) -> None:
        """From now on the first signal stops this run."""
        self._run = run

    def __enter__(self) -> Interrupts:
        for number in SIGNALS:
            if signal.getsignal(number) is not signal.SIG_IGN:
                self._before[number] = signal.signal(number, self._take)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _take(self, number: int, frame: FrameType | None) -> None:
        self._count += 1
        if self._run is None or self._count == 2:
            raise KeyboardInterrupt
        if self._count > 2:
            os._exit(INTERRUPTED)
        self._run.stop()

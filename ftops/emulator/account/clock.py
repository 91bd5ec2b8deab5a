"""Virtual clock: an anchor in real time and a rate, kept on disk for restarts.

Nothing in the emulator sleeps: every state is a function of ``Clock.now()``.
"""

from __future__ import annotations

import time
from pathlib import Path

from ftops.emulator.account.storage import read_json, write_json


class Clock:
    """The time of the emulated service, in seconds since the epoch."""

    def __init__(self, path: Path, rate: float | None = None) -> None:
        self._path = path
        stored = read_json(path) or {}
        real = time.time()
        self._real = float(stored.get("real", real))
        self._virtual = float(stored.get("virtual", real))
        self._rate = float(stored.get("rate", 1.0))
        if rate is not None and rate != self._rate:
            self.set(rate=rate)
        elif not stored:
            self._save()
        self._first_rate = self._rate

    @property
    def rate(self) -> float:
        """Virtual seconds per real second."""
        return self._rate

    def now(self) -> float:
        return self._virtual + (time.time() - self._real) * self._rate

    def set(self, *, advance: float = 0.0, now: float | None = None, rate: float | None = None) -> None:
        """Move forward by ``advance`` seconds, or to ``now``, and change the rate. Raises ValueError."""
        real, virtual = time.time(), self.now()
        target = virtual + advance if now is None else now
        if target < virtual or (rate is not None and rate < 0):
            raise ValueError("the clock only goes forward, at a rate of 0 or more")
        self._real, self._virtual = real, target
        self._rate = self._rate if rate is None else rate
        self._save()

    def reset(self) -> None:
        """Back to the real time and the first rate. Nothing else turns the clock back."""
        self._real = self._virtual = time.time()
        self._rate = self._first_rate
        self._save()

    def _save(self) -> None:
        write_json(self._path, {"real": self._real, "virtual": self._virtual, "rate": self._rate})

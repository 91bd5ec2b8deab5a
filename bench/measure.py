"""Measurement: runs a command, and returns its time and peak memory."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_NOT_FOR_CHILDREN = ("PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED", "PYTHONPROFILEIMPORTTIME")
"""Settings of a developer's machine that slow down Python."""


@dataclass(frozen=True, slots=True)
class Measurement:
    """One run, or the minimum of several: wall time in seconds, peak resident memory in bytes."""

    seconds: float
    memory: int


class CommandFailed(Exception):
    """A measured command failed, so its figures aren't valid."""


def child_environment() -> dict[str, str]:
    """The environment of all measured commands."""
    environment = {k: v for k, v in os.environ.items() if k not in _NOT_FOR_CHILDREN}
    if not Path(environment.get("TF_CLI_CONFIG_FILE", os.devnull)).exists():
        del environment["TF_CLI_CONFIG_FILE"]
    # Without this, Terraform checks for updates over the network.
    return environment | {"CHECKPOINT_DISABLE": "1", "TF_IN_AUTOMATION": "1", "NO_COLOR": "1"}


def ftops_command() -> list[str]:
    """The command for the ftops that is installed with this Python."""
    script = Path(sys.executable).with_name("ftops")
    return [str(script)] if script.exists() else [sys.executable, "-m", "ftops"]


def run(command: Sequence[str], folder: Path | None = None, *, expect: int = 0) -> Measurement:
    """Runs a command. Raises CommandFailed if its exit code isn't `expect`.

    The peak memory of the child is at least that of this process at the time of the fork, so this process
    must stay small; that is why output goes to a file.
    """
    with tempfile.TemporaryFile() as output:
        started = time.perf_counter()
        child = subprocess.Popen(
            command,
            cwd=folder,
            env=child_environment(),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        _, status, usage = os.wait4(child.pid, 0)
        seconds = time.perf_counter() - started
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode != expect:
            raise CommandFailed(_failure(command, child.returncode, expect, _tail(output.fileno())))
    return Measurement(seconds, usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024))


def least(runs: Sequence[Measurement]) -> Measurement:
    """The minimum time and memory: anything above is caused by other load."""
    return Measurement(min(r.seconds for r in runs), min(r.memory for r in runs))


def repeat(command: Sequence[str], times: int, folder: Path | None = None, *, expect: int = 0) -> Measurement:
    """The minimum of several runs, after one that fills the caches."""
    run(command, folder, expect=expect)
    return least([run(command, folder, expect=expect) for _ in range(times)])


class OtherWork:
    """The load of other processes during a measurement, in processors; None if it is unknown.

    Other load slows down different programs by different factors.
    """

    def __init__(self) -> None:
        self._started = time.monotonic()
        self._busy = _busy_seconds()
        self._own = _own_seconds()

    def processors(self) -> float | None:
        now = _busy_seconds()
        if now is None or self._busy is None:
            return None
        others = (now - self._busy) - (_own_seconds() - self._own)
        return max(0.0, others / (time.monotonic() - self._started))


def _busy_seconds() -> float | None:
    """Processor time of all processes since the machine was started."""
    try:
        first = Path("/proc/stat").read_text().split("\n", 1)[0]
    except OSError:
        return None
    user, nice, system, _idle, _iowait, *interrupts = (int(ticks) for ticks in first.split()[1:9])
    return (user + nice + system + sum(interrupts)) / os.sysconf("SC_CLK_TCK")


def _own_seconds() -> float:
    return sum(os.times()[:4])


def machine() -> dict[str, str]:
    """The machine and the versions of the tools."""
    return {
        "system": platform.platform(),
        "processors": str(os.cpu_count()),
        "python": platform.python_version(),
        "date": time.strftime("%Y-%m-%d"),
    }


def _tail(descriptor: int) -> str:
    size = os.fstat(descriptor).st_size
    return os.pread(descriptor, 4000, max(0, size - 4000)).decode(errors="replace")


def _failure(command: Sequence[str], code: int, expected: int, tail: str) -> str:
    return f"{' '.join(command)}: exit code {code}, not {expected}\n{tail}"

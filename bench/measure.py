"""Runs a command to its end and says how long it took and how much memory it held at most."""

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
"""Settings of a development machine that no user has, and that would slow Python down."""


@dataclass(frozen=True, slots=True)
class Measurement:
    """One run, or the least of several: wall time in seconds, peak resident memory in bytes."""

    seconds: float
    memory: int


class CommandFailed(Exception):
    """A measured command did not end as it must for its figures to mean anything."""


def child_environment() -> dict[str, str]:
    """The environment that measured commands get, the same for all."""
    environment = {k: v for k, v in os.environ.items() if k not in _NOT_FOR_CHILDREN}
    if not Path(environment.get("TF_CLI_CONFIG_FILE", os.devnull)).exists():
        del environment["TF_CLI_CONFIG_FILE"]
    # Terraform asks the network for news of itself, which is not what is measured.
    return environment | {"CHECKPOINT_DISABLE": "1", "TF_IN_AUTOMATION": "1", "NO_COLOR": "1"}


def ftops_command() -> list[str]:
    """ftops as it is installed beside this Python."""
    script = Path(sys.executable).with_name("ftops")
    return [str(script)] if script.exists() else [sys.executable, "-m", "ftops"]


def run(command: Sequence[str], folder: Path | None = None, *, expect: int = 0) -> Measurement:
    """One run of a command, which has to end with the exit code `expect`.

    The figure of peak memory starts from this process's own at the time of the fork, so this process
    has to stay smaller than what it measures; that is why output goes to a file.
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
    """The least time and the least memory: what is above it is the machine's other work."""
    return Measurement(min(r.seconds for r in runs), min(r.memory for r in runs))


def repeat(command: Sequence[str], times: int, folder: Path | None = None, *, expect: int = 0) -> Measurement:
    """The least of several runs, after one that fills the caches."""
    run(command, folder, expect=expect)
    return least([run(command, folder, expect=expect) for _ in range(times)])


class OtherWork:
    """How much the rest of the machine did meanwhile, in processors; None where the system doesn't say.

    What is measured beside other work is slower than it is, and not by the same factor for every program.
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
    """Processor time of everything since the machine was started."""
    try:
        first = Path("/proc/stat").read_text().split("\n", 1)[0]
    except OSError:
        return None
    user, nice, system, _idle, _iowait, *interrupts = (int(ticks) for ticks in first.split()[1:9])
    return (user + nice + system + sum(interrupts)) / os.sysconf("SC_CLK_TCK")


def _own_seconds() -> float:
    return sum(os.times()[:4])


def machine() -> dict[str, str]:
    """Where the figures come from."""
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

"""Processes of `python -m MODULE`, forked from one that has imported ftops and the SDKs before.

Many tests need a process of its own, for signals, exit codes or what is left of a killed one, but not its
start, which takes up to a second. Tests of the start itself, of flags and variables of Python, and of modules
that lie beside a spec start Python.
"""

from __future__ import annotations

import atexit
import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from tests.support.fork_server import LONGEST

ROOT = Path(__file__).parent.parent.parent
MODULES = ("ftops", "ftops.emulator", "tests.golden.slow", "tests.support.kill_at")
_OF_PYTHON = ("PYTHON", "LC_", "LANG")
"""Variables that Python reads when it starts."""


def knows(command: Sequence[str], environ: Iterable[str] = ()) -> bool:
    """Whether it is `python -m MODULE …` with one of the modules, and no variable is Python's own."""
    is_module = tuple(command[:2]) == (sys.executable, "-m") and command[2] in MODULES
    return is_module and not any(name.startswith(_OF_PYTHON) for name in environ)


class _Forked(subprocess.Popen[Any]):
    """Like that of Python, for the command `[sys.executable, "-m", MODULE, …]`."""

    _answers: socket.socket

    def _execute_child(  # type: ignore[no-untyped-def]
        self, args, executable, preexec_fn, close_fds, pass_fds, cwd, env, startupinfo, creationflags, shell,
        p2cread, p2cwrite, c2pread, c2pwrite, errread, errwrite, *more,
    ):  # fmt: skip
        _, _, module, *arguments = args
        assert knows(args), args
        umask, start_new_session = more[4:6]
        assert preexec_fn is None and not pass_fds and umask == -1
        command = {
            "module": module,
            "arguments": arguments,
            "folder": str(cwd or Path.cwd()),
            "environ": dict(env or os.environ),
            "start_new_session": start_new_session,
        }
        files = [number if file == -1 else file for number, file in enumerate((p2cread, c2pwrite, errwrite))]
        self._answers, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with other:
            socket.send_fds(_server(), [json.dumps(command).encode()], [*files, other.fileno()])
        self._close_pipe_fds(  # type: ignore[attr-defined]
            p2cread, p2cwrite, c2pread, c2pwrite, errread, errwrite
        )
        self.pid = int(self._answers.recv(LONGEST))
        self._child_created = True

    def _try_wait(self, wait_flags: int) -> tuple[int, int]:
        try:
            flags = socket.MSG_DONTWAIT if wait_flags & os.WNOHANG else 0
            status = int(self._answers.recv(LONGEST, flags))
        except BlockingIOError:
            return 0, 0
        self._answers.close()
        return self.pid, status

    def _internal_poll(self, *_: Any, **more: Any) -> int | None:
        if self.returncode is None:
            process, status = self._try_wait(os.WNOHANG)
            if process:
                self.returncode = os.waitstatus_to_exitcode(status)
        return self.returncode


Popen: type[subprocess.Popen[Any]] = _Forked if hasattr(os, "pidfd_open") else subprocess.Popen
"""Only Linux can wait for a process that another one has started."""


@cache
def _server() -> socket.socket:
    """The socket of the server of this test worker."""
    own, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with other:
        command = [sys.executable, "-m", "tests.support.fork_server"]
        process = subprocess.Popen(
            command, stdin=other.fileno(), cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}
        )
    atexit.register(process.wait)
    atexit.register(own.close)
    return own

"""Fork server: a process that has imported all of ftops and forks for each command that it is sent.

`tests.support.forked` starts one for each test worker, and sends it commands through a socket, its standard
input.
"""

from __future__ import annotations

import gc
import importlib
import io
import json
import os
import pkgutil
import runpy
import selectors
import signal
import socket
import sys
import time
from pathlib import Path
from typing import Any

LONGEST = 1 << 18
_LIBRARIES = ("openai", "azure.identity", "deepdiff")


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # it is for the commands
    os.environ["OPENBLAS_NUM_THREADS"] = "1"
    import ftops

    for module in pkgutil.walk_packages(ftops.__path__, "ftops."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    sys.modules["pandas"] = None  # type: ignore[assignment] # deepdiff needs none, and it has a thread
    for name in _LIBRARIES:
        importlib.import_module(name)
    del sys.modules["pandas"]
    gc.collect()
    gc.freeze()
    _run(_served(socket.socket(fileno=os.dup(0))))


def _served(control: socket.socket) -> dict[str, Any]:
    """Forks for each command, until the other side is closed. Returns what to run, in the fork."""
    with control, selectors.DefaultSelector() as events:
        events.register(control, selectors.EVENT_READ)
        while True:
            for key, _ in events.select():
                if key.data:
                    _report_end(*key.data)
                    events.unregister(key.fd)
                    os.close(key.fd)
                    continue
                message, files, _, _ = socket.recv_fds(control, LONGEST, 4)
                if not message:
                    sys.exit()
                with socket.socket(fileno=files.pop()) as answers:
                    process = os.fork()
                    if not process:
                        return {**json.loads(message), "files": files}
                    answers.send(str(process).encode())
                    ends = os.pidfd_open(process)
                    events.register(ends, selectors.EVENT_READ, (process, answers.dup()))
                for file in files:
                    os.close(file)


def _report_end(process: int, answers: socket.socket) -> None:
    _, status = os.waitpid(process, 0)
    with answers:
        answers.send(str(status).encode())


def _run(command: dict[str, Any]) -> None:
    """What `python -m MODULE …` does, in a new process."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if command["start_new_session"]:
        os.setsid()
    os.chdir(command["folder"])
    os.environ.clear()
    os.environ.update(command["environ"])
    time.tzset()
    for number, file in enumerate(command["files"]):
        os.dup2(file, number)
        os.close(file)
    _open_streams()
    sys.path[0] = str(Path.cwd())
    sys.argv[1:] = command["arguments"]
    runpy.run_module(command["module"], run_name="__main__", alter_sys=True)


def _open_streams() -> None:
    """Those of this process belong to other files."""
    encoding = sys.stdout.encoding
    sys.stdin, sys.stdout = (
        open(number, mode, encoding=encoding, closefd=False)  # noqa: SIM115
        for number, mode in enumerate("rw")
    )
    error = open(2, "wb", closefd=False)  # noqa: SIM115
    sys.stderr = io.TextIOWrapper(error, encoding, "backslashreplace", line_buffering=True)


if __name__ == "__main__":
    main()

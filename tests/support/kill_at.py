"""Runs ftops, and kills its process with SIGKILL at the nth write to a journal.

    python -m tests.support.kill_at N before|torn|after -- apply SPEC -y

It wraps `os.write`, not ftops: `before` writes nothing, `torn` half of the bytes, `after` all of them. With
fewer writes, the exit code is that of ftops.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

Write = Callable[[int, bytes | memoryview], int]


def killing(write: Write, at: int, mode: str) -> Write:
    left = [at]

    def wrapped(file: int, content: bytes | memoryview) -> int:
        if Path(f"/proc/self/fd/{file}").readlink().suffix != ".journal":
            return write(file, content)
        left[0] -= 1
        if left[0]:
            return write(file, content)
        if mode != "before":
            write(file, content if mode == "after" else content[: len(content) // 2])
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError("unreachable")

    return wrapped


def main() -> None:
    at, mode, _, *arguments = sys.argv[1:]
    os.write = killing(os.write, int(at), mode)  # type: ignore[assignment]
    sys.argv = ["ftops", *arguments]
    from ftops.__main__ import main as ftops

    sys.exit(ftops())


if __name__ == "__main__":
    main()

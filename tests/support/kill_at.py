"""Runs ftops, and kills its process with SIGKILL at the nth write to a journal.

    python -m tests.support.kill_at N before|torn|after [TEXT] -- apply SPEC -y

It wraps `os.write`, not ftops: `before` writes nothing, `torn` half of the bytes, `after` all of them. With
fewer writes, the exit code is that of ftops. Only writes that contain TEXT count.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

Write = Callable[[int, bytes | memoryview], int]


def killing(write: Write, at: int, mode: str, text: str = "") -> Write:
    left = [at]

    def wrapped(file: int, content: bytes | memoryview) -> int:
        is_journal = Path(f"/proc/self/fd/{file}").readlink().suffix == ".journal"
        if not is_journal or text.encode() not in bytes(content):
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
    split = sys.argv.index("--")
    (at, mode, *text), arguments = sys.argv[1:split], sys.argv[split + 1 :]
    os.write = killing(os.write, int(at), mode, "".join(text))  # type: ignore[assignment]
    sys.argv = ["ftops", *arguments]
    from ftops.__main__ import main as ftops

    sys.exit(ftops())


if __name__ == "__main__":
    main()

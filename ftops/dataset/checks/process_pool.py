"""Process pool: other processes work on the chunks of a file; results come in order.

What is to be done with a piece is said by a module with a function `answering(argument)`, which returns what
answers a piece. A worker gets the very bytes that its file is hashed from.

    python -m ftops.dataset.checks.process_pool MODULE ARGUMENT

reads a length (8 bytes) and a piece, again and again, and writes each answer in the same way.
"""

from __future__ import annotations

import gc
import os
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import IO, TYPE_CHECKING, Self, TypeVar

if TYPE_CHECKING:
    from concurrent.futures import Future

_AHEAD = 2
"""Pieces for each worker that are read before it needs them."""
_WAITING = 8
"""Answers for each process that may wait for an earlier one."""
_SWITCH = 0.0001
"""Seconds after which a thread that works lets one go on that has to do with a worker."""
_PIPE = 1 << 20
"""Bytes that a pipe takes at once, where the system lets one say so."""

T = TypeVar("T")
R = TypeVar("R")
Ask = Callable[[bytes], bytes]
"""Sends a piece to a worker that is free, and waits for its answer. Raises OSError where it has died."""


def spread(
    module: str,
    argument: str,
    pieces: Iterable[T],
    here: Callable[[T], R],
    ask: Callable[[T, Ask], R],
    processes: int,
) -> Iterator[R]:
    """What is made of each piece, in their order: by `ask`, which may put a question to a worker, or by
    `here` in this process, which is one of so many and works while the others start or are busy. What a
    worker leaves undone because it died is done here."""
    from concurrent.futures import ThreadPoolExecutor  # only where there are other processes
    from threading import Lock

    one_at_a_time = Lock()

    def done_here(piece: T) -> R:
        with one_at_a_time:
            return here(piece)

    def asked(piece: T) -> R:
        try:
            return ask(piece, team.ask)
        except OSError:  # a worker that has died goes on saying so
            return done_here(piece)

    waiting: deque[Future[R]] = deque()
    with _Team(module, argument, processes - 1) as team, ThreadPoolExecutor(processes - 1) as threads:
        for piece in pieces:
            if sum(not future.done() for future in waiting) < _AHEAD * (processes - 1):
                waiting.append(threads.submit(asked, piece))
            else:
                waiting.append(_done(done_here(piece)))
            while waiting and (waiting[0].done() or len(waiting) > _WAITING * processes):
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


class _Team:
    """Workers of which any that is free answers. A context manager: they end with it."""

    def __init__(self, module: str, argument: str, size: int) -> None:
        from queue import SimpleQueue

        self._free: SimpleQueue[_Worker] = SimpleQueue()
        self._all: list[_Worker] = []
        self._interval = sys.getswitchinterval()
        try:
            for _ in range(size):
                self._all.append(_Worker(module, argument))
                self._free.put(self._all[-1])
        except BaseException:
            self.close()
            raise
        sys.setswitchinterval(_SWITCH)

    def ask(self, data: bytes) -> bytes:
        worker = self._free.get()
        try:
            return worker.answer(data)
        finally:
            self._free.put(worker)

    def close(self) -> None:
        sys.setswitchinterval(self._interval)
        for worker in self._all:
            worker.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _done(result: R) -> Future[R]:
    from concurrent.futures import Future

    future: Future[R] = Future()
    future.set_result(result)
    return future


class _Worker:
    """One process."""

    def __init__(self, module: str, argument: str) -> None:
        import subprocess  # only where there are other processes

        # -P: nothing is imported from the folder where the command was started.
        command = [sys.executable, "-P", "-m", __name__, module, argument]
        # In a group of its own, so that Ctrl-C reaches the process that knows what to do about it.
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, process_group=0
        )
        assert self._process.stdin  # noqa: S101 - it is a pipe
        _widen(self._process.stdin)

    def answer(self, data: bytes) -> bytes:
        assert self._process.stdin and self._process.stdout  # noqa: S101 - both are pipes
        _send(self._process.stdin, data)
        answer = _receive(self._process.stdout)
        if answer is None:
            raise OSError("a process that read the data has died")
        return answer

    def close(self) -> None:
        assert self._process.stdin and self._process.stdout  # noqa: S101 - both are pipes
        with suppress(OSError):  # what was to be sent to one that has died
            self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait()


def _widen(pipe: IO[bytes]) -> None:
    """So that a piece goes in one call."""
    try:
        import fcntl

        fcntl.fcntl(pipe.fileno(), fcntl.F_SETPIPE_SZ, _PIPE)
    except (ImportError, AttributeError, OSError):
        return  # a narrow pipe only takes longer


def _send(stream: IO[bytes], data: bytes) -> None:
    stream.write(len(data).to_bytes(8, "big"))
    stream.write(data)
    stream.flush()


def _receive(stream: IO[bytes]) -> bytes | None:
    head = stream.read(8)
    if len(head) < 8:
        return None
    data = stream.read(int.from_bytes(head, "big"))
    return data if len(data) == int.from_bytes(head, "big") else None


def _work(module: str, argument: str) -> None:
    """Answers until there is nothing more to read."""
    from importlib import import_module

    gc.disable()
    answer: Ask = import_module(module).answering(argument)
    try:
        while (data := _receive(sys.stdin.buffer)) is not None:
            _send(sys.stdout.buffer, answer(data))
    except BrokenPipeError:
        os._exit(1)  # nobody waits for the answer any more


if __name__ == "__main__":
    _work(*sys.argv[1:])

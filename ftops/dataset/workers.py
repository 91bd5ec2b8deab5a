"""Other processes that work on pieces of a file, one after the other: as many answers as questions, in order.

What is to be done with a piece is said by a module with a function `answering(argument)`, which returns what
answers a piece. A worker gets the very bytes that its file is hashed from.

    python -m ftops.dataset.workers MODULE ARGUMENT     a length (8 bytes) and a piece in, the same out
"""

from __future__ import annotations

import gc
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import IO, TypeVar

_AHEAD = 3
"""Pieces for each worker that are read before they are needed."""

T = TypeVar("T")
R = TypeVar("R")
Ask = Callable[[bytes], bytes]
"""Sends a piece to a worker that is free, and waits for its answer. Raises OSError where it has died."""


def spread(
    module: str, argument: str, pieces: Iterable[T], ask: Callable[[T, Ask], R], processes: int
) -> Iterator[R]:
    """What `ask` makes of each piece, in their order; it may put a question to a worker, or not."""
    from concurrent.futures import Future, ThreadPoolExecutor  # only where there are other processes
    from queue import SimpleQueue

    free: SimpleQueue[_Worker] = SimpleQueue()
    started = [_Worker(module, argument) for _ in range(processes)]
    for worker in started:
        free.put(worker)

    def through_a_free_one(data: bytes) -> bytes:
        worker = free.get()
        try:
            return worker.answer(data)
        finally:
            free.put(worker)

    waiting: deque[Future[R]] = deque()
    try:
        with ThreadPoolExecutor(processes) as threads:
            for piece in pieces:
                waiting.append(threads.submit(ask, piece, through_a_free_one))
                if len(waiting) >= _AHEAD * processes:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
    finally:
        for worker in started:
            worker.close()


class _Worker:
    """One process."""

    def __init__(self, module: str, argument: str) -> None:
        import subprocess  # only where there are other processes

        command = [sys.executable, "-m", __name__, module, argument]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def answer(self, data: bytes) -> bytes:
        assert self._process.stdin and self._process.stdout  # noqa: S101 - both are pipes
        _send(self._process.stdin, data)
        answer = _receive(self._process.stdout)
        if answer is None:
            raise OSError("a process that read the data has died")
        return answer

    def close(self) -> None:
        assert self._process.stdin and self._process.stdout  # noqa: S101 - both are pipes
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait()


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
    while (data := _receive(sys.stdin.buffer)) is not None:
        _send(sys.stdout.buffer, answer(data))


if __name__ == "__main__":
    _work(*sys.argv[1:])

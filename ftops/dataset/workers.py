"""Checks pieces of a file, here or in other processes. A worker gets the very bytes that its file is hashed
from, one piece after the other, and answers each with what it found.

    python -m ftops.dataset.workers FORMAT      a length (8 bytes) and a piece in, the same out
"""

from __future__ import annotations

import gc
import subprocess
import sys
from array import array
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from queue import SimpleQueue
from typing import IO, NamedTuple

from msgspec import msgpack

from ftops.dataset.inspection import Found
from ftops.dataset.pieces import Piece, Reader
from ftops.dataset.rules import RULES
from ftops.dataset.sketch import SIZE

_AHEAD = 3
"""Pieces for each worker that are read before they are needed."""


class LongLine(NamedTuple):
    """A line that is too long to be held: its digest, 16 bytes."""

    digest: bytes


Block = bytes | LongLine


def check(blocks: Iterator[Block], format: str, processes: int, *, many: bool) -> Iterator[Piece]:
    """The pieces in their order. `many`: there are enough of them to make up for the import of numpy."""
    if processes < 2:
        reader = Reader(format, vectorised=many)
        for block in blocks:
            with _no_garbage_collection():
                piece = _unchecked(block) if isinstance(block, LongLine) else reader.read(block)
            yield piece
    else:
        yield from _check_apart(blocks, format, processes)


@contextmanager
def _no_garbage_collection() -> Iterator[None]:
    """What is made of a piece is gone with it: looking for garbage would be a part of the work."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _check_apart(blocks: Iterator[Block], format: str, processes: int) -> Iterator[Piece]:
    workers: SimpleQueue[_Worker] = SimpleQueue()
    started = [_Worker(format) for _ in range(processes)]
    for worker in started:
        workers.put(worker)

    def ask(block: Block) -> Piece:
        if isinstance(block, LongLine):
            return _unchecked(block)
        worker = workers.get()
        try:
            return worker.read(block)
        finally:
            workers.put(worker)

    waiting: deque[Future[Piece]] = deque()
    try:
        with ThreadPoolExecutor(processes) as threads:
            for block in blocks:
                waiting.append(threads.submit(ask, block))
                if len(waiting) >= _AHEAD * processes:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
    finally:
        for worker in started:
            worker.close()


class _Worker:
    """One process that checks pieces."""

    def __init__(self, format: str) -> None:
        command = [sys.executable, "-m", __name__, format]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def read(self, block: bytes) -> Piece:
        """Raises OSError where the process has died."""
        assert self._process.stdin and self._process.stdout  # noqa: S101 - both are pipes
        _send(self._process.stdin, block)
        answer = _receive(self._process.stdout)
        if answer is None:
            raise OSError("a process that checked the data has died")
        return msgpack.decode(answer, type=Piece)

    def close(self) -> None:
        assert self._process.stdin and self._process.stdout  # noqa: S101 - both are pipes
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait()


def _unchecked(line: LongLine) -> Piece:
    rule = RULES["file/long-line"]
    found = Found(rule.id, 1, 1, 1, "", "", "a line of more than 32 MiB was not checked", rule.why, rule.fix)
    number = array("I", [1]).tobytes()
    return Piece(1, 1, 0, 0, line.digest, bytes(SIZE), number, counts={rule.id: 1}, found=[found])


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


def _work(format: str) -> None:
    """Answers until there is nothing more to read."""
    gc.disable()
    reader = Reader(format, vectorised=True)
    while (block := _receive(sys.stdin.buffer)) is not None:
        _send(sys.stdout.buffer, msgpack.encode(reader.read(block)))


if __name__ == "__main__":
    _work(sys.argv[1])

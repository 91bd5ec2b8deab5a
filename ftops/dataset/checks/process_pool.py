"""Process pool: other processes work on the chunks of a file; results come in order.

The work is defined by a module with a function `answering(argument)`, which returns the function that maps a
chunk to its answer. A worker gets the very bytes that are hashed.

    python -m ftops.dataset.checks.process_pool MODULE ARGUMENT

repeatedly reads a length (8 bytes) and a chunk, and writes each answer in the same way.
"""

from __future__ import annotations

import gc
import os
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import IO, TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from concurrent.futures import Future

_AHEAD = 2
"""Chunks per worker that are read before it needs them."""
_WAITING = 8
"""Answers per process that may wait for an earlier one."""
_SWITCH = 0.0001
"""Seconds after which a computing thread yields to one that communicates with a worker."""
_PIPE = 1 << 20
"""Bytes that a pipe can buffer, if the system lets us set it."""

R = TypeVar("R")


def spread(
    module: str,
    argument: str,
    chunks: Iterable[bytes | R],
    here: Callable[[bytes], R],
    decode: Callable[[bytes], R],
    processes: int,
) -> Iterator[R]:
    """The results for all chunks, in order: `decode` reads the answers of workers, and `here` is the work of
    this process, which is one of `processes` and works while the others start or are busy. If a worker dies,
    its chunks are done here. A result among the chunks stays as it is."""
    if processes <= 1:
        yield from (here(chunk) if isinstance(chunk, bytes) else chunk for chunk in chunks)
        return
    from concurrent.futures import Future, ThreadPoolExecutor  # only if there are other processes
    from threading import Lock

    one_at_a_time = Lock()

    def run_here(chunk: bytes | R) -> R:
        with one_at_a_time:
            return here(chunk) if isinstance(chunk, bytes) else chunk

    def run_in_worker(chunk: bytes | R) -> R:
        try:
            return decode(ask(chunk)) if isinstance(chunk, bytes) else chunk
        except OSError:  # a dead worker stays in the pool, and fails again
            return run_here(chunk)

    waiting: deque[Future[R]] = deque()
    with _team(module, argument, processes - 1) as ask, ThreadPoolExecutor(processes - 1) as threads:
        for chunk in chunks:
            if sum(not future.done() for future in waiting) < _AHEAD * (processes - 1):
                waiting.append(threads.submit(run_in_worker, chunk))
            else:
                waiting.append(Future())
                waiting[-1].set_result(run_here(chunk))
            while waiting and (waiting[0].done() or len(waiting) > _WAITING * processes):
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


@contextmanager
def _team(module: str, argument: str, size: int) -> Iterator[Callable[[bytes], bytes]]:
    """Workers that end with the context. Yields a function that lets a free one answer; it raises OSError if
    the worker has died."""
    from queue import SimpleQueue

    free: SimpleQueue[_Worker] = SimpleQueue()

    def ask(data: bytes) -> bytes:
        worker = free.get()
        try:
            return worker.answer(data)
        finally:
            free.put(worker)

    with ExitStack() as stack:
        for _ in range(size):
            worker = _Worker(module, argument)
            stack.callback(worker.close)
            free.put(worker)
        stack.callback(sys.setswitchinterval, sys.getswitchinterval())
        sys.setswitchinterval(_SWITCH)
        yield ask


class _Worker:
    """One process."""

    def __init__(self, module: str, argument: str) -> None:
        import subprocess  # only if there are other processes

        # -P: nothing is imported from the folder where the command was started.
        command = [sys.executable, "-P", "-m", __name__, module, argument]
        # In a process group of its own, so that Ctrl-C reaches only the process that handles it.
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, process_group=0
        )
        assert self._process.stdin and self._process.stdout  # noqa: S101 - both are pipes
        self._input, self._output = self._process.stdin, self._process.stdout
        with suppress(ImportError, AttributeError, OSError):  # a smaller buffer only takes longer
            import fcntl

            fcntl.fcntl(self._input.fileno(), fcntl.F_SETPIPE_SZ, _PIPE)

    def answer(self, data: bytes) -> bytes:
        _send(self._input, data)
        answer = _receive(self._output)
        if answer is None:
            raise OSError("a process that read the data has died")
        return answer

    def close(self) -> None:
        with suppress(OSError):  # data that a dead worker can't read any more
            self._input.close()
        self._output.close()
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
    """Answers until the input ends."""
    from importlib import import_module

    gc.disable()
    answer: Callable[[bytes], bytes] = import_module(module).answering(argument)
    try:
        while (data := _receive(sys.stdin.buffer)) is not None:
            _send(sys.stdout.buffer, answer(data))
    except BrokenPipeError:
        os._exit(1)  # nobody reads the answers any more


if __name__ == "__main__":
    _work(*sys.argv[1:])

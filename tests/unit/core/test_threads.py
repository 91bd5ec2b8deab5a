"""Threads that run turns: how many there are, and when they end."""

from __future__ import annotations

import threading
from functools import partial
from queue import SimpleQueue

from ftops.core.dag_executor import Threads

_SECONDS = 60.0


def _turn(executor: Threads, barrier: threading.Barrier) -> threading.Thread:
    """One of several at the same time. It refers to its executor, as those of an Asker do."""
    barrier.wait(_SECONDS)
    return threading.current_thread()


def test_threads_end_once_nothing_refers_to_their_executor() -> None:
    executor, done, barrier = Threads(3), SimpleQueue[object](), threading.Barrier(3)
    for _ in range(6):
        executor.submit(partial(_turn, executor, barrier), done.put)
    threads = {done.get() for _ in range(6)}
    assert len(threads) == 3
    del executor
    for thread in threads:
        assert isinstance(thread, threading.Thread)
        thread.join(_SECONDS)
        assert not thread.is_alive()

"""Big files are read by several processes: Ctrl-C ends all of them, and one that dies is made up for."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ftops.dataset import Inspection, inspect
from tests.support import forked
from tests.support.command import environment

LINES = 12_000


@pytest.fixture(scope="module")
def big(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Some 40 MB of conversations."""
    path = tmp_path_factory.mktemp("big") / "big.jsonl"
    choose = random.Random(5)
    words = ["".join(choose.choices("etaoinshrdlu", k=choose.randint(2, 9))) for _ in range(3000)]
    with path.open("w", encoding="utf-8") as stream:
        for number in range(LINES):
            said = " ".join(choose.choices(words, k=500))
            answer = {"role": "assistant", "content": f"It is {number}"}
            stream.write(json.dumps({"messages": [{"role": "user", "content": said}, answer]}) + "\n")
    return path


def workers_of(pid: int) -> list[int]:
    """Processes that read data for a process, as the kernel lists its children."""
    found = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in task.read_text().split():
            command = Path(f"/proc/{child}/cmdline").read_bytes()
            if b"ftops.dataset.checks.process_pool" in command:
                found.append(int(child))
    return found


def until(what: Iterator[list[int]]) -> list[int]:
    return next(found for found in what if found)


def seen(process: subprocess.Popen[bytes]) -> Iterator[list[int]]:
    while process.poll() is None:
        yield workers_of(process.pid)
        time.sleep(0.001)  # to leave the processor to those that are looked at
    raise AssertionError(f"it ended before it had workers: {process.communicate()}")


def started(big: Path, *words: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "ftops", "data", *words, str(big)]
    return forked.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(),
        start_new_session=True,
    )


pytestmark = pytest.mark.skipif(
    not Path("/proc/self/task").exists() or len(os.sched_getaffinity(0)) < 2,
    reason="needs Linux and two processors: else one process reads it all",
)


@pytest.mark.parametrize("words", [("check",), ("check", "-o", "json"), ("stats",)])
def test_ctrl_c_ends_it_all_without_a_word_too_many(big: Path, words: tuple[str, ...]) -> None:
    process = started(big, *words)
    workers = until(seen(process))
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=300)
    assert process.returncode == 130, (out, err)
    assert b"Traceback" not in err and b"can't be read" not in out + err
    while any(Path(f"/proc/{worker}").exists() for worker in workers):
        time.sleep(0.001)  # each ends when it sees that nobody asks any more


def test_what_a_dead_worker_leaves_is_done_by_others(big: Path) -> None:
    process = started(big, "check", "-o", "json")
    os.kill(until(seen(process))[0], signal.SIGKILL)
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, (out[-500:], err)
    (found,) = json.loads(out)["files"]
    assert found["examples"] == LINES and found["counts"] == alone(big).counts


def alone(big: Path) -> Inspection:
    return inspect(big, processes=1)

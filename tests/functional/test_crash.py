"""Real processes, killed with SIGKILL: the next run converges, and the cloud holds one of each."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import forked
from tests.support.command import ROOT, environment, run
from tests.support.embedded import Folder, example
from tests.support.nightly import by_night

ONE_OF_EACH = (1, 1, 1, 1)
WRITES = 12
"""A first apply writes the journal about so often; beyond that the run ends by itself."""


def kill_at(folder: Folder, number: int, mode: str) -> int:
    """Runs `ftops apply` and kills it around that write to the journal."""
    command = [
        sys.executable,
        "-m",
        "tests.support.kill_at",
        str(number),
        mode,
        "--",
        "apply",
        str(folder.path),
        "-y",
    ]
    return run(command, ROOT).returncode


def check_converges(folder: Folder) -> None:
    folder.ok("apply", "-y")
    assert folder.cloud().counts() == ONE_OF_EACH
    assert "No changes" in folder.ok("plan", "--detailed-exitcode")


@pytest.mark.parametrize("number", by_night(range(1, WRITES + 1), lambda number: number not in (3, 7, 11)))
def test_killed_at_a_journal_append(tmp_path: Path, number: int) -> None:
    folder = Folder.make(tmp_path)
    mode = ("before", "torn", "after")[number % 3]
    code = kill_at(folder, number, mode)
    assert code in (0, -signal.SIGKILL)
    check_converges(folder)
    created = folder.admin("objects")["created"]
    assert (created["jobs"], created["deployments"]) == (1, 1)


@pytest.mark.parametrize("seed", by_night(range(4), lambda seed: seed > 0))
def test_killed_at_a_random_time(tmp_path: Path, seed: int) -> None:
    folder = Folder.make(tmp_path)
    chance = random.Random(seed)
    for _ in range(2):
        with forked.Popen(
            folder.command("apply", "-y"),
            cwd=folder.path,
            env=environment(),
            stdout=subprocess.DEVNULL,
        ) as process:
            try:
                process.wait(timeout=chance.uniform(0.3, 4))
            except subprocess.TimeoutExpired:
                process.kill()
    check_converges(folder)
    assert folder.admin("objects")["created"]["jobs"] == 1


def test_killed_in_the_middle_of_a_replacement(tmp_path: Path) -> None:
    folder = Folder.make(tmp_path)
    folder.ok("apply", "-y")
    data = folder.path / "train.jsonl"
    data.write_text(data.read_text(encoding="utf-8") + example(99), encoding="utf-8")
    for number in (3, 5, 7):
        kill_at(folder, number, "after")
    check_converges(folder)
    assert folder.admin("objects")["created"]["jobs"] == 2
    folder.ok("destroy", "-y")
    assert folder.cloud().counts() == (0, 0, 0, 0)

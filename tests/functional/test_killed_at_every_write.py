"""SIGKILL at every system call that writes: the next run converges, and there is one of each.

strace delivers the signal as the nth such call of the process begins. Everything that ftops has written
until then is on disk, and nothing after it.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ftops.state.file_format import parse_snapshot
from tests.support.command import ROOT
from tests.support.on_disk import FolderCloud, apply, session

WRITING = "write,pwrite64,writev,fsync,fdatasync,rename,unlink,link,ftruncate,truncate,mkdir"
KILLED = -9
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}


def trace(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = ["strace", "-f", "--seccomp-bpf", "-qqq", "-o", str(folder / "trace"), *options]
    return subprocess.run(
        [*command, sys.executable, "-m", "tests.support.on_disk", str(folder)],
        cwd=ROOT,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def calls(folder: Path) -> range:
    """Which of the main thread's calls lie between the two lines that the process prints."""
    done = trace(folder, "-e", f"trace={WRITING}")
    assert done.returncode == 0, done.stderr
    lines = (folder / "trace").read_text(encoding="utf-8").splitlines()
    main = lines[0].split()[0]
    own = [line for line in lines if line.split()[0] == main and re.match(r"\d+ +\w+\(", line)]
    begin = next(n for n, line in enumerate(own, 1) if "begins" in line)
    end = next(n for n, line in enumerate(own, 1) if "has ended" in line)
    return range(begin + 1, end + 1)


@pytest.fixture(scope="module")
def numbers(tmp_path_factory: pytest.TempPathFactory) -> range:
    if shutil.which("strace") is None:
        pytest.skip("SIGKILL AT EVERY WRITE IS NOT TESTED: strace is not installed")
    folder = tmp_path_factory.mktemp("counted")
    if trace(folder, "-e", "trace=none").returncode:
        pytest.skip("SIGKILL AT EVERY WRITE IS NOT TESTED: strace may not trace processes here")
    shutil.rmtree(folder)
    folder.mkdir()
    return calls(folder)


@pytest.mark.parametrize("half", (0, 1))
def test_killed_at_every_write(numbers: range, tmp_path: Path, half: int) -> None:
    assert len(numbers) > 20
    for number in numbers[half::2]:
        folder = tmp_path / str(number)
        folder.mkdir()
        done = trace(folder, "-e", f"inject={WRITING}:signal=SIGKILL:when={number}")
        assert done.returncode == KILLED or "has ended" in done.stdout, (number, done)
        check_next_run_converges(folder, number)


def check_next_run_converges(folder: Path, number: int) -> None:
    apply(folder)
    with session(folder) as made:
        assert made.plan().is_empty, number
        assert sorted(a.kind for a in made.state.resources) == ["dataset", "deployment", "job"], number
        assert not made.state.pending, number
        for version in made.store.versions():
            assert made.store.read_version(version.id).serial == version.serial, number
    left = {path.name for path in (folder / "state" / "test").iterdir()}
    assert left == {"default.audit.jsonl", "default.history", "default.json"}, number
    assert FolderCloud(folder / "cloud").kinds() == ["dataset", "deployment", "job"], number
    text = (folder / "state" / "test" / "default.json").read_text(encoding="utf-8")
    assert parse_snapshot(text, "here", "test", "default").lineage, number

"""What a command imports: little, and nothing that takes long."""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path

import pytest

from tests.golden.cli import Folder
from tests.support.command import environment, run

HEAVY = {"openai", "azure", "deepdiff", "rich", "numpy", "starlette", "uvicorn", "httpx", "asyncio"}
NO_CLICK = HEAVY | {"click", "pydantic", "yaml", "json", "pathlib", "dataclasses", "typing", "re"}
_CODE = """\
import os, sys
os._exit = sys.exit  # so that there is an end at which to look
sys.argv = ["ftops", *sys.argv[1:]]
before = set(sys.modules)
from ftops.__main__ import main
try:
    main()
finally:
    print(*sorted({m.partition(".")[0] for m in set(sys.modules) - before}), file=sys.stderr)
"""


def imported(folder: Folder, *argv: str) -> set[str]:
    done = run([sys.executable, "-c", _CODE, *argv], folder.path)
    assert done.returncode == 0, done.stderr
    return set(done.stderr.split())


@pytest.fixture
def applied(tmp_path: Path) -> Folder:
    folder = Folder.make(tmp_path)
    folder.ok("apply", "-y")
    return folder


@pytest.mark.parametrize("argv", [("version",), ("--version",), ("version", "-o", "json")])
def test_version_imports_nothing(applied: Folder, argv: tuple[str, ...]) -> None:
    assert not imported(applied, *argv) & NO_CLICK


@pytest.mark.parametrize("argv", [("--help",), ("plan",), ("validate",), ("plan", "--help"), ("apply", "-y")])
def test_nothing_heavy_is_imported(applied: Folder, argv: tuple[str, ...]) -> None:
    found = imported(applied, *argv)
    assert "click" in found
    assert not found & HEAVY


@pytest.mark.parametrize("path", ["data/train.jsonl", "."])
def test_checking_data_imports_what_it_needs(applied: Folder, path: str) -> None:
    """No numpy and no other processes for a small file."""
    found = imported(applied, "data", "check", path)
    assert "msgspec" in found
    assert not found & (HEAVY | {"pydantic", "subprocess", "concurrent"})


def test_help_imports_no_command(applied: Folder) -> None:
    assert not imported(applied, "--help") & {"pydantic", "yaml"}


def test_version_is_there_at_once(applied: Folder) -> None:
    """Less than three times the processor time that Python takes to do nothing; the least of several runs."""
    nothing = min(seconds(["-c", "pass"]) for _ in range(7))
    version = min(seconds(["-m", "ftops", "version"]) for _ in range(7))
    assert version < 3 * nothing


def seconds(arguments: list[str]) -> float:
    before = spent()
    subprocess.run([sys.executable, *arguments], capture_output=True, env=environment(), check=True)
    return spent() - before


def spent() -> float:
    """By the processes that were started here and have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime

"""Fixtures: a server per test, or one for a module where tests leave each other alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.emulator.server import Emulator

QUICK = (
    "--file-processing-seconds=0.05", "--queue-seconds=0.05", "--min-training-seconds=0.1",
    "--deployment-seconds=0.1", "--deletion-seconds=0.05",
)  # fmt: skip
Start = Callable[..., Emulator]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts servers, by default all on the same folder, and ends them after the test."""
    running: list[Emulator] = []

    def begin(*arguments: str, folder: Path | None = None, stdin: int | None = None) -> Emulator:
        running.append(Emulator(folder or tmp_path / "data", *QUICK, *arguments, stdin=stdin))
        return running[-1]

    yield begin
    for emulator in running:
        emulator.stop()


@pytest.fixture
def emulator(start: Start) -> Emulator:
    """A server on an empty folder."""
    return start()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    """A server for the tests of a module."""
    emulator = Emulator(tmp_path_factory.mktemp("shared"), *QUICK)
    yield emulator
    emulator.stop()

"""Fixtures: an empty cloud per test, or one for a module where tests leave each other alone."""

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


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Emulator]]:
    """The servers of a worker, by the fixture that they are for; each starts when first asked for."""
    running: dict[str, Emulator] = {}

    def server(name: str) -> Emulator:
        if name not in running:
            running[name] = Emulator(tmp_path_factory.mktemp(name), *QUICK, "--tls")
        return running[name]

    yield server
    for emulator in running.values():
        emulator.stop()


@pytest.fixture
def emulator(servers: Callable[[str], Emulator]) -> Emulator:
    """A server whose cloud is empty."""
    emulator = servers("single")
    emulator.reset()
    return emulator


@pytest.fixture(scope="module")
def shared(servers: Callable[[str], Emulator]) -> Emulator:
    """A server for the tests of a module."""
    emulator = servers("shared")
    emulator.reset()
    return emulator

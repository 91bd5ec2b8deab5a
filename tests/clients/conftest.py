"""Fixtures: an emulator, and what a client did for the table."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol

import pytest

from tests.clients.install import Client
from tests.clients.rows import ClientRow
from tests.emulator.conftest import QUICK
from tests.emulator.server import Emulator
from tests.emulator.talking import talker


class Did(Protocol):
    """``did(client, "creates a deployment")`` is a row of the table, if the test passes."""

    def __call__(self, client: Client, operation: str, note: str = "") -> None: ...


@pytest.fixture
def did(record_property: Callable[[str, object], None]) -> Did:
    def did(client: Client, operation: str, note: str = "") -> None:
        record_property("client", ClientRow(client.name, client.version, operation, note))

    return did


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    """A server with an empty account for the tests of a module: `url`, and `tls_url` for who trusts `ca`."""
    emulator = Emulator(tmp_path_factory.mktemp("emulator"), *QUICK, "--tls")
    yield emulator
    emulator.stop()


@pytest.fixture(scope="module")
def account(emulator: Emulator) -> Emulator:
    """The same with a deployment `copilot`, which has learned the answers of `tests.emulator.talking`."""
    talker(emulator, "copilot")
    return emulator

"""Servers for the tests of stores: started once for a run, when first needed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.support.servers import SERVICES, Service

WITHOUT = ("AWS_", "AZURE_", "GOOGLE_", "STORAGE_EMULATOR_HOST", "FTOPS_")


class Running:
    """Servers by backend."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self._services: dict[str, Service] = {}

    def __call__(self, backend: str) -> Service:
        if backend not in self._services:
            self._services[backend] = self._stack.enter_context(SERVICES[backend]())
        return self._services[backend]


@pytest.fixture(scope="session")
def running() -> Iterator[Running]:
    with ExitStack() as stack:
        yield Running(stack)


@pytest.fixture
def clean_environ(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """No credentials of who runs the tests."""
    import os

    for name in list(os.environ):
        if name.startswith(WITHOUT):
            monkeypatch.delenv(name)
    return monkeypatch


@pytest.fixture(params=["azure_blob", "s3"])
def service(request: pytest.FixtureRequest, running: Running, clean_environ: pytest.MonkeyPatch) -> Service:
    found = running(request.param)
    for name, value in found.environ.items():
        clean_environ.setenv(name, value)
    return found

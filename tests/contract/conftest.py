"""One emulator for all contract tests of a worker, and a provider for it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ftops.providers.azure.provider import AzureProvider
from tests.contract.azure_cloud import Cloud, running_cloud


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    with running_cloud(tmp_path_factory.mktemp("cloud")) as cloud:
        yield cloud


@pytest.fixture
def cloud(running: Cloud) -> Iterator[Cloud]:
    yield running
    running.clear_faults()


@pytest.fixture(scope="session")
def azure(running: Cloud) -> Iterator[AzureProvider]:
    provider = running.provider()
    yield provider
    provider.close()

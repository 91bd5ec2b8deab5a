"""Fixtures of evaluations: an emulated account with a gated deployment, and a spec that was applied."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract.azure_cloud import Cloud, running_cloud
from tests.support.emulator_admin import Admin
from tests.support.gated import Lab, emptied


@pytest.fixture(scope="module")
def account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """For the tests of a module."""
    with running_cloud(tmp_path_factory.mktemp("account")) as cloud:
        yield cloud


@pytest.fixture
def lab(account: Cloud, tmp_path: Path) -> Iterator[Lab]:
    """The account is empty, and nothing is applied."""
    with emptied(account) as cloud:
        yield Lab.make(tmp_path, cloud)


@pytest.fixture
def folder(applied: Path) -> Iterator[Path]:
    """Where a module applied its spec; without cached answers, faults, and requests in the emulator's log."""
    shutil.rmtree(applied / ".ftops" / "answers", ignore_errors=True)
    admin = Admin.of(applied)
    admin.delete("faults")
    admin.delete("log")
    yield applied
    admin.delete("faults")


@pytest.fixture
def admin(folder: Path) -> Admin:
    return Admin.of(folder)

"""Commands that add packages to ftops, for each way in which it can have been installed."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from ftops.core.installation import install, install_extra, run_program
from tests.support.command import ROOT


@pytest.mark.parametrize(
    ("marker", "again", "more", "run"),
    [
        ("uv-receipt.toml", "uv tool install --force", "uv pip install --python PYTHON", "uvx --from"),
        ("pipx_metadata.json", "pipx install --force", "pipx inject ftops", "pipx run --spec"),
        ("pyvenv.cfg", "PYTHON -m pip install --editable", "PYTHON -m pip install", "uvx --from"),
    ],
    ids=["uv", "pipx", "pip"],
)
def test_packages_are_added_by_the_tool_that_installed_ftops(
    tmp_path: Path, marker: str, again: str, more: str, run: str
) -> None:
    (tmp_path / marker).touch()
    place, python = str(tmp_path), str(tmp_path / "bin" / "python")
    own = shlex.quote(f"{ROOT}[mlflow]")
    assert install_extra("mlflow", place) == f"{again} {own}".replace("PYTHON", python)
    assert install("tzdata", place) == f"{more} tzdata".replace("PYTHON", python)
    assert run_program("mlflow==3.1", "mlflow", "ui", prefix=place) == f"{run} mlflow==3.1 mlflow ui"

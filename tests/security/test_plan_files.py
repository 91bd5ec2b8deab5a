"""What a plan file names is not the user's own choice: no file outside the project is read for it."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from tests.golden.cli import Folder
from tests.security.test_approvals import forged

CANARY = "AWS_SECRET_ACCESS_KEY=canary-93be"


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    file = tmp_path / "outside" / "credentials"
    file.parent.mkdir()
    file.write_text(f"{CANARY}\n")
    return file


def sealed(path: Path, spec: Path) -> None:
    """A plan file that says it is encrypted, with a checksum that is right."""
    raw = {"environment": "default", "path": str(spec), "sealed": "x", "spec": "drone"}
    rows = [f' "{name}": {json.dumps(value)}' for name, value in raw.items()]
    body = "{\n" + ",\n".join([' "ftops_plan": 2', *rows])
    path.write_text(f'{body},\n "checksum": "sha256:{sha256(body.encode()).hexdigest()}"\n}}\n')


@pytest.mark.parametrize("command", ["show", "apply"])
def test_the_spec_of_an_encrypted_plan_is_in_the_project(tmp_path: Path, outside: Path, command: str) -> None:
    folder = Folder.make(tmp_path / "here")
    sealed(folder.path / "plan.ft", outside)
    done = folder.run(command, "plan.ft")
    assert done.code == 1
    assert "the saved plan names a spec outside of the project" in done.err
    assert CANARY not in done.out + done.err


def _spec(raw: dict[str, Any], file: Path) -> None:
    raw["origin"]["path"] = str(file)


def _variables(raw: dict[str, Any], file: Path) -> None:
    raw["origin"]["variable_files"] = [str(file)]


@pytest.mark.parametrize("change", [_spec, _variables])
def test_so_is_all_that_a_plan_names(tmp_path: Path, outside: Path, change: Any) -> None:
    folder = Folder.make(tmp_path / "here")
    folder.ok("plan", "--out", "plan.ft")
    forged(folder.path / "plan.ft", lambda raw: change(raw, outside))
    done = folder.run("apply", "plan.ft")
    assert done.code == 1
    assert "the plan names a file outside of the project" in done.err
    assert CANARY not in done.out + done.err


def test_a_file_of_variables_from_elsewhere_is_given_again(tmp_path: Path) -> None:
    folder = Folder.make(tmp_path / "here")
    elsewhere = tmp_path / "more.yaml"
    elsewhere.write_text("capacity: 7\n")
    folder.ok("plan", "--out", "plan.ft", "--var-file", str(elsewhere))
    assert folder.run("apply", "plan.ft").code == 1
    assert "5 created" in folder.ok("apply", "plan.ft", "--var-file", str(elsewhere))

"""The spec `lamp`: a teacher, here a recording, writes its training data."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.support.command import in_process

LAMP = Path(__file__).parents[2] / "specs" / "lamp"
GENERATED = "data/train.generated"


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    """In a project of its own, with nothing that a run has left."""
    (tmp_path / ".git").mkdir()
    folder = tmp_path / "specs" / "lamp"
    shutil.copytree(LAMP, folder, ignore=shutil.ignore_patterns(".ftops", "state"))
    return folder


def ftops(folder: Path, *words: str, code: int = 0) -> str:
    done = in_process(folder, *words)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_the_committed_data_is_what_the_teacher_writes(spec: Path) -> None:
    committed = {file.name: file.read_bytes() for file in (spec / GENERATED).iterdir()}
    assert "5 to create" in ftops(spec, "plan", "--offline")
    shutil.rmtree(spec / GENERATED)
    assert "dataset train is not generated yet" in ftops(spec, "plan", code=1)
    ftops(spec, "apply", "-y", "--target", "deployment.teacher")
    said = ftops(spec, "data", "generate", "-y")
    assert "would send 81 requests at most" in said
    assert "dropped: 1 round_trip" in said
    assert {file.name: file.read_bytes() for file in (spec / GENERATED).iterdir()} == committed


def test_a_deployment_that_needs_no_data_is_applied_before_there_is_any(spec: Path) -> None:
    shutil.rmtree(spec / GENERATED)
    ftops(spec, "plan", "--target", "job.lamp", code=1)
    assert "1 to create" in ftops(spec, "plan", "--target", "deployment.teacher")
    assert "1 to create" in ftops(spec, "plan", "--exclude", "dataset.train")

"""What ftops writes for itself is its owner's alone, whatever the umask, and goes through no link."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.support.command import environment
from tests.support.embedded import SPEC, Folder, wait_until

OWN = ("state", ".ftops", "cloud", "saved.plan")


def run(folder: Folder, *arguments: str, expect: int | None = 0) -> str:
    done = subprocess.run(
        folder.command(*arguments),
        cwd=folder.path,
        env=environment(),
        umask=0,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert expect is None or done.returncode == expect, done.stdout + done.stderr
    return done.stdout + done.stderr


def modes(folder: Folder) -> dict[str, int]:
    """Of every file and folder that is ftops' own."""
    roots = [folder.path / name for name in OWN]
    found = [path for root in roots for path in (root, *root.rglob("*"))]
    return {str(path.relative_to(folder.path)): path.stat().st_mode & 0o777 for path in found}


def test_state_plan_audit_cache_and_cloud_are_their_owners_alone(tmp_path: Path) -> None:
    folder = Folder.make(tmp_path)
    run(folder, "plan", "--out", "saved.plan")
    run(folder, "apply", "saved.plan")
    run(folder, "data", "stats", "train.jsonl")
    run(folder, "apply", "--replace", "deployment.prod", "--auto-approve")
    found = modes(folder)
    assert {name: oct(mode) for name, mode in found.items() if mode & 0o077} == {}
    seen = {Path(name).suffix for name in found}
    assert {".json", ".jsonl", ".plan", ".content", ".log"} <= seen, found


def test_a_lock_and_a_journal_are_too(tmp_path: Path) -> None:
    folder = Folder.make(tmp_path, SPEC.replace("min_training_seconds: 0.2", "min_training_seconds: 3600"))
    command = folder.command("apply", "--auto-approve")
    with subprocess.Popen(
        command, cwd=folder.path, env=environment(), umask=0, stdout=subprocess.DEVNULL
    ) as process:
        wait_until(lambda: list(folder.path.glob("state/*/*.journal")))
        found = {path.suffix: path.stat().st_mode & 0o777 for path in folder.path.glob("state/*/default.*")}
        process.kill()
    assert (found[".lock"], found[".journal"]) == (0o600, 0o600), found


PLACES = ("default.audit.jsonl", "default.journal", "default.json.tmp")


@pytest.mark.parametrize("name", PLACES)
def test_no_state_is_written_through_a_link(tmp_path: Path, name: str) -> None:
    folder = Folder.make(tmp_path)
    place = folder.path / "state" / "small" / name
    target = tmp_path / "profile"
    target.write_text("", encoding="utf-8")
    place.parent.mkdir(parents=True)
    place.symlink_to(target)
    run(folder, "apply", "--auto-approve", expect=1)
    assert target.read_text(encoding="utf-8") == ""


@pytest.mark.parametrize("name", ["server.log", "port"])
def test_nothing_of_the_emulator_is_written_through_a_link(tmp_path: Path, name: str) -> None:
    folder = Folder.make(tmp_path)
    target = tmp_path / "profile"
    target.write_text("", encoding="utf-8")
    (folder.path / "cloud").mkdir()
    (folder.path / "cloud" / name).symlink_to(target)
    run(folder, "apply", "--auto-approve", expect=None)
    assert target.read_text(encoding="utf-8") == ""

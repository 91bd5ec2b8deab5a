"""ftops state history, diff, restore, migrate; force-unlock; --lock-timeout."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ftops.core.address import Address
from ftops.state.backends.base import LockInfo
from ftops.state.backends.local import LocalStore
from tests.golden.cli import Folder


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """Applied once."""
    made = Folder.make(tmp_path)
    made.ok("apply", "-y")
    return made


def ids(folder: Folder) -> list[str]:
    return [v["id"] for v in folder.run("state", "history", "-o", "json").json["versions"]]


def test_history_lists_versions_newest_first(folder: Folder) -> None:
    first = ids(folder)
    assert len(first) == 1
    folder.ok("state", "rm", "deployment.copilot")
    assert len(ids(folder)) == 2
    assert ids(folder)[1:] == first
    head, newest, oldest = folder.ok("state", "history").splitlines()
    assert head.split() == ["VERSION", "WRITTEN", "BY", "COMMAND"]
    assert newest.endswith("state rm")
    assert oldest.endswith("apply")


def test_history_of_nothing(tmp_path: Path) -> None:
    assert Folder.make(tmp_path).ok("state", "history") == "No versions of the state yet.\n"


def test_diff_says_what_changed(folder: Folder) -> None:
    (first,) = ids(folder)
    assert folder.ok("state", "diff", first).endswith("no resource differs.\n")
    folder.ok("state", "mv", "deployment.copilot", "deployment.copilot-live")
    said = folder.ok("state", "diff", first)
    assert re.search(r"^\+ deployment\.copilot-live ", said, re.MULTILINE)
    assert re.search(r"^- deployment\.copilot ", said, re.MULTILINE)
    newest = ids(folder)[0]
    found = folder.run("state", "diff", newest, first, "-o", "json").json
    assert [r["address"] for r in found["added"]] == ["deployment.copilot"]
    assert (found["before"], found["after"]) == (int(newest), int(first))
    assert folder.ok("state", "diff", first, ".") == said


def test_a_version_that_is_not_kept(folder: Folder) -> None:
    for words in (("diff", "999"), ("restore", "999", "-y")):
        done = folder.run("state", *words)
        assert done.code == 1
        assert "there is no version 999 of the state" in done.err
        assert f"Kept versions: {ids(folder)[0]}" in done.err


def test_restore_gets_a_new_serial(folder: Folder) -> None:
    (first,) = ids(folder)
    folder.ok("state", "rm", "deployment.copilot")
    before = ids(folder)
    assert folder.run("state", "restore", first).code == 1  # nobody to ask
    folder.ok("state", "restore", first, "--dry-run")
    assert ids(folder) == before
    said = folder.ok("state", "restore", first, "-y")
    assert f"Restored version {first}, as serial {int(before[0]) + 1}." in said
    assert "No changes" in folder.ok("plan")
    assert folder.run("state", "restore", first, "-y", "-o", "json").json["restored"] is False


def test_restore_is_a_way_out_of_a_damaged_state(folder: Folder) -> None:
    (first,) = ids(folder)
    (snapshot,) = (folder.path / "state").rglob("default.json")
    snapshot.write_text("{", encoding="utf-8")
    assert folder.run("plan").code == 1
    folder.ok("state", "restore", first, "-y")
    assert "No changes" in folder.ok("plan")


def test_an_edit_by_hand_is_refused_until_it_is_pushed(folder: Folder) -> None:
    (snapshot,) = (folder.path / "state").rglob("default.json")
    before = snapshot.read_text("utf-8")
    edited = before.replace("copilot", "copilot2", 1)
    assert edited != before
    snapshot.write_text(edited, "utf-8")
    for command in (["plan"], ["apply", "-y"], ["state", "list"], ["state", "push", str(snapshot)]):
        done = folder.run(*command)
        assert done.code == 1, command
        assert f"the state file was edited or damaged: {snapshot}" in " ".join(done.err.split())
    assert snapshot.read_text("utf-8") == edited
    folder.ok("state", "push", "--force", str(snapshot))
    assert "copilot2" in snapshot.read_text("utf-8")
    folder.ok("state", "list")


def test_migrate_has_nowhere_to_go(folder: Folder) -> None:
    done = folder.run("state", "migrate")
    assert done.code == 1
    assert "keeps its state in a local folder" in done.err


def _store(folder: Folder) -> LocalStore:
    (snapshot,) = (folder.path / "state").rglob("default.json")
    return LocalStore(snapshot.parent.parent, snapshot.parent.name, "default")


INFO = LockInfo("ab12", "ann", "laptop", 77, "apply", "2026-01-01T00:00:00Z")


def test_a_local_lock_is_not_taken_away(folder: Folder) -> None:
    done = folder.run("force-unlock", "ab12", "-y")
    assert "the state isn't locked" in done.err
    with _store(folder).lock(INFO):
        done = folder.run("force-unlock", "ab12", "-y")
        assert done.code == 1
        assert "kill 77" in done.err
        assert folder.run("force-unlock", "ab12").code == 1


@pytest.mark.parametrize("command", [("apply", "-y"), ("destroy", "-y"), ("state", "restore", "1", "-y")])
def test_waiting_for_a_lock_ends(folder: Folder, command: tuple[str, ...]) -> None:
    with _store(folder).lock(INFO):
        done = folder.run(*command, "--lock-timeout", "0.1s")
        assert done.code == 1
        assert "Waiting for the lock of the state: ann@laptop, process 77, runs `ftops apply`" in done.err
        assert "the state is locked" in done.err


@pytest.mark.parametrize("time", ["soon", "10 m", "-1", "1w", "m"])
def test_a_time_that_is_none(folder: Folder, time: str) -> None:
    done = folder.run("apply", "-y", f"--lock-timeout={time}")
    assert done.code == 1
    assert "isn't a duration such as 30s or 10m" in done.err


def test_what_is_recorded_is_not_lost_by_a_version(folder: Folder) -> None:
    store = _store(folder)
    assert store.read_version(store.versions()[0].id) == store.read()
    assert Address("job", "copilot") in store.read().resources

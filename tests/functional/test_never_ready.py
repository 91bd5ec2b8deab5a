"""A deployment that only answers DeploymentNotReady: created once more, if the provider says so."""

from __future__ import annotations

import json
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.golden.cli import Folder
from tests.support.command import ROOT, run
from tests.support.emulator_admin import Admin

SPEC = """\
ftops: {name: stuck}
providers:
  local: {type: emulator, %s}
deployments:
  chat: {model: gpt-4o-mini-2024-07-18%s}
"""
UNREADY = {"match": "PUT */deployments/chat", "deployment": "unready"}


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    folder = Folder(tmp_path)
    folder.write("ftops.yaml", SPEC % ("recreate_after: 0", ""))
    return folder


def started(folder: Folder, **fault: Any) -> Admin:
    """The emulator, in which deployments will be unready."""
    admin = Admin.of(folder.path)
    admin.start()
    admin.post("faults", {**UNREADY, **fault})
    return admin


def test_it_is_deleted_and_created_once_more(folder: Folder) -> None:
    admin = started(folder)
    done = folder.run("apply", "-y")
    assert done.code == 0, done
    assert "(DeploymentNotReady): it is deleted, and created once more" in done.out
    assert admin.get("objects")["created"]["deployments"] == 2
    assert folder.ok("plan").startswith("No changes.")


def test_it_isnt_done_twice_in_a_run(folder: Folder) -> None:
    admin = started(folder, times=2)
    done = folder.run("apply", "-y")
    assert done.code == 1 and "isn't ready, although it was created once more" in done.err
    assert admin.get("objects")["created"]["deployments"] == 2
    assert "is still in progress: apply waits for it" in folder.ok("plan")
    folder.ok("apply", "-y")
    assert admin.get("objects")["created"]["deployments"] == 3
    assert folder.ok("plan").startswith("No changes.")


@pytest.mark.parametrize(
    ("settings", "inputs"),
    [
        ("timeouts: {deployment: 0}", ""),
        ("timeouts: {deployment: 0}, recreate_after: 3600", ""),
        ("timeouts: {deployment: 0}, recreate_after: 0", ", lifecycle: {prevent_destroy: true}"),
    ],
    ids=["by default", "not for so long", "protected"],
)
def test_it_is_left_alone(folder: Folder, settings: str, inputs: str) -> None:
    folder.write("ftops.yaml", SPEC % (settings, inputs))
    admin = started(folder)
    done = folder.run("apply", "-y")
    assert done.code == 1 and "isn't ready after 0 s" in done.err
    assert admin.get("objects")["created"]["deployments"] == 1


def test_a_change_of_one_that_has_answered_deletes_nothing(folder: Folder) -> None:
    folder.ok("apply", "-y")
    admin = Admin.of(folder.path)
    admin.post("faults", {"match": "POST */chat/completions", "status": 404, "code": "DeploymentNotReady"})
    folder.edit("2024-07-18}", "2024-07-18, sku: {capacity: 2}}")
    folder.ok("apply", "-y")
    assert admin.get("objects")["created"]["deployments"] == 1
    recorded = json.loads(folder.ok("state", "show", "deployment.chat", "-o", "json"))["resource"]
    assert recorded["inputs"]["sku"]["capacity"] == 2


@pytest.mark.parametrize(("number", "mode"), [("4", "before"), ("4", "after"), ("6", "before")])
def test_a_kill_in_between_loses_nothing(folder: Folder, number: str, mode: str) -> None:
    """Around the entries that it was deleted, and that it was created once more."""
    admin = started(folder)
    command = [sys.executable, "-m", "tests.support.kill_at", number, mode, "--", "apply", "-y"]
    killed = run([*command, str(folder.path)], ROOT)
    assert killed.returncode == -signal.SIGKILL
    folder.ok("apply", "-y")
    assert folder.ok("plan").startswith("No changes.")
    assert len(admin.get("objects")["deployments"]) == 1
    assert admin.get("objects")["created"]["deployments"] == 2

"""ftops audit: a row when a run begins and one when it ends, whatever becomes of it."""

from __future__ import annotations

import json
import re
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftops.state.backends.audit_log import Run, RunEnded, RunStarted, audit_line, audited, read_runs
from ftops.state.backends.local import LocalStore
from tests.golden.cli import Folder, golden
from tests.support import forked
from tests.support.command import ROOT, environment, run
from tests.support.embedded import SPEC as EMBEDDED
from tests.support.embedded import Folder as Embedded
from tests.support.embedded import wait_until

TEXTS = st.text(max_size=6)
BEGUN = st.builds(
    RunStarted,
    st.uuids().map(str),
    st.just("t"),
    st.just("apply"),
    who=TEXTS,
    plan=TEXTS,
    serial=st.integers(0),
)


def test_a_killed_run_is_noted_whatever_was_done_beside_it(tmp_path: Path) -> None:
    store = LocalStore(tmp_path, "spec", "default")
    store.append_audit("", audit_line(RunStarted("older", "t", "apply")))
    store.append_audit("", audit_line(RunStarted("killed", "t", "apply")))
    for number in range(9):
        with audited(store, RunStarted(f"beside {number}", "t", "job pause", beside=True)) as ending:
            ending.result = "done"
    assert [run.result for run in read_runs(store.audit_lines())][:2] == ["running", "running"]
    with audited(store, RunStarted("next", "t", "apply")) as ending:
        ending.result = "done"
    found = {run.begun.run: run.result for run in read_runs(store.audit_lines())}
    assert (found["killed"], found["next"], found["beside 8"]) == ("lost", "done", "done")


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder.make(tmp_path)


def runs(folder: Folder) -> list[Any]:
    found: list[Any] = folder.run("audit", "--limit", "0", "-o", "json").json["runs"]
    return found


def test_a_run_and_what_it_did(folder: Folder) -> None:
    environ = {"GITHUB_RUN_ID": "7", "GITHUB_SERVER_URL": "https://ci", "GITHUB_REPOSITORY": "acme/models"}
    digest = folder.run("plan", "-o", "json").json["digest"]
    assert folder.run("apply", "-y", environ={**environ, "GITHUB_ACTOR": "somebody"}).code == 0
    (run,) = runs(folder)
    assert (run["operation"], run["who"], run["result"]) == ("apply", "somebody", "done")
    assert run["run_url"] == "https://ci/acme/models/actions/runs/7"
    assert (run["plan"], run["counts"]) == (digest, {"create": 5})
    assert (run["serial"], run["steps"]) == (0, {"done": 5})
    assert run["serial_after"] == folder.run("show", "-o", "json").json["serial"]
    assert run["at"] <= run["ended_at"]


def test_what_changes_nothing_leaves_no_row(folder: Folder) -> None:
    assert folder.ok("audit") == "No runs yet.\n"
    folder.run("apply")
    folder.ok("apply", "-y")
    folder.ok("apply", "-y")
    folder.ok("plan")
    assert len(runs(folder)) == 1


def test_every_way_to_change_the_state_is_there(folder: Folder) -> None:
    folder.ok("apply", "-y")
    folder.ok("state", "rm", "deployment.base")
    folder.ok("plan", "--out", "plan.ft")
    folder.ok("apply", "plan.ft")
    folder.ok("destroy", "-y")
    folder.ok("apply", "-y", "--destroy")
    found = [(r["operation"], r["result"], bool(r["planned_at"])) for r in runs(folder)]
    assert found == [
        ("apply", "done", False),
        ("state rm", "done", False),
        ("apply", "done", True),
        ("destroy", "done", False),
    ]
    table = folder.ok("audit")
    table = re.sub(r"\d{4}-\S+Z", "<time>              ", table)
    table = re.sub(r"\S+@\S+", "<who>", table)
    golden("audit", re.sub(r" +", " ", re.sub(r"\b[0-9a-f]{12}\b", "<digest>", table)))
    assert len(folder.ok("audit", "--limit", "2").splitlines()) == 5


def test_environments_have_their_own(folder: Folder) -> None:
    folder.edit("variables:\n", "environments:\n  prod: {variables: {capacity: 50}}\n\nvariables:\n")
    folder.ok("apply", "-y", "--env", "prod")
    assert runs(folder) == []
    assert "apply" in folder.ok("audit", "--env", "prod")


def test_a_killed_run_is_noted_by_the_next(tmp_path: Path) -> None:
    folder = Embedded.make(tmp_path)
    command = [*folder.command()[:2], "tests.support.kill_at", "3", "after", "--", "apply", str(folder.path)]
    done = run([*command, "-y"], ROOT)
    assert done.returncode == -signal.SIGKILL
    (running,) = json.loads(folder.ok("audit", "-o", "json"))["runs"]
    assert running["result"] == "running"
    folder.ok("apply", "-y")
    lost, ended = json.loads(folder.ok("audit", "-o", "json"))["runs"]
    assert (lost["result"], lost["noted_by"]) == ("lost", ended["run"])
    assert ended["result"] == "done"


def test_an_interrupted_run_says_so(tmp_path: Path) -> None:
    folder = Embedded.make(tmp_path, EMBEDDED.replace("queue_seconds: 0.05", "queue_seconds: 600"))
    with forked.Popen(
        folder.command("apply", "-y"), cwd=folder.path, env=environment(), stdout=subprocess.DEVNULL
    ) as process:
        journal = folder.path / "state" / "small" / "default.journal"
        wait_until(lambda: journal.exists() and b"ftjob" in journal.read_bytes())
        process.send_signal(signal.SIGINT)
        assert process.wait(300) == 130
    (run,) = json.loads(folder.ok("audit", "-o", "json"))["runs"]
    assert run["result"] == "interrupted"
    assert run["steps"]["done"] == 1


def test_a_failed_run_says_so(folder: Folder) -> None:
    folder.edit("${job.copilot.fine_tuned_model}\n    sku", "${job.copilot.checkpoint.7}\n    sku")
    assert folder.run("apply", "-y").code == 1
    (run,) = runs(folder)
    assert (run["result"], run["steps"]) == ("failed", {"done": 4, "failed": 1})


def test_where_the_log_cannot_be_written_nothing_is_begun(folder: Folder) -> None:
    (folder.path / "state" / "drone" / "default.audit.jsonl").mkdir(parents=True)
    done = folder.run("apply", "-y")
    assert done.code == 1
    assert "can't use the state" in done.err
    assert folder.ok("state", "list") == ""


def test_a_torn_line_spoils_no_other(folder: Folder) -> None:
    folder.ok("apply", "-y")
    log = folder.path / "state" / "drone" / "default.audit.jsonl"
    log.write_bytes(log.read_bytes()[:-20])
    folder.ok("destroy", "-y")
    assert [r["result"] for r in runs(folder)] == ["lost", "done"]


@given(st.lists(BEGUN, unique_by=lambda b: b.run), st.data())
def test_rows_survive_being_written(begun: list[RunStarted], data: st.DataObject) -> None:
    expected = []
    lines = []
    for row in begun:
        serial = data.draw(st.none() | st.integers(1))
        ended = data.draw(st.none() | st.just(RunEnded(row.run, "t", "done", serial, {"done": 2})))
        lines += [audit_line(row), *([audit_line(ended)] if ended else [])]
        expected.append(Run(row, ended))
    assert read_runs("".join(lines).splitlines()) == expected

"""Findings for CI: `-o github`, `gitlab`, `sarif` and `junit` of the commands that check."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.golden.cli import Folder, examples


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    (tmp_path / ".git").mkdir()
    (tmp_path / "models").mkdir()
    return Folder.make(tmp_path / "models" / "drone")


def test_an_error_of_a_spec_is_an_annotation_of_its_line(folder: Folder) -> None:
    folder.edit("n_epochs: 3", "n_epochs: three")
    done = folder.run("validate", "-o", "github")
    assert (done.code, done.err) == (1, ""), done
    (line,) = done.out.splitlines()
    assert line.startswith(
        "::error file=models/drone/ftops.yaml,line=10,col=22,title=ftops spec::`n_epochs` must"
    )


def test_the_report_of_a_valid_spec_has_no_errors(folder: Folder) -> None:
    (run,) = json.loads(folder.ok("validate", "-o", "sarif"))["runs"]
    assert {result["level"] for result in run["results"]} <= {"warning", "note"}
    assert "::error" not in folder.ok("validate", "-o", "github")


def test_findings_in_data_are_at_their_lines(folder: Folder) -> None:
    folder.write("data/train.jsonl", examples(12) + '{"messages": [{"role": "user", "content": "hi"}]}\n')
    for command in (("validate",), ("data", "check", "data/train.jsonl"), ("data", "check", ".")):
        done = folder.run(*command, "-o", "gitlab")
        errors = [issue for issue in json.loads(done.out) if issue["severity"] == "major"]
        assert done.code == 1, done
        assert [(issue["check_name"], issue["location"]) for issue in errors] == [
            ("chat/no-assistant", {"path": "models/drone/data/train.jsonl", "lines": {"begin": 13}})
        ]


def test_findings_of_a_plan(folder: Folder) -> None:
    folder.edit("m: {type: memory}", "local: {type: emulator}")
    folder.edit("ftops: {name: drone}", "ftops: {name: drone, budget: {training: 0.0001}}")
    done = folder.run("plan", "--offline", "-o", "junit")
    assert done.code == 3, done
    assert 'file="models/drone/ftops.yaml"' in done.out
    assert "more than the budget" in done.out


def test_the_root_that_ci_names_is_used(folder: Folder) -> None:
    folder.edit("n_epochs: 3", "n_epochs: three")
    named = {"GITHUB_WORKSPACE": str(folder.path.parent)}
    assert "file=drone/ftops.yaml," in folder.run("validate", "-o", "github", environ=named).out
    elsewhere = {"GITHUB_WORKSPACE": "/nowhere"}
    assert "file=models/drone/ftops.yaml," in folder.run("validate", "-o", "github", environ=elsewhere).out


def test_what_fails_before_anything_is_checked_is_reported_too(folder: Folder) -> None:
    done = folder.run("plan", "nowhere", "-o", "github")
    assert done.code == 1, done
    assert done.out.startswith("::error title=ftops spec::")

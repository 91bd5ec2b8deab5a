"""`transform`: what is declared is done before anything is compared or uploaded."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests.functional.test_cli_data import calling, lines
from tests.golden.cli import Folder

SPEC = """\
providers: {m: {type: memory}}
datasets:
  train:
    path: data/all.jsonl
    transform: [{convert: tools}, {slim: descriptions}, {split: {part: train, fraction: 0.6}}]
  valid:
    path: data/all.jsonl
    transform: [{convert: tools}, {slim: descriptions}, {split: {part: valid, fraction: 0.6}}]
jobs:
  route: {model: gpt-4.1-2025-04-14, training: train, validation: valid}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    made = Folder.make(tmp_path, SPEC)
    made.write("data/all.jsonl", lines(*(calling(f"Call {n}", "sales") for n in range(40))))
    return made


def files(folder: Folder) -> dict[str, list[dict[str, Any]]]:
    """What would be uploaded, by address."""
    found = {}
    for change in folder.run("plan", "-o", "json").json["changes"]:
        if change["address"].startswith("dataset."):
            text = (folder.path / change["after"]["file"]).read_text(encoding="utf-8")
            found[change["address"]] = [json.loads(line) for line in text.splitlines()]
    return found


def test_what_is_uploaded_is_what_comes_out(folder: Folder) -> None:
    found = files(folder)
    train, valid = found["dataset.train"], found["dataset.valid"]
    questions = [[e["messages"][0]["content"] for e in part] for part in (train, valid)]
    assert sorted(questions[0] + questions[1]) == sorted(f"Call {n}" for n in range(40))
    assert len(train) > len(valid) >= 10
    assert all("description" not in json.dumps(e) and "functions" not in e for e in train)


@pytest.mark.parametrize("command", ["data check", "validate", "plan"])
def test_a_step_that_changes_nothing_is_an_error_of_each_command(folder: Folder, command: str) -> None:
    folder.edit(
        "transform: [{convert: tools}, {slim: descriptions}, {split: {part: train",
        "transform: [{convert: functions}, {split: {part: train",
    )
    done = folder.run(*command.split(), "ftops.yaml")
    assert done.code == 1
    assert "no example has function calls or definitions to convert to `functions`" in done.words


def test_an_unchanged_plan_reads_nothing_again_and_a_change_counts(folder: Folder) -> None:
    old = (folder.path / "data/all.jsonl").stat().st_mtime_ns - 10**10
    os.utime(folder.path / "data/all.jsonl", ns=(old, old))
    folder.ok("apply", "-y")
    made = {p: p.stat().st_mtime_ns for p in (folder.path / ".ftops/data").glob("*.jsonl")}
    assert folder.run("plan", "--detailed-exitcode").code == 0
    assert {p: p.stat().st_mtime_ns for p in made} == made
    folder.edit("descriptions}, {split: {part: train", "parameters}, {split: {part: train")
    assert "content changed" in folder.ok("plan", "--target", "dataset.train")


def test_another_spelling_of_the_source_is_no_change(folder: Folder) -> None:
    """What comes out is written in one way."""
    folder.ok("apply", "-y")
    text = (folder.path / "data/all.jsonl").read_text(encoding="utf-8")
    folder.write("data/all.jsonl", "\ufeff" + "\r\n\r\n".join(text.splitlines()))
    assert folder.run("plan", "--detailed-exitcode").code == 0


def test_lost_files_are_made_again(folder: Folder) -> None:
    before = files(folder)
    for file in (folder.path / ".ftops/data").glob("*.jsonl"):
        file.unlink()
    assert files(folder) == before


def test_what_cannot_be_converted_is_an_error_with_its_line(folder: Folder) -> None:
    route = {"type": "function", "function": {"name": "route", "arguments": "{}"}}
    both = {"role": "assistant", "tool_calls": [{"id": "a", **route}, {"id": "b", **route}]}
    tools = [{"type": "function", "function": {"name": "route"}}]
    many = {"messages": [{"role": "user", "content": "x"}, both], "tools": tools}
    text = (folder.path / "data/all.jsonl").read_text(encoding="utf-8")
    folder.write("data/all.jsonl", text + lines(many))
    folder.edit("{convert: tools}", "{convert: functions}")
    done = folder.run("plan")
    assert done.code == 1
    assert "data/all.jsonl:41" in done.err
    assert "A message has 2 calls" in done.err


@pytest.mark.parametrize("step", ["slim: parameters, only: [sell]", "convert: functions"])
def test_a_step_that_changes_nothing_is_an_error(folder: Folder, step: str) -> None:
    """At the steps, before anything is uploaded."""
    folder.edit(
        "{convert: tools}, {slim: descriptions}, {split: {part: train", f"{{{step}}}, {{split: {{part: train"
    )
    done = folder.run("plan")
    assert done.code == 1
    assert "no example has" in done.err
    assert "ftops.yaml:5:5" in done.err


def test_what_steps_mend_is_no_finding(folder: Folder) -> None:
    """The rest is told by the lines of the source."""
    text = (folder.path / "data/all.jsonl").read_text(encoding="utf-8")
    folder.write("data/all.jsonl", text.replace('"description": "', '"description": "' + "x" * 1100))
    assert "tools/requests" not in folder.run("validate").err
    folder.edit("{slim: descriptions}, {split: {part: train", "{split: {part: train")
    told = folder.run("validate").err
    assert "tools/requests" in told
    assert "data/all.jsonl:1:" in told


@pytest.mark.parametrize(("part", "fraction", "code"), [("train", 0.1, 1), ("valid", 0.9, 0)])
def test_a_part_that_is_too_small_is_an_error_in_training(
    folder: Folder, part: str, fraction: float, code: int
) -> None:
    """The service asks for ten examples to train on."""
    folder.edit(f"part: {part}, fraction: 0.6", f"part: {part}, fraction: {fraction}")
    done = folder.run("validate")
    assert done.code == code
    assert "fewer than 10" in done.err
    assert f"{'warning' if code == 0 else 'error'}[file/too-few-examples]" in done.err

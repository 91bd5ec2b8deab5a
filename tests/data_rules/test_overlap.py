"""Validation data among training data: of one job, and of the jobs that its model comes from."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from ftops.dataset.checks import minhash
from ftops.dataset.checks.checker import overlap
from tests.data_rules.examples import LONG, chat, spread
from tests.golden.cli import Folder

SPEC = """\
ftops: {name: two}
providers: {m: {type: memory}}
datasets:
  first: {path: first.jsonl}
  second: {path: second.jsonl}
  valid: {path: valid.jsonl%s}
jobs:
  base: {model: gpt-4o-mini-2024-07-18, training: first}
  next:
    model: ${job.base.fine_tuned_model}
    training: second
    validation: valid
"""


def write(path: Path, lines: Sequence[str]) -> Path:
    path.write_text("".join(f"{line}\n" for line in lines))
    return path


def spaced(line: str) -> str:
    return json.dumps(json.loads(line), separators=(" , ", " : "))


NEAR = [chat(("user", LONG.format(what)), ("assistant", "I see.")) for what in ("here", "there")]


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    lines = spread(60)
    write(tmp_path / "first.jsonl", [*lines[:20], NEAR[0]])
    write(tmp_path / "second.jsonl", lines[20:40])
    write(tmp_path / "valid.jsonl", [*lines[40:], spaced(lines[3]), spaced(lines[25]), NEAR[1]])
    (tmp_path / "ftops.yaml").write_text(SPEC % "")
    return Folder(tmp_path)


def beyond(folder: Folder, *more: str) -> list[Any]:
    found: list[Any] = folder.run("data", "check", *more, "-o", "json").json["diagnostics"]
    return found


def test_a_job_and_its_ancestors(folder: Folder) -> None:
    found = beyond(folder)
    assert [(d["severity"], d["rule"], d["summary"]) for d in found] == [
        ("warning", "data/overlap", "1 of 23 examples of dataset.valid is in dataset.second"),
        ("warning", "data/overlap", "1 of 23 examples of dataset.valid is in dataset.first"),
        ("note", "data/near-overlap", "1 of 23 examples of dataset.valid is nearly in dataset.first"),
    ]
    assert "line 22 of valid.jsonl is the same as line 6 of second.jsonl" in found[0]["detail"]
    assert (
        "line 21 of valid.jsonl is the same as line 4 of first.jsonl, from which job.base"
        in found[1]["detail"]
    )
    assert "line 23 of valid.jsonl is nearly line 21 of first.jsonl" in found[2]["detail"]
    assert {d["place"]["line"] for d in found} == {12}


def test_a_plan_warns_and_can_be_made_to_stop(folder: Folder) -> None:
    done = folder.run("plan")
    assert done.code == 0
    assert done.err.count("warning[data/overlap]") == 2
    assert "near-overlap" not in done.err
    folder.write("ftops.yaml", SPEC % ", checks: {severity: {data/overlap: error}}")
    done = folder.run("plan")
    assert done.code == 1
    assert "error[data/overlap]" in done.err
    folder.write("ftops.yaml", SPEC % ", checks: {severity: {data/*: off}}")
    assert "overlap" not in folder.run("plan").err
    assert beyond(folder, "--severity", "data/near-overlap=warning")[0]["rule"] == "data/near-overlap"


def test_many_are_compared_alike(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    one, other = folder.path / "valid.jsonl", folder.path / "first.jsonl"
    few = overlap(one, other, "chat")
    assert (few.same, few.near) == (1, 1)
    monkeypatch.setattr("ftops.dataset.checks.minhash.MANY", 3)
    assert overlap(one, other, "chat") == few
    assert minhash.MANY == 3

"""Validation data among training data: of one job, and of the jobs that its model comes from."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from ftops.dataset.checks import checker, minhash
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


def test_it_is_told_once_of_all_jobs_of_a_for_each(folder: Folder) -> None:
    folder.edit(
        "    training: second\n", "    training: second\n    for_each: [1, 2]\n    seed: ${each.value}\n"
    )
    found = beyond(folder)
    assert [d["rule"] for d in found].count("data/overlap") == 2
    assert found[0]["detail"].startswith("job.next: line 22 of valid.jsonl")


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


def grown(turns: int, what: str = "box") -> str:
    messages = [
        message
        for n in range(turns)
        for message in (("user", f"Where is {what} {n}?"), ("assistant", f"Shelf {n} of {what}."))
    ]
    return chat(*messages)


@pytest.mark.parametrize(("trained", "validated"), [(1, 3), (3, 1), (2, 3)])
def test_parts_of_a_conversation_on_both_sides(folder: Folder, trained: int, validated: int) -> None:
    """The validation conversation continues one of the training data, or is its beginning."""
    lines = spread(60)
    write(folder.path / "second.jsonl", [*lines[20:40], grown(trained), grown(1, "jar")])
    write(folder.path / "valid.jsonl", [*lines[40:], grown(validated), grown(2, "cup")])
    [found] = [d for d in beyond(folder) if d["rule"] == "data/grown-overlap"]
    assert found["summary"] == "1 of 22 examples of dataset.valid is in part in dataset.second"
    assert "line 21 of valid.jsonl is a part of line 21 of second.jsonl" in found["detail"]
    assert found["severity"] == "warning"
    told = folder.run(
        "data", "diff", "first.jsonl", "second.jsonl", "--valid", "valid.jsonl", "-o", "json"
    ).json
    assert told["grown"] == [{"line": 21, "other": 21}]
    drawn = folder.ok("data", "diff", "first.jsonl", "second.jsonl", "--valid", "valid.jsonl")
    assert "1 conversation of which valid.jsonl has a beginning or a continuation" in drawn


def test_a_split_keeps_conversations_together(folder: Folder) -> None:
    """As agents record them, one row after each turn: in no part is a piece of one that is in another."""
    rows = [grown(turns, f"box{n} of row {n * 7}") for n in range(40) for turns in (1, 2, 3)]
    write(folder.path / "all.jsonl", rows)
    folder.ok("data", "split", "all.jsonl", "--part", "train=0.7", "--part", "valid=0.3")
    parts = folder.path / "all.train.jsonl", folder.path / "all.valid.jsonl"
    assert checker.grown(*parts) == []
    counts = [len(part.read_text().splitlines()) for part in parts]
    assert sum(counts) == 120 and all(count % 3 == 0 and count for count in counts)
    folder.ok("data", "split", "all.jsonl", "--group-by", "prompt", "--force")
    assert checker.grown(*parts) != []

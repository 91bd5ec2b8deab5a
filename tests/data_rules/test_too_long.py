"""Examples with more tokens than the model of a job takes in one."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from ftops import catalog
from ftops.config.data_files import SHORT
from tests.data_rules.examples import chat, spread
from tests.golden.cli import Folder

SPEC = """\
ftops: {name: lengths}
providers: {m: {type: memory}}
datasets:
  train: {path: train.jsonl%s}
jobs:
  base: {model: tiny-1, training: train}
  next:
    model: ${job.base.fine_tuned_model}
    training: train
"""
CATALOG = "models: {tiny-1: {encoding: o200k_base, example_tokens: %s}}\n"


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    long = chat(("user", "Tell me."), ("assistant", "word " * 5_000))
    lines = spread(20)
    (tmp_path / "train.jsonl").write_text("".join(f"{line}\n" for line in [*lines[:12], long, *lines[12:]]))
    (tmp_path / "ftops.yaml").write_text(SPEC % "")
    (tmp_path / "ftops.catalog.yaml").write_text(CATALOG % 1000)
    return Folder(tmp_path)


def found(folder: Folder, *more: str) -> list[dict[str, Any]]:
    told = folder.run("data", "check", *more, "-o", "json").json["diagnostics"]
    return [d for d in told if d["rule"] == "data/too-long"]


def test_a_job_and_those_that_start_from_it(folder: Folder) -> None:
    first, second = found(folder)
    assert first["severity"] == "warning"
    assert first["summary"] == "1 of 21 examples of dataset.train is longer than tiny-1 takes"
    assert "it takes 1,000 tokens in one example" in first["detail"]
    assert "line 13 of train.jsonl." in first["detail"]
    assert [d["place"]["line"] for d in (first, second)] == [6, 9]
    assert second["detail"].startswith("job.next: ")


def test_a_plan_warns_and_can_be_made_to_stop(folder: Folder) -> None:
    done = folder.run("plan")
    assert (done.code, done.err.count("warning[data/too-long]")) == (0, 2)
    folder.write("ftops.yaml", SPEC % ", checks: {severity: {data/too-long: error}}")
    done = folder.run("plan")
    assert (done.code, done.err.count("error[data/too-long]")) == (1, 2)
    folder.write("ftops.yaml", SPEC % ", checks: {severity: {data/too-long: off}}")
    assert "too-long" not in folder.run("plan").err


def test_grades_of_the_whole_spec(folder: Folder) -> None:
    whole = "{name: lengths, checks: {severity: {data/too-long: error}}}"
    spec = SPEC.replace("{name: lengths}", whole)
    folder.write("ftops.yaml", spec % "")
    assert folder.run("plan").err.count("error[data/too-long]") == 2
    folder.write("ftops.yaml", spec % ", checks: {severity: {data/*: note}}")
    assert folder.run("plan").code == 0
    folder.write("ftops.yaml", spec % ", checks: {severity: {data/duplicate: note}}")
    assert folder.run("plan").code == 1


def test_bytes_alone_are_no_finding(folder: Folder) -> None:
    """The long line has some 25,000 bytes, and 5,000 tokens."""
    folder.write("ftops.catalog.yaml", CATALOG % 6000)
    assert found(folder) == []


def test_the_catalogue_knows_no_model_that_takes_less() -> None:
    """Of lines as short as that, the catalogue isn't asked."""
    known = catalog.load(Path(os.devnull), {})
    limits = [model.example_tokens for model in known.models.values() if model.example_tokens]
    assert min(limits) >= SHORT

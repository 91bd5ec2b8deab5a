"""Sweeps: the jobs of a `for_each` side by side."""

from __future__ import annotations

import csv
import json
from io import StringIO
from pathlib import Path

import pytest

from tests.golden.cli import Folder

SPEC = """
ftops: {name: sweep}
providers: {local: {type: emulator}}
datasets:
  train: {path: train.jsonl}
  valid: {path: valid.jsonl}
  other: {path: other.jsonl}
jobs:
  sweep:
    for_each:
      one: {epochs: 1, data: train}
      two: {epochs: 2, data: other}
      "ten|=": {epochs: 1, data: other}
    model: gpt-4.1-nano-2025-04-14
    training: ${each.value.data}
    validation: valid
    hyperparameters: {n_epochs: "${each.value.epochs}", batch_size: 1}
    seed: 3
  alone:
    model: gpt-4.1-nano-2025-04-14
    training: train
"""


def conversation(number: int) -> str:
    turns = [
        {"role": "user", "content": f"Say {number}"},
        {"role": "assistant", "content": f"number {number}"},
    ]
    return json.dumps({"messages": turns}) + "\n"


def with_data(folder: Folder) -> Folder:
    for start, name in enumerate(("train", "other", "valid")):
        folder.write(f"{name}.jsonl", "".join(conversation(100 * start + n) for n in range(12)))
    return folder


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    folder = with_data(Folder.make(tmp_path_factory.mktemp("sweep"), SPEC))
    folder.ok("apply", "-y")
    return folder


def test_a_row_for_each_job(trained: Folder) -> None:
    found = trained.run("results", "job.sweep", "-o", "json").json
    assert (found["address"], found["metric"], found["mode"]) == ("job.sweep", "full_valid_loss", "min")
    jobs = {job["key"]: job for job in found["trials"]}
    assert jobs.keys() == {"one", "two", "ten|="}
    assert [job["best"] for job in found["trials"]] == sorted(job["best"] for job in found["trials"])
    assert jobs["two"]["inputs"] == {"n_epochs": 2, "training": "dataset.other"}
    assert jobs["two"]["trained_tokens"] == 2 * jobs["ten|="]["trained_tokens"]
    assert jobs["two"]["dollars"] == pytest.approx(2 * jobs["ten|="]["dollars"])
    for key, job in jobs.items():
        address = f'job.sweep["{key}"]'
        rows = trained.run("results", address, "-o", "json").json["rows"]
        losses = [row["full_valid_loss"] for row in rows if "full_valid_loss" in row]
        assert (job["last"], job["best"]) == (losses[-1], min(losses))
        recorded = trained.run("state", "show", address, "-o", "json").json["resource"]["outputs"]
        assert job["best_checkpoint"] == recorded["checkpoint"]["best"]
        assert recorded["checkpoint"][str(job["best_step"])] == job["best_checkpoint"]
        assert recorded["metrics"]["full_valid_loss"] == pytest.approx(job["last"])


def test_the_same_as_text_csv_and_markdown(trained: Folder) -> None:
    order = [job["key"] for job in trained.run("results", "job.sweep", "-o", "json").json["trials"]]
    heading, *rows = trained.ok("results", "job.sweep").splitlines()
    assert heading.split()[:4] == ["key", "n_epochs", "training", "best"]
    assert [row.split()[0] for row in rows] == order
    table = csv.DictReader(StringIO(trained.ok("results", "job.sweep", "-o", "csv")))
    assert [row["key"] for row in table] == order
    heading, _, *rows = trained.ok("results", "job.sweep", "-o", "markdown").splitlines()
    assert heading.startswith("| `key` | `n_epochs` |")
    assert len(rows) == 3 and any(row.startswith("| `ten\\|=` |") for row in rows)


@pytest.mark.parametrize(
    ("column", "first"),
    [("cost", {"one", "ten|="}), ("n_epochs", {"one", "ten|="}), ("training", {"two", "ten|="})],
)
def test_sorted_by_a_column(trained: Folder, column: str, first: set[str]) -> None:
    jobs = trained.run("results", "job.sweep", "--sort", column, "-o", "json").json["trials"]
    assert {job["key"] for job in jobs[:2]} == first


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["job.sweep", "--sort", "losss"], "job.sweep can't be sorted by `losss`"),
        (["job.sweep", "--sort", "acuracy"], "Did you mean `accuracy`?"),
        (["job.alone", "--sort", "best"], "job.alone is a single job"),
        (["job.alone", "-o", "markdown"], "job.alone is a single job"),
        (["job.swee"], "job.swee is not recorded"),
        (['job.sweep["three"]'], 'job.sweep["three"] is not recorded'),
        (["dataset.train"], "dataset.train isn't a job"),
    ],
)
def test_what_is_no_sweep(trained: Folder, words: list[str], said: str) -> None:
    done = trained.run("results", *words)
    assert done.code != 0 and said in done.err


def test_jobs_without_metrics_come_last(tmp_path: Path) -> None:
    spec = """
providers: {m: {type: memory}}
datasets: {train: {path: train.jsonl}}
jobs: {sweep: {for_each: [a, b], model: gpt-4.1-nano-2025-04-14, training: train, suffix: "${each.key}"}}
"""
    folder = with_data(Folder.make(tmp_path, spec))
    folder.ok("apply", "-y")
    heading, *rows = folder.ok("results", "job.sweep").splitlines()
    assert heading.split() == ["key", "suffix"]
    assert [row.split() for row in rows] == [[k, f'"{k}"', "no", "result", "file"] for k in ("a", "b")]
    found = folder.run("results", "job.sweep", "-o", "json").json
    assert found["metric"] is None and found["trials"][0]["best"] is None

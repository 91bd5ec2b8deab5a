"""Code in a checkout: the python grader of a job. The emulator that ftops starts doesn't run it."""

from __future__ import annotations

import json
from pathlib import Path

from tests.contract.azure_cloud import running_cloud
from tests.emulator.test_python_graders import FLAG, isolated
from tests.golden.cli import Folder

SPEC = """
ftops: {name: code}
providers: {m: PROVIDER}
datasets:
  train: {path: train.jsonl}
  valid: {path: valid.jsonl}
jobs:
  coded:
    model: o4-mini-2025-04-16
    method: reinforcement
    training: train
    validation: valid
    hyperparameters: {n_epochs: 1, batch_size: 12}
    grader:
      type: python
      name: code
      source: |
        def grade(sample, item):
            try:
                open("MARK", "w")
            except OSError:
                return 1.0
            return 0.0
"""


def checkout(path: Path, provider: str) -> Folder:
    folder = Folder(path)
    for name in ("train", "valid"):
        rows = (
            {"messages": [{"role": "user", "content": f"{name} {n}"}], "answer": str(n)} for n in range(12)
        )
        folder.write(f"{name}.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    folder.write("ftops.yaml", SPEC.replace("PROVIDER", provider).replace("MARK", str(path / "mark")))
    return folder


def test_an_emulator_that_ftops_starts_runs_no_code_of_a_spec(tmp_path: Path) -> None:
    switched = "{type: emulator, settings: {allow_python_graders: true}}"
    for provider in ("{type: emulator}", switched):
        folder = checkout(tmp_path, provider)
        done = folder.run("apply", "-y")
        assert done.code != 0
        refused = "the emulator has no setting `allow_python_graders`"
        assert (FLAG if provider != switched else refused) in done.err
    assert not (tmp_path / "mark").exists()


@isolated
def test_one_that_you_have_started_for_it_runs_it_apart_from_everything(tmp_path: Path) -> None:
    with running_cloud(tmp_path / "cloud", FLAG) as cloud:
        folder = checkout(tmp_path, f'{{type: emulator, url: "{cloud.url}", api_key: "{cloud.key}"}}')
        folder.ok("apply", "-y")
        rows = folder.run("results", "job.coded", "-o", "json").json["rows"]
    assert [row["train_mean_reward"] for row in rows] == [1.0]  # it couldn't
    assert not (tmp_path / "mark").exists()

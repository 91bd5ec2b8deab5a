"""Reinforcement from spec to deployment: the best checkpoint is the one with the highest reward."""

from __future__ import annotations

import json
from pathlib import Path

from tests.contract.azure_cloud import running_cloud
from tests.golden.cli import Folder

SPEC = """
ftops: {name: colours}
providers: {m: {type: emulator, url: "URL", api_key: "KEY"}}
datasets:
  train: {path: train.jsonl}
  valid: {path: valid.jsonl}
jobs:
  painter:
    model: o4-mini-2025-04-16
    method: reinforcement
    training: train
    validation: valid
    seed: 7
    hyperparameters: {n_epochs: 4, batch_size: 6, eval_interval: 8, eval_samples: 2}
    grader:
      type: string_check
      name: exact
      operation: eq
      input: "{{sample.output_text}}"
      reference: "{{item.colour}}"
deployments:
  painter: {model: "${job.painter.checkpoint.best}"}
"""
COLOURS = {"grass": "green", "snow": "white", "coal": "black"}


def test_the_best_checkpoint_by_reward_is_deployed(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    for name, count in (("train", 12), ("valid", 5)):
        rows = (
            {
                "messages": [{"role": "user", "content": f"{name}: the colour of {thing}, {number}"}],
                "colour": COLOURS[thing],
            }
            for number, thing in enumerate([*COLOURS] * count)
        )
        folder.write(f"{name}.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    with running_cloud(tmp_path / "cloud") as cloud:
        folder.write("ftops.yaml", SPEC.replace("URL", cloud.url).replace("KEY", cloud.key))
        out = folder.ok("apply", "-y")
        assert "reward 0." in out
        assert "valid reward" in out
        job = folder.run("state", "show", "job.painter", "-o", "json").json["resource"]["outputs"]
        rows = folder.run("results", "job.painter", "-o", "json").json["rows"]
        measured = {
            row["step"]: row["full_valid_mean_reward"] for row in rows if "full_valid_mean_reward" in row
        }
        saved = {step: measured[int(step)] for step in job["checkpoint"] if step != "best"}
        best = max(saved, key=lambda step: saved[step])
        assert len(saved) == 3
        assert saved[best] > 0.6
        assert job["checkpoint"]["best"] == job["checkpoint"][best]
        marked = [line for line in folder.ok("results", "job.painter").splitlines() if line.endswith("best")]
        assert int(best) in [int(line.split()[0]) for line in marked]
        shown = folder.run("state", "show", "deployment.painter", "-o", "json").json["resource"]
        assert shown["inputs"]["model"] == job["checkpoint"]["best"]
        assert "No changes" in folder.ok("plan")

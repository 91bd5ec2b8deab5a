"""A project with a small spec for the emulator, and the command line to run in it."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from tests.support.command import FTOPS, ftops, in_process, run
from tests.support.emulator_admin import Admin

SPEC = """\
ftops: {name: small}
providers:
  here:
    type: emulator
    data: cloud
    settings:
      file_processing_seconds: 0.05
      queue_seconds: 0.05
      min_training_seconds: 0.2
      deployment_seconds: 0.1
      not_found_seconds: 0.05
      deletion_seconds: 0.05

datasets:
  train: {path: train.jsonl}

jobs:
  copilot:
    model: gpt-4o-mini-2024-07-18
    training: train
    hyperparameters: {n_epochs: 1, batch_size: 4}
    seed: 7

deployments:
  prod: {model: "${job.copilot.fine_tuned_model}"}
"""


def example(number: int, reply: str = "") -> str:
    """One line of training data."""
    messages = [
        {"role": "user", "content": f"What is {number} plus {number}?"},
        {"role": "assistant", "content": reply or f"It is {2 * number}."},
    ]
    return json.dumps({"messages": messages}) + "\n"


@dataclass(frozen=True)
class Folder:
    """The folder of a spec, which is a project of its own."""

    path: Path

    @classmethod
    def make(cls, path: Path, spec: str = SPEC) -> Folder:
        folder = path / "small"
        folder.mkdir(parents=True)
        (folder / "ftops.yaml").write_text(spec, encoding="utf-8")
        (folder / "train.jsonl").write_text("".join(map(example, range(12))), encoding="utf-8")
        return cls(folder)

    def command(self, *arguments: str) -> list[str]:
        return [*FTOPS, *arguments]

    def run(self, *arguments: str, expect: int = 0) -> str:
        """The standard output. Fails, with all that was printed, if the exit code is another one."""
        return self.run_command(self.command(*arguments), expect)

    def ok(self, *arguments: str) -> str:
        """The same, in this process and without an error."""
        return ftops(self.path, *arguments).stdout

    def run_command(self, command: list[str], expect: int | None = 0) -> str:
        done = run(command, self.path)
        assert expect is None or done.returncode == expect, f"{done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def cloud(self) -> Cloud:
        """The objects that the emulator has."""
        return Cloud(self.admin("objects"))

    def admin(self, path: str) -> Any:
        """A GET of one of the emulator's own endpoints. A plan starts it if it isn't running."""
        start = partial(in_process, self.path, "plan")
        return Admin(self.path / "cloud", start).get(path)


@dataclass(frozen=True)
class Cloud:
    """The emulator's list of its objects."""

    raw: Any

    def counts(self) -> tuple[int, int, int, int]:
        """(training files, jobs, models, deployments)."""
        files = [f for f in self.raw["files"] if f["purpose"] == "fine-tune"]
        return len(files), len(self.raw["jobs"]), len(self.raw["models"]), len(self.raw["deployments"])


def wait_until(condition: Any, seconds: float = 120.0) -> None:
    """Polls a condition; fails after this time."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "the condition is still not true"
        time.sleep(0.02)

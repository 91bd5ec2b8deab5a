"""A canary in every place that may hold a secret; then a look everywhere for it."""

from __future__ import annotations

import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from tests.emulator.origin import origin_of
from tests.support.command import FTOPS, ROOT
from tests.support.command import run as run_command
from tests.support.embedded import example

FROM_ENVIRONMENT = "canary-environment-5f1c"
FROM_VARIABLE = "canary-variable-77ab"
KEY = "canary-key-0d3e9a"
SECRETS = {"CANARY": FROM_ENVIRONMENT, "CANARY_KEY": KEY, "FTOPS_VAR_owner": FROM_VARIABLE}
CANARIES = (FROM_ENVIRONMENT, FROM_VARIABLE, KEY)

SPEC = """\
variables:
  owner: {type: string, sensitive: true}
providers:
  m: {type: memory}
datasets:
  train: {path: train.jsonl}
jobs:
  copilot:
    model: gpt-4o-mini-2024-07-18
    training: train
    integrations: [{type: wandb, wandb: {project: "p-${env.CANARY}"}}]
deployments:
  prod:
    model: ${job.copilot.fine_tuned_model}
    tags: {owner: "${var.owner}", both: "${var.owner} and ${env.CANARY}"}
outputs:
  plain: ${job.copilot.fine_tuned_model}
  hidden: "owned by ${var.owner}"
"""

EMULATED = """\
providers:
  here: {type: emulator, api_key: "${env.CANARY_KEY}"}
datasets:
  train: {path: train.jsonl}
  fetched: {url: "${env.FETCHED}"}
  refused: {url: "${var.owner}", enabled: "${env.REFUSED}"}
variables:
  owner: {type: string, sensitive: true}
deployments:
  base: {model: gpt-4o-mini-2024-07-18}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    project = tmp_path / "project"
    project.mkdir()
    (project / "train.jsonl").write_text("".join(map(example, range(12))), encoding="utf-8")
    return project


def run(folder: Path, *arguments: str, expect: int = 0, **more: str) -> str:
    """Everything that it prints."""
    done = run_command([*FTOPS, *arguments], folder, {**SECRETS, **more})
    assert done.returncode == expect, done.stdout + done.stderr
    return done.stdout + done.stderr


def check_clean(folder: Path, *printed: str) -> None:
    for text in printed:
        for canary in CANARIES:
            assert canary not in text
    for file in folder.rglob("*"):
        if file.is_file():
            content = file.read_bytes()
            own = KEY if file.name in OF_THE_CLOUD and not file.stat().st_mode & 0o077 else ""
            for canary in CANARIES:
                assert canary.encode() not in content or canary == own, file


OF_THE_CLOUD = ("key", "server.json")
"""Files of the embedded cloud that hold its own key, for its owner alone."""

COMMANDS = [
    ("plan",),
    ("plan", "-o", "json"),
    ("apply", "-y", "-o", "json"),
    ("plan",),
    ("show",),
    ("show", "-o", "json"),
    ("state", "show", "deployment.prod"),
    ("state", "show", "job.copilot", "-o", "json"),
    ("output",),
    ("output", "-o", "json"),
    ("graph",),
    ("graph", "--format", "mermaid"),
    ("plan", "--replace", "job.copilot"),
    ("destroy", "-y"),
]


def test_secrets_of_inputs_and_outputs_stay_out_of_everything(folder: Path) -> None:
    (folder / "ftops.yaml").write_text(SPEC, encoding="utf-8")
    for command in COMMANDS:
        check_clean(folder, run(folder, *command))


def test_a_journal_left_by_a_killed_run_holds_none(folder: Path) -> None:
    (folder / "ftops.yaml").write_text(SPEC, encoding="utf-8")
    command = [sys.executable, "-m", "tests.support.kill_at", "3", "after", "--", "apply", "-y", str(folder)]
    run_command(command, ROOT, SECRETS)
    assert list(folder.rglob("*.journal"))
    check_clean(folder)


def test_a_changed_secret_is_a_change_that_says_so_without_it(folder: Path) -> None:
    (folder / "ftops.yaml").write_text(SPEC, encoding="utf-8")
    run(folder, "apply", "-y")
    assert "No changes" in run(folder, "plan")
    text = run(folder, "plan", "--var", "owner=canary-other", expect=0)
    assert "deployment.prod" in text
    assert "canary-other" not in text


def test_the_embedded_cloud_keeps_them_to_itself(folder: Path) -> None:
    """Its key and the signature of an address: not on disk, not among the arguments of a process."""
    with origin_of({"/train.jsonl": (folder / "train.jsonl").read_bytes()}) as origin:
        (folder / "ftops.yaml").write_text(EMULATED, encoding="utf-8")
        ftops = partial(
            run,
            folder,
            FETCHED=f"{origin.url}/train.jsonl?sig={FROM_ENVIRONMENT}",
            FTOPS_VAR_owner=f"{origin.url}/nowhere.jsonl?sig={FROM_VARIABLE}",
        )
        printed = [ftops("apply", "-y", "-o", "json", REFUSED="false")]
        check_clean(folder, *printed, arguments_of_the_cloud(folder))
        printed = [ftops("apply", "-y", expect=1, REFUSED="true")]
        assert "status 403" in printed[0]
        check_clean(folder, *printed, ftops("show", "-o", "json", REFUSED="false"))
        state = folder / "state" / "project" / "default.json"
        assert '"${env.FETCHED}"' in state.read_text(encoding="utf-8")
        ftops("destroy", "-y", REFUSED="false")


def arguments_of_the_cloud(folder: Path) -> str:
    """What every user of the machine can see of its process."""
    listing = subprocess.run(["ps", "-eo", "args", "-ww"], capture_output=True, text=True, check=True).stdout
    found = [line for line in listing.splitlines() if "ftops.emulator" in line and str(folder) in line]
    assert found
    return "\n".join(found)

"""docs/reinforcement.md: its commands run one after the other, and train the spec `triage`."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import sys
from pathlib import Path

import pytest

from ftops.config.loader import load
from ftops.core.nested import object_at
from ftops.yaml.formatter import format_text
from tests.golden.cli import Folder

UNSET = "00000000-0000-0000-0000-000000000000"
ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "reinforcement.md").read_text("utf-8")
COMMANDS = [
    line for block in re.findall(r"^```sh\n(.*?)^```$", TEXT, re.M | re.S) for line in block.splitlines()
]
TRIAGE = ROOT / "specs" / "triage"


def test_the_commands_run_and_the_model_learns(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    folder.write(".git/HEAD", "")
    shutil.copytree(TRIAGE, tmp_path / "specs" / "triage", ignore=shutil.ignore_patterns(".ftops", "state"))
    said = {command: done(folder, command) for command in COMMANDS}
    (graded,) = (text for command, text in said.items() if "grade.py" in command)
    scores = [line.split()[0] for line in graded.splitlines()]
    assert [scores.count(score) for score in ("1.00", "0.70", "0.30", "0.00")] == [3, 3, 9, 9]
    (answer,) = (text for command, text in said.items() if "ask.py" in command)
    assert json.loads(answer[answer.index("{") :]) == {"queue": "delivery", "urgency": "high"}
    (table,) = (text for command, text in said.items() if "results" in command)
    (best,) = (line.split() for line in table.splitlines() if line.endswith("best"))
    assert float(best[2]) > 0.7
    assert "No changes." in [text for command, text in said.items() if "plan" in command][-1]


def done(folder: Folder, command: str) -> str:
    words = [sys.executable if word == "python" else word for word in shlex.split(command)]
    assert words[0] == "ftops"
    # A program that is run writes to the output of the process.
    found = folder.process(*words[1:]) if "exec" in words else folder.run(*words[1:])
    assert found.code == 0, (command, found)
    return found.out


@pytest.mark.parametrize("text", re.findall(r"^```yaml\n(.*?)^```$", TEXT, re.M | re.S))
def test_the_specs_load(tmp_path: Path, text: str) -> None:
    file = tmp_path / "ftops.yaml"
    file.write_text(text, "utf-8")
    assert load(file, environ={}).resources
    assert format_text(text, "ftops.yaml") == text


def test_the_end_of_the_spec_shows_what_azure_needs(tmp_path: Path) -> None:
    shutil.copytree(TRIAGE, tmp_path / "triage", ignore=shutil.ignore_patterns(".ftops", "state"))
    file = tmp_path / "triage" / "ftops.yaml"
    head, mark, tail = file.read_text("utf-8").partition("# providers:\n")
    file.write_text(head + re.sub(r"^# ?", "", mark + tail, flags=re.M), "utf-8")
    config = load(file, environ={"AZURE_SUBSCRIPTION_ID": UNSET}, environment="prod")
    (job,) = (resource for resource in config.resources if resource.address.kind == "job")
    assert job.provider == "azure"
    assert object_at(job.inputs, "hyperparameters")["n_epochs"] == 2

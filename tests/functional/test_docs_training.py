"""docs/training.md: its commands run one after the other, on a copy of the quickstart."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

from tests.golden.cli import Folder

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "training.md").read_text("utf-8")
COMMANDS = [
    line for block in re.findall(r"^```sh\n(.*?)^```$", TEXT, re.M | re.S) for line in block.splitlines()
]


def test_the_commands_run(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    folder.write(".git/HEAD", "")
    source = ROOT / "specs" / "quickstart"
    shutil.copytree(
        source, tmp_path / "specs" / "quickstart", ignore=shutil.ignore_patterns(".ftops", "state")
    )
    said = {}
    for command in COMMANDS:
        name, *words = shlex.split(command)
        done = folder.run(*words)
        assert (name, done.code) == ("ftops", 4 if "--no-wait" in words else 0), (command, done)
        said[command] = done.out
    assert "Verdict: " in said["ftops results job.copilot specs/quickstart"]
    assert "job.copilot: succeeded" in said["ftops jobs specs/quickstart --follow"]
    assert "Job enqueued." in said["ftops logs job.copilot specs/quickstart"]

"""docs/reports.md: its commands run one after the other, on a copy of the quickstart."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from pathlib import Path

from tests.golden.cli import ROOT, Folder

TEXT = (ROOT / "docs" / "reports.md").read_text("utf-8")
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
        assert name == "ftops"
        said[command] = folder.ok(*words)
    pages = {
        name: (tmp_path / name).read_text("utf-8") for name in ("report.html", "copilot.html", "offline.html")
    }
    sections = re.findall(r"^\| ([A-Z][a-z ]+) \|", TEXT, re.M)
    shown = [title for title in sections if f">{title}</h2>" in pages["report.html"]]
    assert shown == [title for title in sections if title != "Sweeps"]
    assert "deployment.copilot" not in pages["copilot.html"]
    assert "Made offline" in pages["offline.html"]
    assert "base_model: " in (tmp_path / "model-card.md").read_text("utf-8")
    facts = json.loads(said["ftops report specs/quickstart -o json"])
    assert facts["evaluations"][0]["gates"][0]["passed"] is True

"""docs/data.md: its commands run one after the other in one folder, its specs load."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from ftops.config.loader import load
from ftops.yaml.formatter import format_text
from tests.functional.test_cli_costs import git
from tests.functional.test_cli_data import ROUTED, calling, lines
from tests.golden.cli import Folder

TEXT = (Path(__file__).parents[2] / "docs" / "data.md").read_text("utf-8")
COMMANDS = [
    line
    for block in re.findall(r"^```sh\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
    for line in block.splitlines()
    if line.startswith("ftops ")
]
SPECS = re.findall(r"^```yaml\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
MAPPING = re.search(r"^```text\n(messages:.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)


def test_the_commands_run(tmp_path: Path) -> None:
    folder = Folder.make(tmp_path)
    assert MAPPING is not None
    folder.write("map.yaml", MAPPING[1])
    folder.write("table.csv", "question,answer\nWho?,You.\n")
    folder.write("alpaca.json", '[\n {"instruction": "Who?", "input": "", "output": "You."}\n]\n')
    folder.write("data/new.jsonl", lines(*ROUTED[1:]))
    folder.write("data/all.jsonl", lines(*ROUTED))
    folder.write("data/legacy.jsonl", lines(*(calling(f"Call {n}", "sales") for n in range(3))))
    for arguments in (("init", "-q"), ("add", "data"), ("commit", "-qm", "one")):
        git(tmp_path, *arguments)
    assert len(COMMANDS) > 10
    for command in COMMANDS:
        done = folder.run(*shlex.split(command)[1:])
        assert done.code == (2 if "--detailed-exitcode" in command else 0), (command, done)


@pytest.mark.parametrize("text", SPECS)
def test_the_specs_load(tmp_path: Path, text: str) -> None:
    file = tmp_path / "ftops.yaml"
    file.write_text(text, "utf-8")
    assert load(file, environ={}).resources
    assert format_text(text, "ftops.yaml") == text

"""docs/saved-plans.md and docs/drift.md: their commands run in their order, their tables are complete."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from ftops.config.loader import load
from ftops.core.drift_classes import DRIFT_CLASSES
from tests.golden.cli import SPEC, Folder

DOCS = Path(__file__).parents[2] / "docs"
SAVED, DRIFT = ((DOCS / name).read_text("utf-8") for name in ("saved-plans.md", "drift.md"))


def commands(text: str) -> list[str]:
    blocks = re.findall(r"^```sh\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return [line for block in blocks for line in block.splitlines() if line.startswith("ftops ")]


@pytest.mark.parametrize("text", [SAVED, DRIFT], ids=["saved-plans", "drift"])
def test_the_commands_run(tmp_path: Path, text: str) -> None:
    folder = Folder.make(tmp_path)
    found = commands(text)
    assert len(found) > 2
    for command in found:
        digest = str(folder.run("plan", "-o", "json").json["digest"])
        done = folder.run(*shlex.split(command.replace("v2:sha256:…", digest), comments=True)[1:])
        assert done.code == 0, (command, done)


def test_the_table_of_classes_is_that_of_the_code() -> None:
    rows = re.findall(r"^\| `(\w+)` \| .* \| (`.*`) \| (✓?) *\|$", DRIFT, re.MULTILINE)
    assert {
        name: (tuple(re.findall(r"`(\w+)`", policies)), not counts) for name, policies, counts in rows
    } == {name: (row.policies, row.expected) for name, row in DRIFT_CLASSES.items()}


def test_the_policies_of_the_example_are_read(tmp_path: Path) -> None:
    (block,) = re.findall(r"^```yaml\n(.*?)^```$", DRIFT, re.MULTILINE | re.DOTALL)
    folder = Folder.make(tmp_path, SPEC.replace("ftops: {name: drone}\n", block + "  name: drone\n"))
    config = load(folder.path / "ftops.yaml", environ={})
    assert config.drift == {"expired": "ignore", "changed": "fail"}

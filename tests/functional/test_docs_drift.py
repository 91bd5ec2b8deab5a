"""docs/drift.md: its table is complete, its example loads."""

from __future__ import annotations

import re
from pathlib import Path

from ftops.config.loader import load
from ftops.core.drift_classes import DRIFT_CLASSES
from tests.golden.cli import SPEC, Folder

DRIFT = (Path(__file__).parents[2] / "docs" / "drift.md").read_text("utf-8")


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

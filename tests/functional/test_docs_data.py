"""docs/data.md: its specs load."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ftops.config.loader import load
from ftops.yaml.formatter import format_text

TEXT = (Path(__file__).parents[2] / "docs" / "data.md").read_text("utf-8")
SPECS = re.findall(r"^```yaml\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("text", SPECS)
def test_the_specs_load(tmp_path: Path, text: str) -> None:
    file = tmp_path / "ftops.yaml"
    file.write_text(text, "utf-8")
    assert load(file, environ={}).resources
    assert format_text(text, "ftops.yaml") == text

"""The manual of generated data says what each key is."""

from __future__ import annotations

import re
from pathlib import Path

from ftops.config.schema import generation

TEXT = (Path(__file__).parents[3] / "docs" / "generation.md").read_text(encoding="utf-8")


def test_every_key_is_described() -> None:
    blocks = [block for name, block in vars(generation).items() if name.endswith("Block") and block.noun]
    keys = {field.key for block in blocks for field in block.fields.values()}
    assert len(keys) > 30
    assert [key for key in sorted(keys) if not re.search(rf"\b{key}\b", TEXT)] == []

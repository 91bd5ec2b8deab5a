"""The manual names every setting with its default."""

from __future__ import annotations

import os
import re
from pathlib import Path

from ftops.emulator.account.faults import Rule
from ftops.emulator.account.settings import TYPES, markdown

MANUAL = Path(__file__).parents[2] / "docs" / "emulator.md"
MARK = "`type: emulator`. Flags and changes are kept in `DIR/settings.json`.\n\n"


def test_every_setting_is_explained_once() -> None:
    explained = re.findall(r"^\| `(\w+)` \|", markdown(), re.MULTILINE)
    assert sorted(explained) == sorted(TYPES)


def test_the_manual_is_current() -> None:
    """UPDATE_GOLDEN=1 writes its tables again."""
    head, found, tables = MANUAL.read_text("utf-8").partition(MARK)
    assert found
    if os.environ.get("UPDATE_GOLDEN"):
        MANUAL.write_text(head + MARK + markdown(), "utf-8")
        return
    assert tables == markdown()


def test_the_manual_knows_every_key_of_a_fault() -> None:
    text = MANUAL.read_text("utf-8")
    assert [key for key in Rule.__struct_fields__ if key != "hits" and f"`{key}" not in text] == []

"""The manual names every setting with its default."""

from __future__ import annotations

import os
import re
from itertools import pairwise
from pathlib import Path

from ftops.emulator.account.faults import Rule
from ftops.emulator.account.settings import CHOICES, HELP, TYPES, Settings

MANUAL = Path(__file__).parents[2] / "docs" / "emulator.md"
MARK = "`type: emulator`. Flags and changes are kept in `DIR/settings.json`.\n\n"
SECTIONS = {
    "Behaviour of the service that isn't known": "wrong_state_status",
    "Behaviour": "strict",
    "Seconds": "file_processing_seconds",
    "Limits": "running_jobs_limit",
}
"""Title of a table of the manual → its first setting."""


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


def markdown() -> str:
    """The tables of docs/emulator.md."""
    names = list(TYPES)
    starts = [names.index(first) for first in SECTIONS.values()]
    parts = zip(SECTIONS, pairwise([*starts, len(names)]), strict=True)
    return "\n\n".join(_section(title, names[start:end]) for title, (start, end) in parts) + "\n"


def _section(title: str, names: list[str]) -> str:
    lines = [f"### {title}", "", "| setting | meaning | default | other values |", "|---|---|---|---|"]
    for name in names:
        default = getattr(Settings(), name)
        choices = (True, False) if isinstance(default, bool) else CHOICES.get(name, ())
        others = ", ".join(f"`{_shown(choice)}`" for choice in choices if choice != default)
        lines.append(f"| `{name}` | {HELP[name]} | `{_shown(default)}` | {others} |")
    return "\n".join(lines)


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:.10g}" if isinstance(value, float) else str(value) or '""'

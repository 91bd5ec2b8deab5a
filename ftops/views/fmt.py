"""Coloured unified diff."""

from __future__ import annotations

from collections.abc import Iterable

from ftops.views.paint import Painter


def draw_diff(lines: Iterable[str], paint: Painter) -> str:
    """Lines of a unified diff, with their ends."""
    return "".join(f"{paint(line.rstrip(chr(10)), _style(line))}\n" for line in lines)


def _style(line: str) -> str:
    if line.startswith(("+++", "---")):
        return "bold"
    return {"+": "create", "-": "delete", "@": "hint"}.get(line[:1], "")

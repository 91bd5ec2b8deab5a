"""Checks of the doctor as text and JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from ftops.core.address import Json
from ftops.session.doctor import ERROR, OK, WARNING, Check
from ftops.views.folding import columns_of, folded_lines, padded
from ftops.views.paint import Painter, clean

_SIGNS: Mapping[str, tuple[str, str]] = {OK: ("✓", "good"), WARNING: ("!", "warning"), ERROR: ("✗", "error")}
"""Verdict → its sign and style."""


def draw(found: Sequence[Check], others: Sequence[str], paint: Painter, columns: int) -> Iterator[str]:
    """A line for each, which continues below itself, and what to do, if anything; then the environments that
    weren't checked."""
    width = max((columns_of(clean(check.name)) for check in found), default=0)
    indent = width + 4
    for check in found:
        sign, style = _SIGNS[check.verdict]
        line = f"{paint(sign, style)} {padded(clean(check.name), width)}  {clean(check.found)}"
        yield from folded_lines(line, columns, indent)
        if check.hint:
            hint = f"{' ' * indent}hint: {clean(check.hint)}"
            yield from (paint(line, "dim") for line in folded_lines(hint, columns, indent))
    if others:
        option = f"--env {others[0] if len(others) == 1 else 'NAME'}"
        yield from folded_lines(f"Not checked: {clean(', '.join(others))} ({option})", columns, 2)


def to_json(found: Sequence[Check], others: Sequence[str]) -> dict[str, Json]:
    """The document of `doctor -o json`."""
    return {
        "ok": not any(check.verdict == ERROR for check in found),
        "checks": [
            {"name": c.name, "verdict": c.verdict, "found": c.found, "hint": c.hint or None} for c in found
        ],
        "not_checked": list(others),
    }

"""Checks of the doctor as text and JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from textwrap import wrap

from ftops.core.address import Json
from ftops.session.doctor import ERROR, OK, WARNING, Check
from ftops.views.paint import Painter, clean
from ftops.views.values import aligned

_SIGNS: Mapping[str, tuple[str, str]] = {OK: ("✓", "good"), WARNING: ("!", "warning"), ERROR: ("✗", "error")}
"""Verdict → its sign and style."""


def draw(found: Sequence[Check], paint: Painter, columns: int) -> Iterator[str]:
    """A line for each, which continues below itself; then what to do, if anything."""
    names = aligned([[clean(check.name)] for check in found])
    for check, (name,) in zip(found, names, strict=True):
        sign, style = _SIGNS[check.verdict]
        indent = " " * (len(name) + 4)
        first, *more = wrap(clean(check.found), max(20, columns - len(indent))) or [""]
        yield f"{paint(sign, style)} {name}  {first}"
        yield from (indent + line for line in more)
        if check.hint:
            lines = wrap(f"hint: {clean(check.hint)}", max(20, columns - len(indent)))
            yield from (paint(indent + line, "dim") for line in lines)


def to_json(found: Sequence[Check]) -> dict[str, Json]:
    """The document of `doctor -o json`."""
    return {
        "ok": not any(check.verdict == ERROR for check in found),
        "checks": [
            {"name": c.name, "verdict": c.verdict, "found": c.found, "hint": c.hint or None} for c in found
        ],
    }

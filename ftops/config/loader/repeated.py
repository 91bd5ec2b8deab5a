"""Repeated findings: one for each cause, however many values it shows in. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from ftops.core.errors import Diagnostic
from ftops.core.suggestions import some

_OF_NAMES = ("there is no ", "there are no ")
"""How errors about names begin that aren't declared."""
_SHOWN = 5


def one_for_each_name(findings: Sequence[Diagnostic]) -> list[Diagnostic]:
    """One finding for each name that isn't declared, at its first place, with those of the others."""
    groups: dict[object, list[Diagnostic]] = {}
    for finding in dict.fromkeys(findings):
        is_of_name = finding.summary.startswith(_OF_NAMES) and finding.place is not None
        key = (finding.summary, finding.hint, finding.place.file) if is_of_name and finding.place else finding
        groups.setdefault(key, []).append(finding)
    return [_merged(sorted(group, key=lambda one: one.sort_key)) for group in groups.values()]


def one_for_each_place(findings: Sequence[Diagnostic]) -> list[Diagnostic]:
    """One finding about each value, whichever entries of a `for_each` it is wrong for."""
    return list({(one.summary, one.place): one for one in reversed(findings)}.values())[::-1]


def _merged(group: Sequence[Diagnostic]) -> Diagnostic:
    first, *others = group
    lines = [one.place.line for one in others if one.place]
    if not lines:
        return first
    what = f"line{'s' if len(set(lines)) > 1 else ''} {some(lines, _SHOWN)}"
    return replace(first, detail=f"{first.detail} The name is also used in {what}.".strip())

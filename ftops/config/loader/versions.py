"""Version constraints: `required_version`, comparisons such as `>=0.1, <2` or `~> 0.3`."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping

Version = tuple[int, ...]

_COMPARISON = re.compile(r"\s*(>=|<=|==|!=|~>|=|>|<)?\s*v?([0-9]+(?:\.[0-9]+)*)\s*")
_OPERATORS: Mapping[str, Callable[[Version, Version], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
    "==": operator.eq,
    "=": operator.eq,
    "": operator.eq,
    "!=": operator.ne,
}


def unmet(required: str, version: str) -> tuple[str, str] | None:
    """Summary and hint of the first comparison that is invalid or doesn't hold; None if all hold."""
    release = re.match(r"[0-9]+(?:\.[0-9]+)*", version)
    have = _parts(release[0] if release else "0")
    for part in required.split(","):
        match = _COMPARISON.fullmatch(part)
        if not match:
            hint = 'Write comparisons such as ">=0.1, <2" or "~> 0.3".'
            return f"`{part.strip()}` isn't a valid version", hint
        if not _holds(match[1] or "", _parts(match[2]), have):
            hint = "Install a matching version, or change `required_version`."
            return f"the spec needs ftops {part.strip()}", hint
    return None


def _parts(text: str) -> Version:
    return tuple(int(p) for p in text.split("."))


def _holds(sign: str, wanted: Version, have: Version) -> bool:
    if sign == "~>":
        fixed = max(1, len(wanted) - 1)
        return _padded(have)[:fixed] == _padded(wanted)[:fixed] and _padded(have) >= _padded(wanted)
    return _OPERATORS[sign](_padded(have), _padded(wanted))


def _padded(version: Version) -> Version:
    return version + (0,) * (8 - len(version))

"""JSON of replies: what a service sends, as values that can be stored, compared and shown.

A reply may come from a gateway, or from a service with a fault. `NaN` and numbers that no float holds count
as unknown. Halves of characters, which can't be written to a file, become `?`.
"""

from __future__ import annotations

import json
import math
from typing import Any

_MOST_DIGITS = 300
"""Of an integer. A float holds 308."""
_HALF = "\\ud"
"""How the escape of half a character begins, in lower case; the other half may follow."""


def parsed(content: str | bytes) -> Any:
    """The value in a reply. Raises ValueError and RecursionError."""
    text = content if isinstance(content, str) else content.decode("utf-8-sig", "replace")
    value = json.loads(text, parse_constant=_unknown, parse_int=_integer, parse_float=_float)
    if _HALF not in text.lower():
        return value
    return json.loads(json.dumps(value, ensure_ascii=False).encode(errors="replace"))


def _unknown(_: str) -> None:
    return None


def _integer(text: str) -> int | None:
    return int(text) if len(text) <= _MOST_DIGITS else None


def _float(text: str) -> float | None:
    value = float(text)
    return value if math.isfinite(value) else None

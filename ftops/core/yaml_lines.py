"""Lines as YAML counts them. By itself, for those who show a line and parse nothing."""

from __future__ import annotations

import re
from collections.abc import Sequence

_LINE_END = re.compile(r"\r\n|[\r\n\x85\u2028\u2029]")


def lines_of(text: str) -> Sequence[str]:
    """The lines of a text, without their ends."""
    return _LINE_END.split(text)

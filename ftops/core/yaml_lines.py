"""YAML lines: splits text as YAML counts lines. Apart, for modules that show lines but parse nothing."""

from __future__ import annotations

import re
from collections.abc import Sequence

_LINE_END = re.compile(r"\r\n|[\r\n\x85\u2028\u2029]")


def lines_of(text: str) -> Sequence[str]:
    """The lines of a text, without their ends."""
    return _LINE_END.split(text)

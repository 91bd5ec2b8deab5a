"""Painter: terminal colours, and sanitizing of untrusted text.

Text from a spec or a service may contain control characters, which could hide or rewrite lines of a plan on a
terminal just before it is approved. So all painted text is cleaned first.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from pathlib import PurePath

STYLES: Mapping[str, str] = {
    "create": "32",
    "update": "33",
    "replace": "35",
    "delete": "31",
    "adopt": "36",
    "resume": "36",
    "restore": "36",
    "forget": "2",
    "switch": "36",
    "bold": "1",
    "dim": "2",
    "error": "1;31",
    "warning": "1;33",
    "note": "1;36",
    "good": "32",
    "hint": "36",
}
"""Style → SGR codes. An action is a style."""

IN_ASCII: Mapping[str, str] = {
    "±": "-/+",
    "→": "->",
    "×": "x",
    "…": "...",
    "✓": "ok",
    "✗": "x",
    "≈": "~",
    "–": "-",
    "—": "-",
    "−": "-",
    "─": "-",
    "·": "-",
    "━": "=",
    "╸": "=",
    "╺": "-",
    "│": "|",
    "┃": "|",
    "█": "#",
    **dict.fromkeys("▉▊▋▌▍▎▏", "#"),
    **dict.fromkeys("⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏", "*"),
}
"""Our symbols, for terminals without Unicode."""
_UNSEEN = r"\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff"
_CONTROLS = rf"[\x00-\x1f{_UNSEEN}]"
"""Not compiled here, because it is almost never needed."""
_CONTROLS_OF_OTHERS = rf"[\x00-\x08\x0b-\x1f{_UNSEEN}](?:(?<!\x1b)|(?!\[[0-9;]*m))"
"""Begins with one class, because regular expressions are searched for fastest then."""
_UNSEEN_IN_JSON = rf"[{_UNSEEN}]"


def clean(text: str) -> str:
    """One line of harmless text: control and direction characters are shown as their codes."""
    if text.isprintable():
        return text
    return re.sub(_CONTROLS, _code, text)


def clean_lines(text: str) -> str:
    """Like `clean`, for painted text: keeps line ends, tabs and colours."""
    return re.sub(_CONTROLS_OF_OTHERS, _code, text)


def clean_json(text: str) -> str:
    """The same JSON, with control and invisible characters escaped."""
    return re.sub(_UNSEEN_IN_JSON, lambda match: f"\\u{ord(match[0]):04x}", text)


def path_word(path: PurePath | str) -> str:
    """A path as a word of a command line that can be copied: no option, and as `$'…'` if it has control
    characters or bytes that aren't UTF-8."""
    text = str(path)
    text = f"./{text}" if text.startswith("-") else text
    if clean(text) == text:
        return shlex.quote(text)
    quoted = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"$'{re.sub(_CONTROLS, _shell_code, quoted)}'"


def _shell_code(match: re.Match[str]) -> str:
    code = ord(match[0])
    if code in range(0xDC80, 0xDD00):  # how Python reads a byte that isn't UTF-8
        return f"\\x{code - 0xDC00:02x}"
    return f"\\x{code:02x}" if code < 0x80 else f"\\u{code:04x}"


def _code(match: re.Match[str]) -> str:
    char = match[0]
    named = {"\n": "\\n", "\t": "\\t", "\r": "\\r"}.get(char)
    return named or (f"\\x{ord(char):02x}" if ord(char) < 256 else f"\\u{ord(char):04x}")


class Painter:
    """Paints text, or leaves it as it is."""

    def __init__(self, on: bool = False) -> None:
        self.on = on

    def __call__(self, text: str, style: str = "") -> str:
        """Cleaned, and in a style where colours are on."""
        shown = clean(text)
        if not (self.on and style):
            return shown
        return f"\x1b[{STYLES[style]}m{shown}\x1b[0m"


PLAIN = Painter()


def wants_color(environ: Mapping[str, str], is_terminal: bool, no_color: bool) -> bool:
    """Whether to paint. NO_COLOR (no-color.org) and --no-color take precedence over FORCE_COLOR."""
    if no_color or environ.get("NO_COLOR"):
        return False
    if environ.get("FORCE_COLOR", "0") not in ("", "0"):
        return True
    return is_terminal and environ.get("TERM") != "dumb"

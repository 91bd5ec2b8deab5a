"""Markdown from untrusted text: inline code, blocks and folds that the text can't close or leave."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence

from msgspec import Struct

from ftops.views.paint import clean

_MARK = {"~": "!", "±": "!", "=": " ", ".": " "}
"""Symbols of a plan → first column in a block of the language `diff`, which is highlighted by it."""


Link = Callable[[str, int], str]
"""A file as it is shown, and a line → the URL of its page; empty: there is none."""


def no_link(file: str, line: int) -> str:
    return ""


def line_of(file: str, line: int, link: Link) -> str:
    """`train.jsonl:12` in a cell or a line, as a link if there is one."""
    url = link(file, line)
    return f"[{cell(f'{file}:{line}')}]({url})" if url else cell(f"{file}:{line}")


class Source(Struct, frozen=True):
    """When a document was made (UTC, ISO 8601; empty: unknown), and by which version of ftops."""

    at: str
    ftops: str

    def foot(self, *facts: str) -> str:
        """The small line at the end; `facts` are Markdown."""
        return f"<sub>{' · '.join(filter(None, [*facts, self.at, f'ftops {self.ftops}']))}</sub>\n"


def as_diff(lines: Iterable[str]) -> list[str]:
    """Moves symbols to the first column."""
    found = []
    for line in lines:
        bare = line.lstrip()
        symbol = bare[:1] if bare[1:2] == " " and bare[0] in "+-~±=≡." else " "
        rest = bare[2:] if symbol != " " else bare
        found.append(f"{_MARK.get(symbol, symbol)}{' ' * max(1, len(line) - len(rest) - 1)}{rest}".rstrip())
    return found


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Of cells in Markdown."""
    lines = (columns, ("---",) * len(columns), *rows)
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def cell(text: str) -> str:
    """Inline code within a table."""
    return code(text).replace("|", "\\|")


def fitting(parts: Iterable[str], room: int) -> list[str]:
    """The parts that fit, each on a line of its own; one that doesn't is passed over."""
    kept: list[str] = []
    for part in parts:
        if size(part) + 1 <= room:
            kept.append(part)
            room -= size(part) + 1
    return kept


def folded(title: str, text: str, language: str) -> str:
    return f"<details><summary>{title}</summary>\n\n{block(text, language)}\n</details>\n"


def block(text: str, language: str) -> str:
    """A code block with a fence that the text can't close."""
    fence = "`" * max(3, _longest_run(text) + 1)
    return f"{fence}{language}\n{text}\n{fence}\n"


def code(text: str) -> str:
    """Inline code that the text can't close; empty for no text."""
    line = clean(text)
    fence = "`" * (_longest_run(line) + 1)
    pad = " " if line[:1] == "`" or line[-1:] == "`" else ""
    return f"{fence}{pad}{line}{pad}{fence}" if line.strip() else ""


def _longest_run(text: str) -> int:
    return max((len(run) for run in re.findall("`+", text)), default=0)


def size(text: str) -> int:
    return len(text.encode())

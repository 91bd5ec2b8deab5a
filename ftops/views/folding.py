"""Line folding: painted text in a terminal's width, and the columns that text takes there. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from unicodedata import combining, east_asian_width

from ftops.core.suggestions import with_short_key

_SGR = r"\x1b\[[0-9;]*m"
_WORD = r"""(?x) ([ ]*)((?:
    `[^`]*`                              # a command or a name
    | "(?:[^"\\]|\\.)*"                  # a value
    | \(known\ after\ apply:\ [^()]*\)
    | \#\ .*                             # what is said of a value
    | →(?:\x1b\[0m)?\ (?=\S)             # begins a line with what follows
    | [^\s`"(\#→]++
    | [^\s`"]
)++ | \S)"""
"""Spaces and a word, which stays together. Not compiled here, because few commands need it."""
_LABEL = r" *(?:[^\s:(]+ ){1,3} *= |\w(?:[^\s:(]|:\d)*(?: [^\s:(]+){0,4}  +"
"""`name   = ` or `name   `: what follows is folded below its beginning."""
_PADDED = r"(?<=\S) {2,}= "
"""What aligns a value with others; it is given up if the value fits into the line then."""
_AROUND_KEY = r'^[^\["]*\["(.*)"\]'
"""All around the key of a matrix."""
_NARROWEST = 24
"""The least columns that text is folded to."""


def columns_of(text: str) -> int:
    """Columns on a terminal: colours take none, wide East Asian characters and emoji two."""
    if "\x1b" in text:
        text = re.sub(_SGR, "", text)
    if text.isascii():
        return len(text)
    return sum(0 if combining(c) else 2 if east_asian_width(c) in "WF" else 1 for c in text)


def padded(text: str, width: int, *, right: bool = False) -> str:
    """With spaces to so many columns; to the right of them if `right`."""
    space = " " * max(0, width - columns_of(text))
    return space + text if right else text + space


def shortened(text: str, columns: int) -> str:
    """Cut in the middle, so that both the beginning and the end are there."""
    if columns_of(text) <= columns:
        return text
    head, tail = text, text
    while columns_of(head) > columns // 2:
        head = head[:-1]
    while columns_of(head) + 1 + columns_of(tail) > columns:
        tail = tail[1:]
    return f"{head}…{tail}"


def distinct_names(labels: Sequence[str], columns: int) -> list[str]:
    """Labels of at most so many columns, all of one form. Keys of a matrix get shorter before anything is
    cut: `job.tone["rate=0.5,epochs=2"]` becomes `job.tone["0.5,2"]`, and then `0.5,2`."""
    values = [*map(with_short_key, labels)]
    keys = [re.sub(_AROUND_KEY, r"\1", label) for label in values]
    forms = [([shortened(label, columns) for label in form], form) for form in (labels, values, keys)]
    return max(forms, key=lambda form: (len(set(form[0])), form[0] == [*form[1]]))[0]


def folded(text: str, columns: int) -> str:
    """Lines of at most so many columns, broken between words. A word is never broken, so that paths, names
    and commands can be copied: one that is longer than a line stays as it is."""
    columns = max(columns, _NARROWEST)
    return "".join(
        line if columns_of(line.rstrip("\n")) <= columns else _joined(line, columns)
        for line in text.splitlines(keepends=True)
    )


def folded_lines(line: str, columns: int, hang: int | None = None) -> list[str]:
    """A line as several; those after the first begin in column `hang`, or to the left of it if only then a
    word fits."""
    if columns_of(line) <= columns:
        return [line]
    if hang is None and not _below_label(line, columns):
        line = re.sub(_PADDED, " = ", line, count=1)
        if columns_of(line) <= columns:
            return [line]
    least = _indent(line) + 2 if hang is None else hang
    hang = _below_label(line, columns) or least if hang is None else hang
    lines, current, width = [], "", 0
    for gap, word in _tokens(line, columns - least):
        more = columns_of(word)
        helps = more <= columns - least or word.startswith("`")
        if current.strip() and width + len(gap) + more > columns and helps:
            lines.append(current)
            hang = hang if more <= columns - hang else least
            current, gap, width = " " * hang, "", hang
        current, width = f"{current}{gap}{word}", width + len(gap) + more
    return [*lines, current]


def filled(text: str, columns: int, hang: int = 0) -> Iterator[str]:
    """The lines of one line of text that is there to be read: long words are broken, too."""
    for line in folded_lines(text, columns, hang):
        start, indent = 0, ""
        while len(line) - start > columns or columns_of(line[start:]) > columns - len(indent):
            end = start + columns - len(indent)
            while end > start + 1 and (excess := columns_of(line[start:end]) + len(indent) - columns) > 0:
                end -= max(1, excess // 2)
            yield indent + line[start:end]
            start, indent = end, " " * hang
        yield indent + line[start:]


def wrapped(text: str, columns: int) -> list[str]:
    """Lines of text; its line ends and indents are kept."""
    return [
        part.rstrip() for line in text.splitlines() for part in folded_lines(line, columns, _indent(line))
    ]


def _joined(line: str, columns: int) -> str:
    body = line.rstrip("\n")
    return "\n".join(folded_lines(body, columns)) + line[len(body) :]


def _tokens(line: str, room: int) -> Iterator[tuple[str, str]]:
    for gap, word in re.findall(_WORD, line):
        if " " in word and "`" not in word and columns_of(word) > room:
            first, *rest = word.split(" ")
            yield gap, first
            yield from ((" ", part) for part in rest)
        else:
            yield gap, word


def _indent(line: str) -> int:
    bare = re.sub(_SGR, "", line)
    return len(bare) - len(bare.lstrip())


def _below_label(line: str, columns: int) -> int:
    """The column of the text that follows a label; 0 if there is none, or it is too far to the right."""
    label = re.match(_LABEL, re.sub(_SGR, "", line))
    width = columns_of(label[0]) if label else 0
    return width if width <= columns // 2 else 0

"""Tables: how a CSV file is told by its first bytes, and the templates that its columns suggest."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from itertools import islice
from typing import Any, NamedTuple

from ftops.dataset.files.jsonl_io import BOM
from ftops.dataset.formats.foreign import own, recognise, unpacked

TEXT = (".csv", ".tsv")
"""Suffixes of CSV files."""
_DELIMITERS = ",;\t|"
_QUOTED = re.compile(r'"[^"]*"')
_NAMED_DELIMITER = re.compile(r"(?i)\ufeff?sep=(.)\r?\n?\Z")
_TRIED = 10
"""Rows that are tried."""
_LONGEST = 100
"""Characters of the name of a column, in a file whose suffix doesn't say that it is a table."""
_QUESTIONS = (
    *("question", "query", "prompt", "user", "instruction", "input"),
    *("request", "utterance", "text", "q"),
)
_ANSWERS = (
    *("answer", "response", "reply", "assistant", "completion", "output"),
    *("label", "intent", "target", "a"),
)
"""Names of columns, the most likely first."""
_IDS = ("", "id", "index", "unnamed: 0", "system")
"""Names of columns that are neither."""


class Table(NamedTuple):
    """The columns of a table, and its first row."""

    columns: Sequence[str]
    row: Sequence[str] = ()

    def options(self) -> tuple[str, ...]:
        """What `ftops data convert` has to be told; nothing if the columns are those of a known format."""
        return options_of(dict(zip(self.columns, self.row, strict=False)))


def options_of(row: Mapping[str, Any]) -> tuple[str, ...]:
    """What `ftops data convert` has to be told about rows like this one."""
    cells = unpacked(row)
    return () if recognise(cells) or own(cells) else templates(list(row))


def is_row(row: Mapping[str, Any]) -> bool:
    """Whether an object is like the row of a table: several values, none of them a list or an object, or at
    least not those that are named like a question and its answer."""
    scalars = {key.strip().lower() for key, value in row.items() if not isinstance(value, dict | list)}
    has_both = not scalars.isdisjoint(_QUESTIONS) and not scalars.isdisjoint(_ANSWERS)
    return len(row) > 1 and (len(scalars) == len(row) or has_both)


def twice_in(columns: Sequence[str]) -> str | None:
    """The first column whose name another one has too."""
    return next((column for column, count in Counter(columns).items() if count > 1), None)


def templates(columns: Sequence[str]) -> tuple[str, ...]:
    """Options for `ftops data convert`, of the columns that are most likely a question and its answer."""
    names = {name.strip().lower(): name for name in reversed(columns) if "{" not in name and "}" not in name}
    asked = next((names[name] for name in _QUESTIONS if name in names), None)
    answer = next((names[name] for name in _ANSWERS if name in names), None)
    others = [name for key, name in names.items() if key not in _IDS and name not in (asked, answer)]
    asked = asked or (others.pop() if others else "question")
    answer = answer or (others.pop() if others else "answer")
    system = ("--system", f"{{{names['system']}}}") if "system" in names else ()
    return (*system, "--user", f"{{{asked}}}", "--assistant", f"{{{answer}}}")


def names_delimiter(head: str) -> bool:
    """Whether the first line of a file isn't part of the table, but has its delimiter: `sep=;`."""
    return _NAMED_DELIMITER.match(head) is not None


def delimiter_of(head: str, suffix: str) -> str:
    """The delimiter of a CSV file, by its first line."""
    if named := _NAMED_DELIMITER.match(head):
        return named[1]
    head = _QUOTED.sub("", head)
    return "\t" if suffix == ".tsv" else max(_DELIMITERS, key=head.count)


def table_at(first: bytes, suffix: str) -> Table | None:
    """The table that a file begins with, or None if it isn't one. `first`: its first bytes."""
    is_named = suffix in TEXT
    first = first.removeprefix(BOM)
    lines = first.decode(errors="replace").splitlines(keepends=True)
    head = lines.pop(0) if lines and names_delimiter(lines[0]) else ""
    if not lines or lines[0].lstrip().startswith(("{", "[")) or (len(lines) < 2 and not is_named):
        return None
    rows: list[list[str]] = []
    with suppress(csv.Error):  # such as a cell that is very long
        rows += islice(csv.reader(lines, delimiter=delimiter_of(head or lines[0], suffix)), _TRIED)
    columns = rows[0] if rows else []
    if len(rows) > 1 and first[-1:] != b"\n" and len(rows[-1]) != len(columns):
        rows.pop()  # it is cut off
    is_even = len(rows) > 1 and len(columns) > 1 and all(len(row) == len(columns) for row in rows if row)
    is_plain = all(0 < len(name) <= _LONGEST and '{"' not in name for name in columns)
    is_plain = is_plain and len({*columns}) == len(columns)
    is_json = any(row and row[0].lstrip().startswith(("{", "[")) for row in rows)
    if not (is_named or (is_even and is_plain and not is_json)):
        return None
    return Table(columns, next((row for row in rows[1:] if row), ()))

"""Sources: the examples of files that aren't JSON Lines in one of our formats, converted.

A file may be JSON Lines, one JSON document, a CSV file or a Parquet file; its rows may have the keys of other
tools (`dataset.formats.foreign`), or ours among others.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from msgspec import Struct, field

from ftops.core.confined_files import content, opened
from ftops.core.errors import Place, UsageError
from ftops.dataset.files.file_identity import MAX_BYTES
from ftops.dataset.files.jsonl_io import (
    BOM,
    DataError,
    Example,
    Line,
    lines_of,
    read_strictly,
    unreadable,
)
from ftops.dataset.formats import is_conversation
from ftops.dataset.formats.documents import is_bare_conversation, lists_in
from ftops.dataset.formats.foreign import Empty, Unconvertible, own, recognise, unpacked
from ftops.dataset.formats.jsonl import explain, skip
from ftops.dataset.formats.tables import TEXT, is_row, options_of, table_at
from ftops.dataset.rules.findings import quote
from ftops.dataset.transforms import tabular

_TRIED = 20
"""Rows that are tried to tell the form of a file."""
_START = 256 * 1024
_DECODER = json.JSONDecoder()


class Reader(Struct):
    """Reads a file once, and counts what it leaves out."""

    delimiter: str = ""
    skips_empty: bool = False
    """Leave out rows that lack a question or an answer."""
    skipped: int = 0
    left_out: Counter[str] = field(default_factory=Counter)
    """Keys that no format has, with the number of rows that have them."""

    def read(self, path: Path, display: str) -> Iterator[tuple[Line, Example]]:
        """The converted examples, and where they are. Raises DataError, UsageError."""
        for number, row in _rows(path, display, self.delimiter):
            try:
                converted = self._converted(row)
            except Empty as error:
                if not self.skips_empty:
                    hint = "fix the row, or leave out such rows with --skip-empty"
                    raise DataError(str(error), "", hint, Place(display, number)) from error
                self.skipped += 1
                continue
            except Unconvertible as error:
                hint = "fix the row; docs/data.md lists the formats"
                raise DataError(str(error), "", hint, Place(display, number)) from error
            yield Line(number, b"", converted), converted

    def chats(self, path: Path, templates: Sequence[tabular.Template]) -> Iterator[Example]:
        """The rows of a table as conversations. Raises UsageError, DataError."""
        table = table_of(path, self.delimiter)
        return tabular.chats(path, table, templates, self._skip if self.skips_empty else None)

    def _skip(self) -> None:
        self.skipped += 1

    def _converted(self, row: Mapping[str, Any]) -> Example:
        row = unpacked(row)
        if foreign := recognise(row):
            self.left_out.update(key for key in foreign.left_out(row) if row[key] is not None)
            return foreign.convert(row)
        if (example := own(row)) is None:
            keys = ", ".join(map(quote, list(row)[:8]))
            raise Unconvertible(f"no format that is known has the keys of the row: {keys or 'none'}")
        written = {"role": "system", "content": row.get("system")}
        used = {"system"} if example.get("messages", ())[:1] == [written] else set[str]()
        self.left_out.update(key for key in row if key not in {*example, *used} and row[key] is not None)
        return example


def is_foreign(path: Path, delimiter: str = "") -> bool:
    """Whether a file has to be converted, and can be. Raises UsageError if it can't be read."""
    if is_table(path):
        rows = (unpacked(row) for _, row in _first(tabular.table(path, delimiter)[1]))
        return any(recognise(row) or own(row) for row in rows)
    start = _start(path)
    examples = (line.example for line in lines_of(start[: start.rfind(b"\n") + 1] or start))
    if _is_document(start):
        return not has_rows(path)
    return any(recognise(example) for example in _first(examples) if example)


def has_others_keys(path: Path) -> bool:
    """Whether examples of ours have keys or nulls that their format doesn't have. Raises UsageError."""
    examples = (line.example for line in lines_of(_start(path)))
    return any(example and own(unpacked(example)) not in (None, example) for example in _first(examples))


def is_table(path: Path) -> bool:
    """Whether it is a CSV or a Parquet file. Raises UsageError if it can't be read."""
    if tabular.is_parquet(path):
        return True
    start, suffix = _start(path), path.suffix.lower()
    return table_at(start, suffix) is not None or (suffix in TEXT and not start.strip())


def has_conversations(path: Path) -> bool:
    """Whether a file that is no table has examples of ours. Raises UsageError, DataError."""
    return any(own(row) for _, row in _first(_rows(path, str(path), "")))


def has_rows(path: Path) -> bool:
    """Whether a file that is no table has objects like the rows of one, in no format that is known. Raises
    UsageError, DataError."""
    rows = [row for _, row in _first(_rows(path, str(path), ""))]
    return bool(rows) and all(is_row(row) and options_of(row) for row in rows)


def table_of(path: Path, delimiter: str) -> tabular.Table:
    """The columns and rows of a file; those of JSON are the keys of its first objects. Raises UsageError,
    DataError."""
    if is_table(path):
        return tabular.table(path, delimiter)
    columns = dict.fromkeys(key for _, row in _first(_rows(path, str(path), "")) for key in row)
    return list(columns), _rows(path, str(path), "")


def _first(items: Iterator[Any]) -> Iterator[Any]:
    return islice(items, _TRIED)


def _start(path: Path) -> bytes:
    try:
        with opened(path) as stream:
            return stream.read(_START).removeprefix(BOM)
    except OSError as error:
        raise unreadable(path, error) from error


def _is_document(start: bytes) -> bool:
    return lists_in(start.decode(errors="replace")) is not None


def _rows(path: Path, display: str, delimiter: str) -> Iterator[tuple[int, Mapping[str, Any]]]:
    if is_table(path):
        yield from tabular.table(path, delimiter)[1]
    elif _is_document(_start(path)):
        yield from _values(path, display)
    else:
        yield from ((line.number, example) for line, example in read_strictly(path, display))


def _values(path: Path, display: str) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """The objects of a document: those of a list, or one after the other. Lines are counted at each value."""
    try:
        text = content(path, limit=MAX_BYTES).removeprefix(BOM).decode()
    except OSError as error:
        raise unreadable(path, error) from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is not UTF-8", "", "save it as UTF-8") from error
    lists = lists_in(text) or []
    if len(lists) > 1:
        keys = " and ".join(quote(one.key) for one in lists)
        hint = "save each list as a file of its own"
        raise UsageError(f"{path} has several lists: {keys}", "They become files of their own.", hint)
    at = lists[0].start if lists else skip(text, 0)
    number, counted, is_inside = 1, 0, False
    while at < len(text):
        number, counted = number + text.count("\n", counted, at), at
        if text[at] == "]" and lists[0].key:
            return  # what else the object has isn't an example
        if text[at] in "]," or (text[at] == "[" and not is_inside and not is_bare_conversation(text, at)):
            is_inside = text[at] == "[" or (is_inside and text[at] == ",")
            at = skip(text, at + 1)
            continue
        value, end = _value(text, at, display)
        if isinstance(value, list) and value and is_conversation(value):
            value = {"messages": value}
        if not isinstance(value, dict):
            raise DataError("the value is not a JSON object", "", "fix the file", Place(display, number))
        yield number, value
        at = skip(text, end)
    if is_inside:
        raise _cut_off(text, display)


def _value(text: str, at: int, display: str) -> tuple[Any, int]:
    """The value at an index, and the index after it. Raises DataError."""
    try:
        return _DECODER.raw_decode(text, at)
    except json.JSONDecodeError as error:
        if error.msg.startswith("Unterminated") or not text[error.pos :].strip():
            raise _cut_off(text, display) from error
        found = explain(text, error)
        line, column = text.count("\n", 0, error.pos) + 1, error.pos - text.rfind("\n", 0, error.pos)
        raise DataError(
            found.summary, "", found.hint or "fix the file", Place(display, line, column)
        ) from error
    except (ValueError, RecursionError) as error:
        where = text.count("\n", 0, at) + 1
        raise DataError("not JSON", f"{error}.", "fix the file", Place(display, where)) from error


def _cut_off(text: str, display: str) -> DataError:
    where = text.rstrip().count("\n") + 1
    return DataError(
        "the file is cut off", "Its end is missing.", "get the whole file", Place(display, where)
    )

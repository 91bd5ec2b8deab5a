"""CSV and Parquet rows → chat examples, by a mapping with `{column}` in its texts."""

from __future__ import annotations

import csv
import json
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module
from io import TextIOWrapper
from pathlib import Path
from typing import Any

from msgspec import Struct

from ftops.core.confined_files import content, opened
from ftops.core.errors import Diagnostic, FtopsError, Place, UsageError
from ftops.core.suggestions import did_you_mean
from ftops.dataset.files.jsonl_io import Example, unreadable
from ftops.yaml import document as yaml_document

_HOLE = re.compile(r"\{\{|\}\}|\{([^{}]*)\}")
_ROLES = ("system", "developer", "user", "assistant")
BATCH = 1000
Row = Mapping[str, Any]


class Said(Struct, frozen=True):
    """One message of every example: its role, and its text with `{column}` where a column's value goes."""

    role: str
    template: str

    @property
    def columns(self) -> list[str]:
        return [hole for hole in _HOLE.findall(self.template) if hole]

    @property
    def mistake(self) -> str:
        """What of a template is neither text nor a column; empty where nothing is."""
        rest = _HOLE.sub(lambda m: "{}" if m[1] == "" else "", self.template)
        if "{}" in rest:
            return "`{}` has no column name"
        return "a brace is not closed" if "{" in rest else "a brace is not opened" if "}" in rest else ""

    def fill(self, row: Row) -> str:
        """`{{` and `}}` are braces."""
        return _HOLE.sub(lambda m: m[0][0] if m[1] is None else _cell(row.get(m[1])), self.template)


class BadRow(FtopsError):
    """A row that can't be read."""

    def __init__(self, file: str, number: int, reason: str) -> None:
        super().__init__(f"{file}:{number}: {reason}")
        self._found = Diagnostic(reason, "", "fix the row", Place(file, number))

    @property
    def diagnostics(self) -> tuple[Diagnostic, ...]:
        return (self._found,)


def mapping(path: Path) -> tuple[Said, ...]:
    """`messages: [{role: user, content: "{question}"}, …]` of a YAML file. Raises UsageError."""
    try:
        document = yaml_document.parse(
            yaml_document.decode(content(path, limit=yaml_document.MAX_BYTES), str(path)), str(path)
        )
    except OSError as error:
        raise unreadable(path, error) from error
    except yaml_document.Invalid as error:
        raise _Told(error.diagnostic) from error
    found: list[Diagnostic] = []
    data = yaml_document.data(document, document.root, found) if document.root is not None else None
    messages = data.get("messages") if isinstance(data, dict) else None
    right = isinstance(messages, list) and all(
        isinstance(m, dict) and m.get("role") in _ROLES and isinstance(m.get("content"), str)
        for m in messages
    )
    if found or not right or not isinstance(messages, list):
        raise UsageError(
            f"{path} isn't a mapping",
            'it must be `messages: [{role: user, content: "{column}"}, …]`; '
            f"roles are {', '.join(_ROLES)}.",
            "see docs/data.md",
        )
    return tuple(Said(str(m["role"]), str(m["content"])) for m in messages)


def rows(path: Path, delimiter: str = "") -> tuple[list[str], Iterator[tuple[int, Row]]]:
    """The columns of a CSV or Parquet file, and its rows with their numbers. Raises UsageError, BadRow."""
    if path.suffix.lower() in (".parquet", ".pq"):
        return _parquet(path)
    return _csv(path, delimiter)


def chats(path: Path, said: Sequence[Said], delimiter: str = "") -> Iterator[Example]:
    """Every row as an example; messages that come out empty are left out. Raises UsageError, BadRow."""
    columns, found = rows(path, delimiter)
    for column in (c for message in said for c in message.columns):
        if column not in columns and column:
            hint = did_you_mean(column, columns)
            raise UsageError(f"{path} has no column `{column}`", f"it has {', '.join(columns[:20])}.", hint)
    for message in said:
        if message.mistake:
            hint = "write {column} for a column, {{ and }} for braces"
            raise UsageError(f"in the text of the {message.role}, {message.mistake}", message.template, hint)
    for number, row in found:
        messages = [{"role": m.role, "content": text} for m in said if (text := m.fill(row)).strip()]
        if not any(message["role"] == "assistant" for message in messages):
            raise BadRow(str(path), number, "the row has no text for the assistant")
        yield {"messages": messages}


def _csv(path: Path, delimiter: str) -> tuple[list[str], Iterator[tuple[int, Row]]]:
    csv.field_size_limit(min(sys.maxsize, 2**31 - 1))
    try:
        with _text(path) as stream:
            head = stream.readline()
            stream.seek(0)
            mark = delimiter or ("\t" if path.suffix.lower() == ".tsv" else _delimiter(head))
            columns = next(csv.reader(stream, delimiter=mark), [])
    except OSError as error:
        raise unreadable(path, error) from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is not UTF-8", "", "save it as UTF-8") from error
    if not columns:
        raise UsageError(f"{path} is empty", "", "its first line must contain the column names")
    return columns, _csv_rows(path, mark, columns)


def _csv_rows(path: Path, delimiter: str, columns: Sequence[str]) -> Iterator[tuple[int, Row]]:
    with _text(path) as stream:
        reader = csv.reader(stream, delimiter=delimiter, strict=True)
        next(reader)
        try:
            for row in reader:
                if not row:
                    continue
                if len(row) != len(columns):
                    told = f"the row has {len(row)} values for {len(columns)} columns"
                    raise BadRow(str(path), reader.line_num, told)
                yield reader.line_num, dict(zip(columns, row, strict=True))
        except csv.Error as error:
            raise BadRow(str(path), reader.line_num, f"not CSV: {error}") from error
        except UnicodeDecodeError as error:
            raise BadRow(str(path), reader.line_num + 1, "the row is not UTF-8") from error


def _text(path: Path) -> TextIOWrapper:
    return TextIOWrapper(opened(path), encoding="utf-8-sig", newline="")


def _delimiter(head: str) -> str:
    """Of the usual ones, that which the first line has most of."""
    return max(",;\t|", key=head.count)


def _parquet(path: Path) -> tuple[list[str], Iterator[tuple[int, Row]]]:
    try:
        parquet: Any = import_module("pyarrow.parquet")
    except ImportError as error:
        raise UsageError(
            "Parquet can't be read here", "it needs the package pyarrow.", "pip install 'ftops[parquet]'"
        ) from error
    try:
        opened(path).close()
        file = parquet.ParquetFile(path)
        columns = list(file.schema_arrow.names)
    except OSError as error:
        raise unreadable(path, error) from error
    except Exception as error:
        if type(error).__module__.partition(".")[0] != "pyarrow":
            raise
        raise UsageError(f"{path} isn't a Parquet file", f"{error}.", "") from error
    return columns, _parquet_rows(file)


def _parquet_rows(file: Any) -> Iterator[tuple[int, Row]]:
    number = 0
    for batch in file.iter_batches(batch_size=BATCH):
        for row in batch.to_pylist():
            number += 1
            yield number, row


def _cell(value: object) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


class _Told(FtopsError):
    def __init__(self, found: Diagnostic) -> None:
        super().__init__(found.summary)
        self._found = found

    @property
    def diagnostics(self) -> tuple[Diagnostic, ...]:
        return (self._found,)

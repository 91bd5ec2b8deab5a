"""CSV and Parquet: rows become chat examples, by a mapping with `{column}` in its texts."""

from __future__ import annotations

import csv
import json
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from io import TextIOWrapper
from pathlib import Path
from typing import Any

from msgspec import Struct

from ftops.core.confined_files import content, opened
from ftops.core.errors import Diagnostic, Place, UsageError
from ftops.core.plurals import plural
from ftops.core.suggestions import did_you_mean
from ftops.dataset.files.file_identity import PARQUET, kind_of
from ftops.dataset.files.jsonl_io import DataError, Example, unreadable
from ftops.dataset.formats.tables import delimiter_of, names_delimiter, twice_in
from ftops.dataset.transforms import parquet
from ftops.yaml import document as yaml_document

_PLACEHOLDER = re.compile(r"\{\{|\}\}|\{([^{}]*)\}")
_NOTHING = ("NaN", "nan", "NaT", "<NA>", "NULL", "\\N")
"""What programs write for a cell without a value."""
_ROLES = ("system", "developer", "user", "assistant")
_PARQUET = (".parquet", ".pq")
Row = Mapping[str, Any]
Table = tuple[list[str], Iterator[tuple[int, Row]]]
"""The names of columns, and rows with the lines that they end in."""


class Template(Struct, frozen=True):
    """One message of every example: its role, and its text with `{column}` for the value of a column."""

    role: str
    text: str

    @property
    def columns(self) -> list[str]:
        return [column for column in _PLACEHOLDER.findall(self.text) if column]

    @property
    def mistake(self) -> str:
        """What is wrong with the placeholders; empty if nothing is."""
        rest = _PLACEHOLDER.sub(lambda m: "{}" if m[1] == "" else "", self.text)
        if "{}" in rest:
            return "`{}` has no column name"
        return "a brace is not closed" if "{" in rest else "a brace is not opened" if "}" in rest else ""

    def fill(self, row: Row) -> str:
        """The text for a row. `{{` and `}}` become braces."""
        return _PLACEHOLDER.sub(lambda m: m[0][0] if m[1] is None else _cell(row.get(m[1])), self.text)


def mapping(path: Path) -> tuple[Template, ...]:
    """`messages: [{role: user, content: "{question}"}, …]` of a YAML file. Raises UsageError, SpecError."""
    try:
        text = yaml_document.decode(content(path, limit=yaml_document.MAX_BYTES), str(path))
        document = yaml_document.parse(text, str(path))
    except OSError as error:
        raise unreadable(path, error) from error
    findings: list[Diagnostic] = []
    data = yaml_document.data(document, document.root, findings) if document.root is not None else None
    messages = data.get("messages") if isinstance(data, dict) else None
    if not findings and isinstance(messages, list) and all(map(_is_message, messages)):
        return tuple(Template(str(m["role"]), str(m["content"])) for m in messages)
    raise UsageError(
        f"{path} isn't a mapping",
        f'it must be `messages: [{{role: user, content: "{{column}}"}}, …]`; roles are {", ".join(_ROLES)}.',
        "see docs/data.md",
    )


def _is_message(value: object) -> bool:
    return isinstance(value, dict) and value.get("role") in _ROLES and isinstance(value.get("content"), str)


def is_parquet(path: Path) -> bool:
    """By its name, or by its first bytes. Raises UsageError if it can't be read."""
    if path.suffix.lower() in _PARQUET:
        return True
    try:
        with opened(path) as stream:
            return kind_of(stream.read(8)) == PARQUET
    except OSError as error:
        raise unreadable(path, error) from error


def table(path: Path, delimiter: str = "") -> Table:
    """The columns and numbered rows of a table. Raises UsageError, DataError."""
    columns, rows = parquet.table(path) if is_parquet(path) else _csv(path, delimiter)
    if (twice := twice_in(columns)) is not None:
        raise UsageError(f"{path} has two columns `{twice}`", "Only one could be used.", "rename one of them")
    return columns, rows


def chats(
    path: Path, table: Table, templates: Sequence[Template], skip: Callable[[], None] | None = None
) -> Iterator[Example]:
    """Every row as an example, without the messages that are empty. `skip` is called for each row with an
    empty cell, which is left out then. Raises UsageError, DataError."""
    columns, rows = table
    for column in (c for template in templates for c in template.columns):
        if column not in columns:
            hint = did_you_mean(column, columns)
            raise UsageError(f"{path} has no column `{column}`", f"it has {', '.join(columns[:20])}.", hint)
    for template in templates:
        if template.mistake:
            hint = "write {column} for a column, {{ and }} for braces"
            raise UsageError(f"in the text of the {template.role}, {template.mistake}", template.text, hint)
    used = {column for template in templates for column in template.columns}
    if not used:
        hint = "write {column} in place of a value"
        raise UsageError("no template has a column", "All conversations would be the same.", hint)
    needed = [role for role in ("user", "assistant") if role in {"assistant", *(t.role for t in templates)}]
    for number, row in rows:
        if skip and not all(_cell(row.get(column)).strip() for column in used):
            skip()
            continue
        messages = [{"role": t.role, "content": text} for t in templates if (text := t.fill(row)).strip()]
        roles = [message["role"] for message in messages]
        if missing := next((role for role in needed if role not in roles), None):
            hint = "fix the row, or leave out such rows with --skip-empty"
            raise _bad_row(path, number, f"the row has no text for the {missing}", hint)
        yield {"messages": messages}


def _csv(path: Path, delimiter: str) -> Table:
    csv.field_size_limit(min(sys.maxsize, 2**31 - 1))
    try:
        with _text(path) as stream:
            head = stream.readline()
            if not names_delimiter(head):
                stream.seek(0)
            usual = delimiter_of(head, path.suffix.lower())
            columns = next(csv.reader(stream, delimiter=delimiter or usual), [])
    except OSError as error:
        raise unreadable(path, error) from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is not UTF-8", "", "save it as UTF-8") from error
    if not columns:
        raise UsageError(f"{path} is empty", "", "its first line must contain the column names")
    return columns, _csv_rows(path, delimiter or usual, columns)


def _csv_rows(path: Path, delimiter: str, columns: Sequence[str]) -> Iterator[tuple[int, Row]]:
    with _text(path) as stream:
        reader = csv.reader(stream, delimiter=delimiter, strict=True)
        while next(reader) != columns:  # a line that names the delimiter
            continue
        try:
            for row in reader:
                if not row:
                    continue
                if len(row) != len(columns):
                    reason = f"the row has {plural(len(row), 'value')} for {plural(len(columns), 'column')}"
                    raise _bad_row(path, reader.line_num, reason)
                yield reader.line_num, dict(zip(columns, row, strict=True))
        except csv.Error as error:
            hint = 'fix the row: a quote in a cell is written as ""'
            raise _bad_row(path, reader.line_num, f"not CSV: {error}", hint) from error
        except UnicodeDecodeError as error:
            raise _bad_row(path, reader.line_num + 1, "the row is not UTF-8") from error


def _text(path: Path) -> TextIOWrapper:
    return TextIOWrapper(opened(path), encoding="utf-8-sig", newline="")


def _bad_row(path: Path, number: int, reason: str, hint: str = "fix the row") -> DataError:
    return DataError(reason, "", hint, Place(str(path), number))


def _cell(value: object) -> str:
    """A value as people write it; nothing for none and for what is not a number."""
    if value is None or value in _NOTHING:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)

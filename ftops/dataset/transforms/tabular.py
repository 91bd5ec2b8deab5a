"""CSV and Parquet: rows become chat examples, by a mapping with `{column}` in its texts."""

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
from ftops.core.errors import Diagnostic, Place, UsageError
from ftops.core.plurals import plural
from ftops.core.suggestions import did_you_mean
from ftops.dataset.files.jsonl_io import DataError, Example, unreadable
from ftops.yaml import document as yaml_document

_PLACEHOLDER = re.compile(r"\{\{|\}\}|\{([^{}]*)\}")
_ROLES = ("system", "developer", "user", "assistant")
BATCH = 1000
Row = Mapping[str, Any]


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


def chats(path: Path, templates: Sequence[Template], delimiter: str = "") -> Iterator[Example]:
    """Every row as an example, without the messages that are empty. Raises UsageError, DataError."""
    is_parquet = path.suffix.lower() in (".parquet", ".pq")
    columns, rows = _parquet(path) if is_parquet else _csv(path, delimiter)
    for column in (c for template in templates for c in template.columns):
        if column not in columns:
            hint = did_you_mean(column, columns)
            raise UsageError(f"{path} has no column `{column}`", f"it has {', '.join(columns[:20])}.", hint)
    for template in templates:
        if template.mistake:
            hint = "write {column} for a column, {{ and }} for braces"
            raise UsageError(f"in the text of the {template.role}, {template.mistake}", template.text, hint)
    for number, row in rows:
        messages = [{"role": t.role, "content": text} for t in templates if (text := t.fill(row)).strip()]
        if not any(message["role"] == "assistant" for message in messages):
            raise _bad_row(path, number, "the row has no text for the assistant")
        yield {"messages": messages}


def _csv(path: Path, delimiter: str) -> tuple[list[str], Iterator[tuple[int, Row]]]:
    csv.field_size_limit(min(sys.maxsize, 2**31 - 1))
    try:
        with _text(path) as stream:
            head = stream.readline()
            stream.seek(0)
            usual = "\t" if path.suffix.lower() == ".tsv" else max(",;\t|", key=head.count)
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
        next(reader)
        try:
            for row in reader:
                if not row:
                    continue
                if len(row) != len(columns):
                    reason = f"the row has {plural(len(row), 'value')} for {plural(len(columns), 'column')}"
                    raise _bad_row(path, reader.line_num, reason)
                yield reader.line_num, dict(zip(columns, row, strict=True))
        except csv.Error as error:
            raise _bad_row(path, reader.line_num, f"not CSV: {error}") from error
        except UnicodeDecodeError as error:
            raise _bad_row(path, reader.line_num + 1, "the row is not UTF-8") from error


def _text(path: Path) -> TextIOWrapper:
    return TextIOWrapper(opened(path), encoding="utf-8-sig", newline="")


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
    batches = file.iter_batches(batch_size=BATCH)
    return columns, enumerate((row for batch in batches for row in batch.to_pylist()), 1)


def _bad_row(path: Path, number: int, reason: str) -> DataError:
    return DataError(reason, "", "fix the row", Place(str(path), number))


def _cell(value: object) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)

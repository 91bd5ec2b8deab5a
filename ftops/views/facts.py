"""Facts of examples as tables for other programs: CSV, and Parquet if pyarrow is installed."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable, Iterator
from importlib import import_module
from io import StringIO
from itertools import islice
from pathlib import Path
from typing import Any

from ftops.core.errors import UsageError
from ftops.core.installation import install_extra
from ftops.dataset.files.jsonl_io import unwritable
from ftops.dataset.profile.facts import Fact
from ftops.views.paint import clean

COLUMNS = ("file", *Fact._fields)
BATCH = 20_000
Row = tuple[str, Fact]
"""The name of a file, and a fact of it."""


def to_csv(rows: Iterable[Row]) -> Iterator[str]:
    """Lines with their ends, the first with the names of the columns. Lists are separated by semicolons."""
    yield csv_line(COLUMNS)
    for file, fact in rows:
        cells = (";".join(map(plain, v)) if isinstance(v, tuple) else v for v in fact)
        yield csv_line((plain(file), *cells))


def write_parquet(rows: Iterable[Row], path: Path) -> int:
    """Writes a file completely or not at all; returns the number of rows. Raises UsageError if pyarrow is
    missing or the file can't be written."""
    try:
        arrow: Any = import_module("pyarrow")
        parquet: Any = import_module("pyarrow.parquet")
    except ImportError as error:
        hint = f"run `{install_extra('parquet')}`, or use -o csv"
        raise UsageError("Parquet can't be written here", "it needs the package pyarrow.", hint) from error
    texts = arrow.list_(arrow.string())
    kinds = {"file": arrow.string(), "functions": texts, "findings": texts}
    schema = arrow.schema([(name, kinds.get(name, arrow.int64())) for name in COLUMNS])
    pending, count = iter(rows), 0
    draft = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with draft.open("xb") as stream, parquet.ParquetWriter(stream, schema) as writer:
            while batch := list(islice(pending, BATCH)):
                columns = zip(*map(_cells, batch), strict=True)
                writer.write_table(arrow.table(dict(zip(COLUMNS, map(list, columns), strict=True)), schema))
                count += len(batch)
        draft.replace(path)
    except OSError as error:
        raise unwritable(path, error) from error
    finally:
        draft.unlink(missing_ok=True)
    return count


def _cells(row: Row) -> tuple[object, ...]:
    file, fact = row
    return (clean(file), *(list(map(clean, v)) if isinstance(v, tuple) else v for v in fact))


def csv_line(cells: Iterable[object]) -> str:
    """A line with its end. `true` and `false` are written as in JSON."""
    buffer = StringIO()
    shown = (str(cell).lower() if isinstance(cell, bool) else cell for cell in cells)
    csv.writer(buffer, lineterminator="\n").writerow(shown)
    return buffer.getvalue()


def plain(text: str) -> str:
    """One line that isn't a formula: spreadsheets run cells that begin with certain characters."""
    shown = clean(text)
    return f"'{shown}" if shown[:1] in "=+-@" and shown else shown

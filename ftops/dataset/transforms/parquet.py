"""Parquet: the columns and rows of a file, as values that JSON has. Needs the package pyarrow."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, time
from decimal import Decimal
from importlib import import_module
from pathlib import Path
from typing import Any

from ftops.core.confined_files import opened
from ftops.core.errors import Place, UsageError
from ftops.core.installation import install_extra
from ftops.dataset.files.jsonl_io import DataError, unreadable

BATCH = 1000
_HINT = "write the file again, or export it as JSON Lines"


def table(path: Path) -> tuple[list[str], Iterator[tuple[int, Mapping[str, Any]]]]:
    """The columns, and rows with their numbers from 1. Raises UsageError, and DataError for a row."""
    try:
        parquet: Any = import_module("pyarrow.parquet")
    except ImportError as error:
        raise UsageError(
            "Parquet can't be read here",
            "it needs the package pyarrow.",
            f"run `{install_extra('parquet')}`",
        ) from error
    try:
        opened(path).close()
        file = parquet.ParquetFile(path)
    except OSError as error:
        if type(error).__module__ == "builtins" and error.errno:
            raise unreadable(path, error) from error
        raise _broken(path, error) from error
    except ValueError as error:  # ArrowInvalid
        raise _broken(path, error) from error
    return list(file.schema_arrow.names), _rows(path, file)


def _rows(path: Path, file: Any) -> Iterator[tuple[int, Mapping[str, Any]]]:
    number = 0
    batches = file.iter_batches(batch_size=BATCH)
    while True:
        try:
            batch = next(batches, None)
        except (OSError, ValueError, NotImplementedError) as error:
            raise _broken(path, error, number) from error
        if batch is None:
            return
        for row in _values(path, batch, number):
            number += 1
            yield number, row


def _simplified(batch: Any) -> Any:
    """The batch with numbers of single precision as they are written (0.1, not 0.10000000149), and times
    without nanoseconds, which Python doesn't have."""
    arrow: Any = import_module("pyarrow")
    columns = list(batch.columns)
    for index, column in enumerate(columns):
        if arrow.types.is_float32(column.type):
            columns[index] = column.cast(arrow.string()).cast(arrow.float64())
        elif arrow.types.is_timestamp(column.type) and column.type.unit == "ns":
            columns[index] = column.cast(arrow.timestamp("us", column.type.tz), safe=False)
    return arrow.RecordBatch.from_arrays(columns, batch.schema.names)


def _values(path: Path, batch: Any, before: int) -> Iterator[Mapping[str, Any]]:
    """The rows of a batch. `before`: how many rows came before them."""
    try:
        batch = _simplified(batch)
        rows = batch.to_pylist()
    except (ValueError, OverflowError):
        _find_broken(path, batch, before)
        raise
    for row in rows:
        yield {column: plain(value) for column, value in row.items()}


def _find_broken(path: Path, batch: Any, before: int) -> None:
    """Raises DataError for the first cell that has no value, such as a text that isn't UTF-8."""
    for index in range(batch.num_rows):
        for name, column in zip(batch.schema.names, batch.columns, strict=True):
            try:
                column[index].as_py()
            except (ValueError, OverflowError) as error:
                reason = f"the value of `{name}` can't be read"
                place = Place(str(path), before + index + 1)
                raise DataError(reason, f"{error}.", _HINT, place) from error


def _broken(path: Path, error: Exception, number: int = 0) -> UsageError:
    where = f" after row {number:,}" if number else ""
    return UsageError(
        f"{path} isn't a Parquet file that can be read{where}", f"{str(error).strip().rstrip('.')}.", _HINT
    )


def plain(value: Any) -> Any:
    """A value as JSON has it, and as people mean it: dates as text, nothing for what is not a number."""
    match value:
        case None | bool() | str() | int():
            return value
        case float():
            return value if value - value == 0 else None
        case bytes():
            return _text(value)
        case datetime():
            return value.isoformat(" ").removesuffix(" 00:00:00")
        case date() | time():
            return value.isoformat()
        case Decimal():
            return str(value) if value.is_finite() else None
        case Mapping():
            return {str(key): plain(item) for key, item in value.items()}
        case Sequence():
            if value and all(isinstance(item, tuple) for item in value):  # a map is a list of pairs
                return {str(key): plain(item) for key, item in value}
            return [plain(item) for item in value]
        case _:
            return str(value)


def _text(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return b64encode(value).decode()

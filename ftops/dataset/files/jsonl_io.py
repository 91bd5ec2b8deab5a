"""JSON Lines reader and writer: streamed, one example per line, in order.

A line is an example or it isn't; what is wrong with it is for the checks to say.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import msgspec

from ftops.core.confined_files import opened
from ftops.core.errors import FtopsError, Place, UsageError
from ftops.core.snippets import command

BOM = b"\xef\xbb\xbf"
BLOCK = 2 * 1024 * 1024
"""Bytes that are read at once."""
MAX_LINE = 32 * 1024 * 1024
"""Bytes of the longest line that is kept in memory."""
TOO_LONG = "… a line of more than 32 MiB …".encode()
"""What stands for a longer one; it isn't an example."""

Example = dict[str, Any]

_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode
_encode_sorted = msgspec.json.Encoder(order="sorted").encode


class Line(NamedTuple):
    """One line that isn't blank. `raw` has no line end and no byte order mark."""

    number: int
    raw: bytes
    example: Example | None
    """None if the line isn't a JSON object."""


class DataError(FtopsError):
    """A data file, or a line of it, can't be used."""


def not_an_example(file: str, number: int) -> DataError:
    """The error for a line that isn't an example."""
    hint = f"{command('ftops', 'data', 'check', file)} says what is wrong"
    return DataError("the line is not a JSON object", "", hint, Place(file, number))


def parse(raw: bytes) -> Example | None:
    """The object on a line, or None."""
    try:
        value = _decode(raw)
    except (RecursionError, UnicodeDecodeError):
        return None
    except msgspec.DecodeError:
        value = _parse_slowly(raw)
    return value if isinstance(value, dict) else None


def list_at(holder: Mapping[str, Any], key: str) -> list[Any]:
    """A list in an object; empty if there is none."""
    value = holder.get(key)
    return value if isinstance(value, list) else []


def canonical(value: object) -> bytes:
    """JSON with sorted keys and no spaces: equal for equal values."""
    return dump(value, sort=True)


def dump(value: object, *, sort: bool = False) -> bytes:
    """One line of JSON without its line end; keys keep their order."""
    try:
        return _encode_sorted(value) if sort else _encode(value)
    except (msgspec.MsgspecError, UnicodeError, OverflowError):
        return json.dumps(value, sort_keys=sort, separators=(",", ":")).encode()


def blocks(
    stream: BinaryIO, size: int = BLOCK, update: Callable[[bytes], None] | None = None
) -> Iterator[bytes]:
    """A file in blocks of whole lines, of about `size` bytes each; a longer line is a block of its own, and
    TOO_LONG stands for one of more than MAX_LINE. `update` gets all bytes as they are."""
    rest: list[bytes] = []
    held = 0
    while block := stream.read(size):
        if update:
            update(block)
        end = block.rfind(b"\n") + 1
        if held + (block.find(b"\n") if end else len(block)) > MAX_LINE:
            rest, held = [TOO_LONG], MAX_LINE + 1
            if not end:
                continue
            block = block[block.find(b"\n") :]
            end = block.rfind(b"\n") + 1
        if not end:
            rest.append(block)
            held += len(block)
            continue
        yield b"".join((*rest, block[:end]))
        rest = [block[end:]] if end < len(block) else []
        held = len(block) - end
    if rest:
        yield b"".join(rest)


def lines_of(block: bytes, first: int = 1) -> Iterator[Line]:
    """The lines of a block that aren't blank; `first` is the number of its first line."""
    if first == 1:
        block = block.removeprefix(BOM)
    for number, raw in enumerate(block.split(b"\n"), first):
        raw = raw.strip(b" \t\r")
        if raw:
            yield Line(number, raw, parse(raw))


def read(path: Path) -> Iterator[Line]:
    """Every line of a file that isn't blank. Raises UsageError if it can't be read."""
    try:
        with opened(path) as stream:
            first = 1
            for block in blocks(stream):
                yield from lines_of(block, first)
                first += block.count(b"\n")
    except OSError as error:
        raise unreadable(path, error) from error


def read_strictly(path: Path, display: str) -> Iterator[tuple[Line, Example]]:
    """The examples of a file. Raises DataError at the first line that isn't one."""
    for line in read(path):
        if line.example is None:
            raise not_an_example(display, line.number)
        yield line, line.example


def has_mark(path: Path) -> bool:
    """Whether the file begins with a byte order mark."""
    try:
        with opened(path) as stream:
            return stream.read(len(BOM)) == BOM
    except OSError as error:
        raise unreadable(path, error) from error


def refuse_to_replace(path: Path, force: bool) -> None:
    """Raises UsageError if the file exists and `force` isn't set, or if it isn't a file: a pipe or a device
    would be replaced, not written to."""
    if path.exists() and not path.is_file():
        raise UsageError(f"can't write {path}: it is not a regular file", "", "give the name of a file")
    if path.exists() and not force:
        raise UsageError(f"{path} exists", "nothing was written.", "--force overwrites it")


class Writer:
    """Writes a file completely or not at all: to a temporary file that gets its name at the end."""

    def __init__(self, path: Path, *, force: bool = False, mark: bool = False) -> None:
        """Raises UsageError as `refuse_to_replace`. `mark`: write a byte order mark."""
        refuse_to_replace(path, force)
        self.path = path
        self.count = 0
        self.bytes = 0
        self._draft = path.with_name(f".{path.name}.{os.getpid()}.tmp")
        self._mark = mark
        self._stream: BinaryIO | None = None

    def write(self, raw: bytes) -> None:
        """Writes one line, given without its line end. Raises UsageError."""
        self.copy(raw)
        self.copy(b"\n")
        self.count += 1

    def copy(self, block: bytes) -> None:
        """Writes bytes as they are. Raises UsageError, such as for a disk that is full."""
        assert self._stream is not None  # noqa: S101 - only within `with`
        try:
            self.bytes += self._stream.write(block)
        except OSError as error:
            raise unwritable(self.path, error) from error

    def __enter__(self) -> Writer:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._draft.unlink(missing_ok=True)
            self._stream = self._draft.open("xb")
            if self._mark:
                self.bytes += self._stream.write(BOM)
        except OSError as error:
            raise unwritable(self.path, error) from error
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        assert self._stream is not None  # noqa: S101
        try:
            with self._stream:
                if kind is None:
                    self._stream.flush()
                    os.fsync(self._stream.fileno())
            if kind is None:
                self._draft.replace(self.path)
        except OSError as failure:
            raise unwritable(self.path, failure) from failure
        finally:
            with suppress(OSError):
                self._draft.unlink(missing_ok=True)


def unreadable(path: Path, error: OSError) -> UsageError:
    hint = "check the path and its permissions"
    return UsageError(f"can't read {path}: {error.strerror or error}", "", hint)


def unwritable(path: Path, error: OSError) -> UsageError:
    return UsageError(f"can't write {path}: {error.strerror or error}", "", "check the folder and the disk")


def _parse_slowly(raw: bytes) -> Any:
    """JSON that msgspec rejects and Python accepts: lone surrogates, numbers of any length."""
    try:
        return json.loads(raw)
    except (ValueError, RecursionError):
        return None

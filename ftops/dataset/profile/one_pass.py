"""One pass: a file is read once, to be checked and to be measured by the same processes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

from msgspec import Struct, json
from msgspec.msgpack import Decoder, Encoder
from msgspec.structs import replace

from ftops import dataset
from ftops.dataset.checks import checker, chunk
from ftops.dataset.checks.block_check import Block, How
from ftops.dataset.checks.chunk import Chunk
from ftops.dataset.checks.process_pool import spread
from ftops.dataset.files.jsonl_io import BOM
from ftops.dataset.formats import plain
from ftops.dataset.profile.profiler import (
    BLOCK,
    Measured,
    Measurement,
    Part,
    Parts,
    as_tally,
    measure_as,
    measure_decoded,
    number_of,
    worth,
)
from ftops.dataset.rules.findings import Inspection


class _Work(Struct, frozen=True):
    """What is done with each block."""

    format: str
    what: Measurement


class _Answer(NamedTuple):
    checked: Chunk
    part: Part | None
    """None if the line is too long to be kept in memory."""


def inspect_and_measure(
    path: Path, what: Measurement, *, format: str = "", cache: dataset.Cache | None = None
) -> tuple[Inspection, Measured | None]:
    """The inspection and the measurement of a file; the latter is None if it can't be read. A cached
    inspection is used. Raises UsageError, NoEncoding."""
    run = _Pass(what)
    try:
        status = path.stat()
        inspection = cache.get(path, format, status) if cache else None
        processes = worth(status.st_size)
    except (OSError, ValueError):  # reading the file says why
        inspection, processes = None, 1
    if inspection is None:
        how = How(run.check, BLOCK, processes)
        inspection = checker.read(path, format=format, cache=cache, how=how)
    if not inspection.digest:
        return inspection, None
    # What isn't JSON Lines was only hashed.
    measured = run.parts.measured(inspection.digest) if run.is_whole else measure_as(path, what)
    return inspection, measured


class _Pass:
    """Checks blocks, and adds up their measurements."""

    def __init__(self, what: Measurement) -> None:
        self.parts = Parts(what)
        self.is_whole = False
        self._what = what

    def check(
        self, blocks: Iterable[Block], format: str, *, vectorised: bool, processes: int
    ) -> Iterator[Chunk]:
        self.is_whole = True
        work = _Work(format, replace(self._what, vectorised=vectorised))
        here, argument = partial(_read, work=work), json.encode(work).decode()
        for checked, part in spread(__name__, argument, _numbered(blocks), here, _decode, processes):
            if part:
                self.parts.add(part)
            else:
                self.is_whole = False
            yield checked


def _numbered(blocks: Iterable[Block]) -> Iterator[bytes | _Answer]:
    """Blocks of lines, each after the number of its first line."""
    first = 1
    for block in blocks:
        if isinstance(block, bytes):
            yield first.to_bytes(8, "big") + block
            first += block.count(b"\n")
        else:
            yield _Answer(block, None)
            first += block.lines


def _read(numbered: bytes, work: _Work) -> _Answer:
    first, block = number_of(numbered)
    vectorised = work.what.vectorised
    content = block.removeprefix(BOM) if first == 1 else block
    decoded = plain.decode(content, vectorised=vectorised)
    checked = chunk.read_decoded(block, decoded, work.format, vectorised=vectorised)
    return _Answer(checked, measure_decoded(block, decoded, first, work.what))


_encode = Encoder().encode
_decode = Decoder(_Answer, dec_hook=as_tally).decode


def answering(argument: str) -> Callable[[bytes], bytes]:
    """For other processes (ftops.dataset.checks.process_pool)."""
    work = json.decode(argument, type=_Work)
    return lambda numbered: _encode(_read(numbered, work))

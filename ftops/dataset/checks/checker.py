"""Checker: reads a file once, in chunks, and hashes and checks them.

Memory doesn't grow with the file: a few pieces are held at a time, and a line has a longest length. Of a big
file, pieces are checked by other processes, which get the very bytes that are hashed here.
"""

from __future__ import annotations

import hashlib
import os
import stat
from array import array
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import BinaryIO, NamedTuple

from msgspec import msgpack
from xxhash import xxh3_128

from ftops.core.confined_files import opened
from ftops.dataset.checks import chunk, process_pool
from ftops.dataset.checks.aggregate import Aggregate
from ftops.dataset.checks.chunk import Chunk, Reader, detect
from ftops.dataset.checks.inspection_cache import Cache
from ftops.dataset.checks.minhash import SIZE
from ftops.dataset.files.file_identity import MAX_BYTES, identity, kind_of
from ftops.dataset.files.jsonl_io import BOM
from ftops.dataset.rules.catalogue import RULES
from ftops.dataset.rules.findings import Finding, Found, Inspection

MAX_LINE = 32 * 1024 * 1024
"""A line that is longer is hashed but not checked."""
PIECE = 256 * 1024
"""Bytes that are checked at once: what is made of them stays in the cache of a processor."""
MANY = 2 * 1024 * 1024
"""Bytes from which on numpy is worth its import."""
BIG = 16 * 1024 * 1024
"""Bytes from which on other processes are worth their start."""
MAX_COMPARED = 200_000
"""Bytes of a line that are read again, to be shown or compared."""
_LOOKED_AT = 50
"""Lines that are tried to tell the format."""

_UTF16 = (b"\xff\xfe", b"\xfe\xff")


class LongLine(NamedTuple):
    """A line that is too long to be held: its digest, 16 bytes."""

    digest: bytes


Block = bytes | LongLine


def read(path: Path, *, format: str = "", cache: Cache | None = None, processes: int = 0) -> Inspection:
    """What the file is, and what is wrong with it. `processes`: how many check at once, 0 for as many as
    are worth it. Never raises for what a file is or holds."""
    try:
        refusal = _refuse(path.stat())
        return refused(refusal) if refusal else _read(path, format, cache, processes)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        return refused(_unreadable(error))


def whole_of(path: Path, format: str) -> Aggregate:
    """What is known of a file from its pieces, without the rules about a whole. Raises OSError."""
    with opened(path) as stream:
        run = _Run(stream, format)
        run.read(_worth(os.fstat(stream.fileno()).st_size))
        return run.whole


def lines_at(path: Path, numbers: Iterable[int]) -> Iterator[tuple[int, str]]:
    """Lines of a file by their numbers. Raises OSError."""
    with opened(path) as stream:
        yield from _Run(stream, "").lines(numbers)


def _refuse(status: os.stat_result) -> Finding | None:
    """What can be said of a file without reading it."""
    if stat.S_ISDIR(status.st_mode):
        hint = "Give the JSON Lines file in it."
        return Finding("file/unreadable", "the data is a folder, not a file", hint=hint)
    if not stat.S_ISREG(status.st_mode):
        hint = "Give a file on disk, not a pipe or a device."
        return Finding("file/unreadable", "the data is not a regular file", hint=hint)
    if status.st_size >= MAX_BYTES:
        size = f"{status.st_size / 1e6:,.0f} MB"
        return Finding("file/too-large", f"the file has {size}; it must be smaller than 512 MB")
    return None


def _unreadable(error: OSError | ValueError) -> Finding:
    if isinstance(error, FileNotFoundError):
        return Finding("file/missing", "the file does not exist")
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    hint = "Check the path and its permissions."
    return Finding("file/unreadable", f"the file can't be read: {reason}", hint=hint)


def refused(finding: Finding) -> Inspection:
    """Of what could not be read."""
    return Inspection(found=(_found(finding),), counts={finding.rule: 1})


def _read(path: Path, format: str, cache: Cache | None, processes: int) -> Inspection:
    started = cache.clock() if cache else 0
    with opened(path) as stream:
        before = os.fstat(stream.fileno())
        run = _Run(stream, format)
        run.read(processes or _worth(before.st_size))
        found = run.end()
        after = os.fstat(stream.fileno())
    if run.bytes != before.st_size or identity(before) != identity(after):
        return refused(Finding("file/changed", "the file changed while it was read"))
    whole = run.whole
    inspection = Inspection(
        digest=f"sha256:{run.sha.hexdigest()}",
        bytes=run.bytes,
        examples=whole.examples,
        format=run.format,
        content=whole.content,
        longest=whole.longest,
        found=tuple(found),
        counts={rule: count for rule, count in whole.counts.items() if count},
    )
    if cache:
        cache.put(path, format, before, started, inspection)
    return inspection


class _Run:
    """One reading of one file."""

    def __init__(self, stream: BinaryIO, format: str) -> None:
        self.stream = stream
        self.size = os.fstat(stream.fileno()).st_size
        self.declared = format
        self.format = ""
        self.sha = hashlib.sha256()
        self.bytes = 0
        self.whole = Aggregate()
        self.is_lines = True
        """False where the file is of another kind, and more findings would be noise."""
        self.start = 0
        """Where the first line begins: behind a byte order mark."""

    def read(self, processes: int) -> None:
        blocks = self._blocks()
        first = next(blocks, b"")
        self.format = self.declared or "chat"
        if isinstance(first, bytes) and not self._is_other(first):
            self.format = self._choose(first)
            first = first[self.start :]
        if not self.is_lines:
            for _ in blocks:  # only hashed
                continue
            return
        for piece in _check(
            chain([first] if first else [], blocks), self.format, processes, many=self.size >= MANY
        ):
            self.whole.add(piece)

    def end(self) -> list[Found]:
        """All that was found, by line."""
        whole = self.whole
        if self.is_lines:
            if not self.start and whole.examples:
                whole.say("file/byte-order-mark", 0, "no byte order mark")
            whole.finish(self.format, self.lines)
        return whole.with_lines(self.lines)

    def _blocks(self) -> Iterator[Block]:
        """Whole lines, some at a time."""
        rest: list[bytes] = []
        held = 0
        long: xxh3_128 | None = None
        while data := self._more():
            end = data.rfind(b"\n") + 1
            if long is not None or held + (len(data) if not end else data.find(b"\n")) > MAX_LINE:
                long = long or xxh3_128(b"".join(rest))
                cut = data.find(b"\n") + 1
                long.update(data[: cut - 1] if cut else data)
                rest, held = [], 0
                if not cut:
                    continue
                yield LongLine(long.digest())
                long = None
                data, end = data[cut:], end - cut
            if end:
                yield b"".join((*rest, data[:end]))
                rest, held = [], 0
            rest.append(data[end:])
            held += len(data) - end
        if long is not None:
            yield LongLine(long.digest())
        elif held:
            yield b"".join(rest)

    def _more(self) -> bytes:
        data = self.stream.read(PIECE)
        self.sha.update(data)
        self.bytes += len(data)
        return data

    def _is_other(self, first: bytes) -> bool:
        """Whether the file is of another kind, by how it begins."""
        kind = kind_of(first)
        if kind:
            self.whole.say("file/compressed", 0, f"the file is {kind}")
        elif first.startswith(_UTF16):
            self.whole.say("file/not-utf8", 0, "the file is UTF-16, not UTF-8")
        self.is_lines = not (kind or first.startswith(_UTF16))
        return not self.is_lines

    def _choose(self, first: bytes) -> str:
        """The format that is declared, or else the one of the first examples."""
        self.start = len(BOM) if first.startswith(BOM) else 0
        lines = first[self.start :].split(b"\n", _LOOKED_AT)[:_LOOKED_AT]
        told = next((told for line in lines if line.strip() and (told := detect(line))), None)
        if not told or not self.declared or (told == "preference") is (self.declared == "preference"):
            return self.declared or told or "chat"  # one conversation may be for either method
        summary = f"the examples have the format {told}, not {self.declared}"
        hint = f"Write `format: {told}`, remove `format`, or use another file."
        self.whole.found.append(_found(Finding("chat/format", summary, hint=hint)))
        self.whole.counts["chat/format"] += 1
        return told

    def lines(self, numbers: Iterable[int]) -> Iterator[tuple[int, str]]:
        """Lines of the file by number, in order, as far as they are short enough to be shown or compared."""
        wanted = sorted(set(numbers), reverse=True)
        if not self.start and wanted:
            self.stream.seek(0)
            self.start = len(BOM) * self.stream.read(len(BOM)).startswith(BOM)
        self.stream.seek(self.start)
        number, begun = 1, b""
        while wanted and (data := self.stream.read(PIECE)):
            last = number + data.count(b"\n")
            if wanted[-1] <= last:
                parts = data.split(b"\n")
                while wanted and wanted[-1] < last:
                    at = wanted.pop()
                    yield at, _shown(begun * (at == number) + parts[at - number])
                begun = begun * (last == number) + parts[-1] if wanted and wanted[-1] == last else b""
                begun = begun[:MAX_COMPARED]
            number = last
        if wanted and wanted[-1] == number:
            yield number, _shown(begun)


def _shown(line: bytes) -> str:
    return line[:MAX_COMPARED].rstrip(b"\r").decode(errors="replace")


def _check(blocks: Iterator[Block], format: str, processes: int, *, many: bool) -> Iterator[Chunk]:
    """The pieces in their order. `many`: there are enough of them to make up for the import of numpy."""
    reader = Reader(format, vectorised=many)

    def here(block: Block) -> Chunk:
        return _unchecked(block) if isinstance(block, LongLine) else reader.read(block)

    if processes > 1:
        yield from process_pool.spread(chunk.__name__, format, blocks, here, _checked_apart, processes)
    else:
        yield from map(here, blocks)


def _checked_apart(block: Block, ask: process_pool.Ask) -> Chunk:
    return _unchecked(block) if isinstance(block, LongLine) else msgpack.decode(ask(block), type=Chunk)


def _unchecked(line: LongLine) -> Chunk:
    rule = RULES["file/long-line"]
    found = Found(rule.id, 1, 1, 1, "", "", "a line of more than 32 MiB wasn't checked", rule.why, rule.fix)
    number = array("I", [1]).tobytes()
    return Chunk(1, 1, 0, 0, line.digest, bytes(SIZE), number, counts={rule.id: 1}, found=[found])


def _worth(size: int) -> int:
    return len(os.sched_getaffinity(0)) if size >= BIG and hasattr(os, "sched_getaffinity") else 1


def _found(finding: Finding) -> Found:
    rule = RULES[finding.rule]
    hint, detail = finding.hint or rule.fix, finding.detail or rule.why
    return Found(finding.rule, 0, 1, 1, "", "", finding.summary, detail, hint)

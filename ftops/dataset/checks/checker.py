"""Checker: reads a file once, in chunks, and hashes and checks them; `overlap` compares two files.

Memory doesn't grow with the file: a few chunks are in memory at a time, and the length of a line is limited.
Chunks of a big file are checked by other processes, which get the very bytes that are hashed here.
"""

from __future__ import annotations

import hashlib
import os
import stat
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain, islice
from pathlib import Path
from typing import Any, BinaryIO

from xxhash import xxh3_128

from ftops.core.confined_files import opened
from ftops.core.errors import Place
from ftops.dataset.checks import beginnings
from ftops.dataset.checks.aggregate import MAX_PAIRS, Aggregate
from ftops.dataset.checks.block_check import CHECKED, CHUNK, Block, How
from ftops.dataset.checks.chunk import Chunk, detect
from ftops.dataset.checks.inspection_cache import Cache
from ftops.dataset.checks.minhash import LIKE, SIZE, first_equal, likeness, word_pairs_by_line
from ftops.dataset.files.file_identity import (
    ANNEX,
    EXCEL,
    LFS_POINTER,
    MARKUP,
    MAX_BYTES,
    PARQUET,
    identity,
    is_utf8,
    kind_of,
    pointer_of,
    wide_encoding,
)
from ftops.dataset.files.jsonl_io import BOM, MAX_LINE
from ftops.dataset.formats.documents import ExampleList, first_example, is_bare_conversation, lists_in
from ftops.dataset.formats.foreign import NAMES
from ftops.dataset.formats.jsonl import parse
from ftops.dataset.formats.tables import Table, is_row, options_of, table_at, templates, twice_in
from ftops.dataset.rules.findings import (
    TO_CONVERT,
    TO_CONVERT_CSV,
    TO_CONVERT_PARQUET,
    TO_FETCH,
    Finding,
    Inspection,
    LocatedFinding,
    Overlap,
    Pair,
    quote,
)

MANY = 2 * 1024 * 1024
"""Bytes from which on numpy is worth its import."""
BIG = 16 * 1024 * 1024
"""Bytes from which on other processes are worth their start."""
MAX_COMPARED = 200_000
"""Bytes of a line that are read again, to be shown or compared."""
_NAMED = 8
"""Columns of a table that are named."""
_TABLES = {PARQUET: TO_CONVERT_PARQUET, EXCEL: "\0".join((TO_CONVERT_CSV, *templates(())))}
"""Kinds of files that are tables, and hints for them."""
_HINTS = {
    **_TABLES,
    MARKUP: "Download the file itself; this may be the page that shows it, or an error of the server.",
}
_DETECTED = 50
"""Lines that are tried to detect the format."""


def read(path: Path, *, format: str = "", cache: Cache | None = None, how: How = CHECKED) -> Inspection:
    """Reads and checks a file. Never raises for what a file is or contains."""
    try:
        refusal = _refusal(path.stat())
        return Inspection.refused(refusal) if refusal else _read(path, format, cache, how)
    except FileNotFoundError:
        return Inspection.refused(_missing(path))
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        summary, hint = f"the file can't be read: {reason}", "Check the path and its permissions."
        return Inspection.refused(Finding("file/unreadable", summary, hint=hint))


def _missing(path: Path) -> Finding:
    """A file that isn't there, or only in another place: git-annex leaves a link to nothing, DVC a file with
    the same name and `.dvc`."""
    if path.is_symlink() and ANNEX in os.fsencode(path.readlink()):
        return Finding(
            "file/pointer", "the file is a link of git-annex, not the data", hint=TO_FETCH["git-annex"]
        )
    if path.with_name(f"{path.name}.dvc").is_file():
        return Finding("file/pointer", "there is only a pointer of DVC to the file", hint=TO_FETCH["DVC"])
    return Finding("file/missing", "the file does not exist")


def aggregate_of(path: Path, format: str) -> Aggregate:
    """The aggregate of a file's chunks, without the rules about the whole file. Raises OSError."""
    with opened(path) as stream:
        run = _Run(stream, format)
        run.read(_worth(run.size))
        return run.aggregate


def lines_at(path: Path, numbers: Iterable[int]) -> Iterator[tuple[int, str]]:
    """Lines of a file by their numbers. Raises OSError."""
    with opened(path) as stream:
        yield from _Run(stream, "").lines(numbers)


def _refusal(status: os.stat_result) -> Finding | None:
    """What is wrong with a file that needn't be read to know it."""
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


def _read(path: Path, format: str, cache: Cache | None, how: How) -> Inspection:
    started = cache.clock() if cache else 0
    with opened(path) as stream:
        before = os.fstat(stream.fileno())
        run = _Run(stream, format, path.suffix.lower(), how)
        run.read(how.processes or _worth(before.st_size))
        findings = run.finish()
        after = os.fstat(stream.fileno())
    if run.bytes != before.st_size or identity(before) != identity(after):
        return Inspection.refused(Finding("file/changed", "the file changed while it was read"))
    aggregate = run.aggregate
    inspection = Inspection(
        digest=f"sha256:{run.sha.hexdigest()}",
        bytes=run.bytes,
        examples=aggregate.examples,
        format=run.format,
        content=aggregate.content,
        longest=aggregate.longest,
        found=tuple(findings),
        counts={rule: count for rule, count in aggregate.counts.items() if count},
        alike=aggregate.alike,
    )
    if cache:
        cache.put(path, format, before, started, inspection)
    return inspection


class _Run:
    """One reading of one file."""

    def __init__(self, stream: BinaryIO, format: str, suffix: str = "", how: How = CHECKED) -> None:
        self.stream = stream
        self.how = how
        self.suffix = suffix
        self.size = os.fstat(stream.fileno()).st_size
        self.declared = format
        self.format = ""
        self.sha = hashlib.sha256()
        self.bytes = 0
        self.head = b""
        """The first bytes."""
        self.aggregate = Aggregate()
        self.is_lines = True
        """False if the file is of another kind, and more findings would be noise."""
        self.start = 0
        """The offset of the first line: after a byte order mark."""

    def read(self, processes: int) -> None:
        blocks = self._blocks()
        first = next(blocks, b"")
        self.format = self.declared or "chat"
        self._check_kind(first if isinstance(first, bytes) else self.head)
        if isinstance(first, bytes) and self.is_lines:
            chosen = self._choose_format(first)
            self.format = chosen if self.is_lines else self.format
            first = first[self.start :]
        if not self.is_lines:
            for _ in blocks:  # only hashed
                continue
            return
        blocks = chain([first] if first else [], blocks)
        vectorised = self.size >= MANY
        for checked in self.how.check(blocks, self.format, vectorised=vectorised, processes=processes):
            self.aggregate.add(checked)

    def finish(self) -> list[LocatedFinding]:
        """All findings, by line."""
        aggregate = self.aggregate
        if self.is_lines:
            if not self.start and aggregate.examples:
                aggregate.report("file/byte-order-mark", "no byte order mark")
            aggregate.finish(self.format, self.lines)
        return aggregate.with_lines(self.lines)

    def _blocks(self) -> Iterator[Block]:
        """The file in blocks of whole lines."""
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
                yield _unchecked(long.digest())
                long = None
                data, end = data[cut:], end - cut
            if end:
                yield b"".join((*rest, data[:end]))
                rest, held = [], 0
            rest.append(data[end:])
            held += len(data) - end
        if long is not None:
            yield _unchecked(long.digest())
        elif held:
            yield b"".join(rest)

    def _more(self) -> bytes:
        data = self.stream.read(self.how.size or CHUNK)
        self.sha.update(data)
        self.head = self.head or data
        self.bytes += len(data)
        return data

    def _check_kind(self, first: bytes) -> None:
        """Reports a file that isn't JSON Lines in UTF-8, by its first bytes."""
        first = first.removeprefix(BOM)
        if kind := kind_of(first):
            rule = "file/table" if kind in _TABLES else "file/compressed"
            self._refuse(rule, f"the file is {kind}", _HINTS.get(kind, ""))
        elif first.startswith(LFS_POINTER):
            self._refuse("file/git-lfs", "the file is a Git LFS pointer, not the data")
        elif pointer := pointer_of(first):
            self._refuse(
                "file/pointer", f"the file is a pointer of {pointer}, not the data", TO_FETCH[pointer]
            )
        elif encoding := wide_encoding(first):
            self._refuse("file/not-utf8", f"the file is {encoding}, not UTF-8")
        elif b"\n" not in first and len(parts := first.split(b"\r", 2)) > 1 and all(map(detect, parts[:2])):
            self._refuse("file/line-ends", "lines end with carriage returns only")
        elif (lists := _lists_in(first)) is not None:
            hint = "\0".join((TO_CONVERT, *_options_of(first, lists)))
            if len(lists) > 1:
                hint = "Save each list as a file of its own."
            self._refuse("file/document", f"the file is {_what(first, lists)}, not JSON Lines", hint)
        elif table := table_at(first, self.suffix):
            named = ", ".join(map(quote, table.columns[:_NAMED])) or "none"
            more = " and others" * (len(table.columns) > _NAMED)
            self._refuse(
                "file/table", f"the file is a table; its columns are {named}{more}", _to_convert(table, first)
            )

    def _refuse(self, rule: str, summary: str, hint: str = "") -> None:
        """Reports what the whole file is instead of JSON Lines."""
        self.is_lines = False
        self.aggregate.report(rule, summary, hint=hint)

    def _choose_format(self, first: bytes) -> str:
        """The declared format, or else that of most of the first examples."""
        self.start = len(BOM) if first.startswith(BOM) else 0
        lines = first[self.start :].split(b"\n", _DETECTED)[:_DETECTED]
        votes = Counter(format for line in lines if line.strip() and (format := detect(line)))
        detected = max(votes, key=lambda format: votes[format], default="")
        if not detected and self.declared in ("", "chat") and (row := _row_of(lines)):
            named = ", ".join(map(quote, list(row)[:_NAMED])) + " and others" * (len(row) > _NAMED)
            summary = f"the examples have other keys than those of a format of the service: {named}"
            self._refuse("file/other-format", summary, "\0".join((TO_CONVERT, *options_of(row))))
            return self.declared or "chat"
        if detected in NAMES:
            summary = f"the examples are in the format {detected}, not in one of the service"
            self._refuse("file/other-format", summary, TO_CONVERT)
            return self.declared or detected
        if not detected or not self.declared:
            return self.declared or detected or "chat"
        if (detected == "preference") is (self.declared == "preference"):
            return self.declared  # a conversation may be for either of the other methods
        summary = f"the examples have the format {detected}, not {self.declared}"
        hint = f"Write `format: {detected}`, remove `format`, or use another file."
        self.aggregate.found.append(Finding("chat/format", summary, hint=hint).located())
        self.aggregate.counts["chat/format"] += 1
        return detected

    def lines(self, numbers: Iterable[int]) -> Iterator[tuple[int, str]]:
        """Lines of the file by number, in order, as much of each as may be shown or compared."""
        wanted = sorted(set(numbers), reverse=True)
        if not self.start and wanted:
            self.stream.seek(0)
            self.start = len(BOM) * self.stream.read(len(BOM)).startswith(BOM)
        self.stream.seek(self.start)
        number, begun = 1, b""
        while wanted and (data := self.stream.read(CHUNK)):
            last = number + data.count(b"\n")
            if wanted[-1] <= last:
                parts = data.split(b"\n")
                while wanted and wanted[-1] < last:
                    line = wanted.pop()
                    yield line, _shown(begun * (line == number) + parts[line - number])
                begun = begun * (last == number) + parts[-1] if wanted and wanted[-1] == last else b""
                begun = begun[:MAX_COMPARED]
            number = last
        if wanted and wanted[-1] == number:
            yield number, _shown(begun)


def _to_convert(table: Table, first: bytes) -> str:
    """The hint for a table."""
    options = table.options()
    if (twice := twice_in(table.columns)) is not None:
        return f"Rename one of the columns {quote(twice)}, and check it again."
    if not is_utf8(first):
        return "Save it as CSV in UTF-8, and check it again."
    if options and len(table.columns) < 2:
        return "Add a column: a conversation needs a question and an answer."
    return "\0".join((TO_CONVERT, *options))


def _row_of(lines: list[bytes]) -> Mapping[str, Any] | None:
    """The first of objects that are like rows of a table, if most lines are such."""
    parsed = [parse(line.decode(errors="replace")) for line in lines if line.strip()]
    rows = [row for row in parsed if isinstance(row, dict) and is_row(row)]
    return rows[0] if 2 * len(rows) > len(parsed) else None


def _lists_in(first: bytes) -> list[ExampleList] | None:
    """The lists of examples, if the file is a document. The first line of most files tells that it isn't."""
    return None if detect(first.partition(b"\n")[0]) else lists_in(first.decode(errors="replace"))


def _what(first: bytes, lists: list[ExampleList]) -> str:
    """What a document has."""
    if keys := " and ".join(quote(one.key) for one in lists if one.key):
        return f"one JSON document with its examples in {keys}"
    if lists and is_bare_conversation(first.decode(errors="replace"), lists[0].start):
        return "lists of messages without objects around them"
    return "one JSON document"


def _options_of(first: bytes, lists: list[ExampleList]) -> tuple[str, ...]:
    """What the command that converts a document has to be told."""
    row = first_example(first.decode(errors="replace"), lists)
    return options_of(row) if is_row(row) else ()


def _shown(line: bytes) -> str:
    return line[:MAX_COMPARED].rstrip(b"\r").decode(errors="replace")


def _unchecked(digest: bytes) -> Chunk:
    """A line that is too long to be kept in memory, by the digest of its content."""
    finding = Finding("file/long-line", "a line of more than 32 MiB wasn't checked").located(Place("", 1))
    number = array("I", [1]).tobytes()
    return Chunk(
        lines=1,
        examples=1,
        contents=digest,
        minhashes=bytes(SIZE),
        openings=bytes(8),
        numbers=number,
        counts={"file/long-line": 1},
        found=[finding],
    )


def _worth(size: int) -> int:
    """The number of processes that are worth their start."""
    return len(os.sched_getaffinity(0)) if size >= BIG and hasattr(os, "sched_getaffinity") else 1


def overlap(path: Path, other: Path, format: str) -> Overlap:
    """Examples of `path` that are in `other`, exactly or nearly. Raises OSError."""
    ours, theirs = aggregate_of(path, format), aggregate_of(other, format)
    exact = _exact(ours, theirs)
    near: dict[int, int] = {}
    candidates = _candidates(ours, theirs, {index for index, _ in exact})
    if candidates:
        words = word_pairs_by_line(lines_at(path, {ours.numbers[a] for a, _ in candidates}))
        others = word_pairs_by_line(lines_at(other, {theirs.numbers[b] for _, b in candidates}))
        for a, b in candidates:
            both = words.get(ours.numbers[a]), others.get(theirs.numbers[b])
            if a not in near and both[0] and both[1] and likeness(both[0], both[1]) >= LIKE:
                near[a] = b
    grown = _grown(path, ours, other, theirs)
    found = [
        [(ours.numbers[a], theirs.numbers[b]) for a, b in pairs] for pairs in (exact, sorted(near.items()))
    ]
    first = [pairs[0] if pairs else None for pairs in (*found, grown)]
    return Overlap(len(exact), len(near), len(grown), *first)


def grown(path: Path, other: Path) -> list[Pair]:
    """Lines of conversations of both files of which one is the beginning of the other. Raises OSError."""
    return _grown(path, aggregate_of(path, "chat"), other, aggregate_of(other, "chat"))


def _grown(path: Path, ours: Aggregate, other: Path, theirs: Aggregate) -> list[Pair]:
    starts = beginnings.shared(ours.openings, theirs.openings)
    if not starts[0]:
        return []
    here, there = (
        beginnings.prefixes(lines_at(file, {aggregate.numbers[index] for index in found}))
        for file, aggregate, found in zip((path, other), (ours, theirs), starts, strict=True)
    )
    pairs = dict(beginnings.pairs(here, there))
    return sorted({**{a: b for b, a in beginnings.pairs(there, here)}, **pairs}.items())


def _exact(ours: Aggregate, theirs: Aggregate) -> list[Pair]:
    """Pairs of indices of examples with the same content."""
    return sorted(first_equal(ours.contents[::2], theirs.contents[::2]))


def _candidates(ours: Aggregate, theirs: Aggregate, exact: set[int]) -> list[Pair]:
    """Pairs of indices of examples that may be nearly the same, some MAX_PAIRS at most."""
    halves = (first_equal(ours.minhashes[half::2], theirs.minhashes[half::2]) for half in (0, 1))
    pairs = (pair for pair in chain.from_iterable(halves) if pair[0] not in exact)
    return list(dict.fromkeys(islice(pairs, 2 * MAX_PAIRS)))[:MAX_PAIRS]

"""`inspect`: reads a file once, from start to end, hashing and checking it on the way.

Memory doesn't grow with the file: one line is held at a time, and a line has a longest length.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

from ftops.dataset import chat
from ftops.dataset.cache import Cache
from ftops.dataset.inspection import MAX_SHOWN, Finding, Inspection, place
from ftops.dataset.jsonl import DOCUMENT_START, parse, span
from ftops.errors import Diagnostic, Place

MAX_BYTES = 512_000_000
"""The service takes no larger file."""
MAX_LINE = 32 * 1024 * 1024
"""A line that is longer is hashed but not checked."""
MIN_EXAMPLES = 10
"""The service trains on no fewer."""

Check = Callable[[dict[str, object]], Iterator[Finding]]
CHECKS: Mapping[str, Check] = {"chat": chat.check}
"""What an example has to be, by format. In other formats, it only has to be an object."""

_BOM = b"\xef\xbb\xbf"
_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_LINE_END = b"\r\n"


def inspect(path: Path, display: str, *, format: str = "chat", cache: Cache | None = None) -> Inspection:
    """What the file at `path` is, and what is wrong with it. `display` names it in diagnostics.

    Never raises for what a file is or holds.
    """
    try:
        status = path.stat()
        refusal = _refuse(status)
        if refusal:
            return _refused(display, refusal)
        known = cache.get(path, format, status) if cache else None
        return known or _read(path, display, format, cache)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        return _refused(display, _unreadable(error))


def _refuse(status: os.stat_result) -> Finding | None:
    """What can be said of a file without reading it."""
    if stat.S_ISDIR(status.st_mode):
        return Finding("the data is a folder, not a file", hint="Name the JSON Lines file in it.")
    if not stat.S_ISREG(status.st_mode):
        return Finding("the data is not a regular file", hint="Name a file on disk, not a pipe or a device.")
    if status.st_size > MAX_BYTES:
        size = f"{status.st_size / 1e6:,.0f} MB"
        hint = "Remove examples, or train in two steps on two files."
        return Finding(f"the file has {size}, more than 512 MB", "The service takes no larger file.", hint)
    return None


def _refused(display: str, finding: Finding) -> Inspection:
    return Inspection(diagnostics=(_diagnostic(finding, Place(display)),))


def _unreadable(error: OSError | ValueError) -> Finding:
    if isinstance(error, FileNotFoundError):
        return Finding("the file does not exist", hint="Paths are relative to the spec file that names them.")
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return Finding(f"the file can't be read: {reason}", hint="Check the path and its permissions.")


def _read(path: Path, display: str, format: str, cache: Cache | None) -> Inspection:
    started = cache.clock() if cache else 0
    with path.open("rb") as stream:
        before = os.fstat(stream.fileno())
        run = _Run(display, format)
        for number, line in enumerate(_lines(stream, run), start=1):
            run.take(number, line)
        inspection = run.end()
        after = os.fstat(stream.fileno())
    # A file that was written to while it was read is neither its old nor its new self.
    if cache and inspection.is_clean and inspection.bytes == before.st_size == after.st_size:
        cache.put(path, format, before, after, started, inspection)
    return inspection


def _lines(stream: BinaryIO, run: _Run) -> Iterator[bytes | None]:
    """Lines with their ends; None for one that is too long to be held."""
    while line := stream.readline(MAX_LINE):
        run.hash(line)
        if len(line) < MAX_LINE or line.endswith(b"\n"):
            yield line
            continue
        while line and not line.endswith(b"\n"):
            line = stream.readline(MAX_LINE)
            run.hash(line)
        yield None


class _Run:
    """One reading of one file."""

    def __init__(self, display: str, format: str) -> None:
        self.display = display
        self.format = format
        self.check = CHECKS.get(format)
        self.sha = hashlib.sha256()
        self.bytes = 0
        self.examples = 0
        self.found: list[Diagnostic] = []
        self.unshown: Place | None = None
        self.unshown_count = 0
        self.is_lines = True
        """False once it is clear that the file is of another kind, and more findings would be noise."""

    def hash(self, piece: bytes) -> None:
        self.sha.update(piece)
        self.bytes += len(piece)

    def take(self, number: int, raw: bytes | None) -> None:
        """Checks one line."""
        if raw is None:
            self._take_long(number)
            return
        if number == 1:
            raw = self._take_start(raw)
        if not self.is_lines or not raw.strip():
            return
        self.examples += 1
        try:
            line = raw.rstrip(_LINE_END).decode()
        except UnicodeDecodeError as error:
            self._take_undecodable(number, raw, error)
            return
        example = parse(line)
        if isinstance(example, Finding):
            self._add(number, line, example)
            self.is_lines = self.examples > 1 or line.strip() not in DOCUMENT_START
        elif self.check:
            for finding in self.check(example):
                self._add(number, line, finding)

    def end(self) -> Inspection:
        """The result, after the last line."""
        few = self._too_few()
        first = [_diagnostic(few, Place(self.display))] if few else []
        last = [self._and_more(self.unshown)] if self.unshown else []
        digest = f"sha256:{self.sha.hexdigest()}"
        return Inspection(digest, self.bytes, self.examples, (*first, *self.found, *last))

    def _take_start(self, raw: bytes) -> bytes:
        if raw.startswith(_UTF16):
            self.is_lines = False
            finding = Finding("the file is UTF-16, not UTF-8", hint="Save it as UTF-8.")
            self.found.append(_diagnostic(finding, Place(self.display)))
        return raw.removeprefix(_BOM)

    def _take_long(self, number: int) -> None:
        self.examples += 1
        finding = Finding(
            f"a line of more than {MAX_LINE // 1024**2} MiB was not checked",
            hint="Is a line break missing?",
            severity="warning",
        )
        self._show(finding, lambda: Place(self.display, number))

    def _take_undecodable(self, number: int, raw: bytes, error: UnicodeDecodeError) -> None:
        line = raw.rstrip(_LINE_END).decode(errors="replace")
        at = len(raw[: error.start].decode())
        summary = f"the byte 0x{raw[error.start]:02x} is not UTF-8"
        self._add(number, line, Finding(summary, "", "Save the file as UTF-8.", at=at))

    def _add(self, number: int, line: str, finding: Finding) -> None:
        self._show(finding, lambda: _locate(self.display, number, line, finding))

    def _show(self, finding: Finding, where: Callable[[], Place]) -> None:
        """Finding the place costs more than finding the fault, so it is left until it is wanted."""
        if len(self.found) < MAX_SHOWN:
            self.found.append(_diagnostic(finding, where()))
            return
        self.unshown = self.unshown or where()
        self.unshown_count += 1

    def _and_more(self, at: Place) -> Diagnostic:
        count = f"{self.unshown_count:,} more finding{'s' if self.unshown_count > 1 else ''}"
        return Diagnostic(f"{count} in this file from here on", hint="Often they have one cause.", place=at)

    def _too_few(self) -> Finding | None:
        if not self.is_lines:
            return None
        if not self.bytes:
            return Finding("the file is empty", hint="Write one example per line.")
        if not self.examples:
            return Finding("the file holds no examples, only blank lines", hint="Write one example per line.")
        if self.format == "chat" and self.examples < MIN_EXAMPLES:
            summary = f"{self.examples} example{'s' if self.examples > 1 else ''}, fewer than {MIN_EXAMPLES}"
            return Finding(summary, f"The service trains on no fewer than {MIN_EXAMPLES}.", "Add examples.")
        return None


def _locate(display: str, number: int, line: str, finding: Finding) -> Place:
    start, width = (finding.at, 1) if isinstance(finding.at, int) else span(line, finding.at)
    return place(display, number, line, start, width)


def _diagnostic(finding: Finding, at: Place) -> Diagnostic:
    return Diagnostic(finding.summary, finding.detail, finding.hint, at, finding.severity)

"""Journal lines → entries, by the same rule for all backends.

A line is ended by `\\n` and by nothing else: texts may hold whatever else some take for the end of a line.
Whether a line is whole is seen in its bytes, before anything takes them for text.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from ftops.state.file_format import StateCodec, parse_line
from ftops.state.state import Entry

Row = dict[str, Any]


class Damaged(Exception):
    """A journal that isn't what was written. `line` is from 1; 0: an entry is missing, not a line bad."""

    def __init__(self, why: str, line: int = 0) -> None:
        super().__init__(why)
        self.why = why
        self.line = line


def rows(content: bytes, *, may_be_torn: bool) -> Iterator[Row]:
    """What the lines say. Raises Damaged.

    `may_be_torn`: a process may have ended while it wrote the last line. What follows the last `\\n` then
    was never acknowledged, and is left out: how much of it there is makes no difference.
    """
    *lines, rest = content.split(b"\n")
    for number, line in enumerate(lines, 1):
        row = parse_line(line)
        if row is None:
            raise Damaged(
                "a line of it doesn't match its checksum: it was changed after it was written", number
            )
        yield row
    if rest and not may_be_torn:
        raise Damaged("its last line is incomplete", len(lines) + 1)


def entries(found: Iterable[Row], after: int, form: StateCodec, lineage: str, place: str) -> Iterator[Entry]:
    """The entries after a serial, which a snapshot holds already. Raises Damaged where one is missing in
    between, StateError where one can't be read."""
    for row in found:
        serial = row.get("serial", 0)
        if serial <= after:
            continue
        if serial != after + 1:
            raise Damaged(f"entry {after + 1} is missing before entry {serial}")
        yield form.entry(row, lineage, place)
        after = serial

"""Facts of each example: its size, its calls, and the rules that found something in it. Streamed, in order.

Rules about one line are applied to each line of the blocks in which they found anything. Of the rules about
the whole file, repetitions are found exactly; the others are told for the lines that the checks
list, or that are in the largest groups.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from ftops.core.confined_files import opened
from ftops.dataset.checks import chunk
from ftops.dataset.files.jsonl_io import BOM, TOO_LONG, Example, blocks, lines_of, unreadable
from ftops.dataset.profile import example_digest
from ftops.dataset.profile.tokens import calls, counter
from ftops.dataset.rules.findings import Inspection

DUPLICATE, NEAR = "data/duplicate", "data/near-duplicate"
_DIGEST = 16
"""Bytes of the digest of an example in a chunk."""


class Fact(NamedTuple):
    """One line that isn't blank."""

    line: int
    tokens: int | None
    """None if tokens aren't counted, or the line isn't an example."""
    trained: int | None
    """Tokens that are trained on."""
    messages: int
    turns: int
    """User messages."""
    calls: int
    functions: tuple[str, ...]
    """Those that are called, in their order, each once."""
    findings: tuple[str, ...]
    """The rules that found something."""


class Line(NamedTuple):
    """A line with the rules that found something in it."""

    number: int
    raw: bytes
    example: Example | None
    rules: tuple[str, ...]


def facts(path: Path, inspection: Inspection, encoding: str = "") -> Iterator[Fact]:
    """`inspection` is that of the file. Raises UsageError if it can't be read, NoEncoding."""
    count = counter(encoding) if encoding else None
    for line in checked_lines(path, inspection):
        example = line.example or {}
        messages = example_digest.messages(example)
        called = [call.name for message in messages for call in calls(message)]
        parts = [*count.parts(example)] if count and line.example is not None else []
        yield Fact(
            line.number,
            sum(part.tokens for part in parts) if parts else None,
            sum(part.tokens for part in parts if part.trained) if parts else None,
            len(messages),
            sum(message.get("role") == "user" for message in messages),
            len(called),
            tuple(dict.fromkeys(called)),
            line.rules,
        )


def checked_lines(path: Path, inspection: Inspection) -> Iterator[Line]:
    """Every line that isn't blank, with its rules. Raises UsageError if the file can't be read."""
    listed: defaultdict[int, list[str]] = defaultdict(list)
    for finding in inspection.found:
        if finding.line:
            listed[finding.line].append(finding.rule)
    for number in (n for group in inspection.alike if not group.is_same for n in group.lines[1:]):
        listed[number].append(NEAR)
    seen: set[bytes] = set()
    first = 1
    try:
        with opened(path) as stream:
            for block in blocks(stream):
                content = block.removeprefix(BOM) if first == 1 else block
                rules = _rules(content, first, inspection.format or "chat", seen)
                for line in lines_of(content, first):
                    own = rules.get(line.number, ()) if line.raw != TOO_LONG else ()
                    found = (*own, *listed[line.number])
                    yield Line(line.number, line.raw, line.example, tuple(dict.fromkeys(found)))
                first += block.count(b"\n")
    except OSError as error:
        raise unreadable(path, error) from error


def _rules(block: bytes, first: int, format: str, seen: set[bytes]) -> Mapping[int, list[str]]:
    """Line → rules, where any found something. `seen` has the digests of earlier examples."""
    checked = chunk.read(block, format)
    found: defaultdict[int, list[str]] = defaultdict(list)
    if checked.counts:
        lines = [(number, raw) for number, raw in enumerate(block.split(b"\n"), first) if raw.strip()]
        for number, raw in lines:
            found[number] += (chunk.read(raw, format) if len(lines) > 1 else checked).counts
    numbers = memoryview(checked.numbers).cast("I")
    for index, number in enumerate(numbers):
        digest = checked.contents[index * _DIGEST : (index + 1) * _DIGEST]
        if digest in seen:
            found[first + number - 1].append(DUPLICATE)
        seen.add(digest)
    return found

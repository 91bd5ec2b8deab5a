"""Report of a file: its inspection, its measurements, and a few of its examples. Streamed; memory is bounded.

The file is read once by all processors, for the checks and the measurements, and once more for the examples.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from msgspec import Struct

from ftops import dataset
from ftops.core.errors import FtopsError
from ftops.dataset.checks import checker
from ftops.dataset.files.jsonl_io import Example, parse
from ftops.dataset.profile import diff, example_digest
from ftops.dataset.profile.details import Details
from ftops.dataset.profile.diff import Pairs
from ftops.dataset.profile.one_pass import inspect_and_measure
from ftops.dataset.profile.profiler import Measured, Measurement, excerpt, measure
from ftops.dataset.profile.statistics import Statistics, statistics
from ftops.dataset.rules.catalogue import GRADES, grade_of
from ftops.dataset.rules.findings import Inspection, Overlap
from ftops.dataset.transforms.clean import mended

MAX_WORST = 8
LONGEST = 2
FAR = 2
"""The longest examples are shown if they have so many times the usual tokens."""
MAX_RANDOM = 5
MAX_PAIRS = 10
"""Pairs of examples in both files that are listed."""
SEED = 1


class Picked(NamedTuple):
    """One example that is shown, and why."""

    line: int
    why: str
    example: Example | None
    """None if the line is no object, or is too long to be shown."""
    text: str
    """The beginning of the line."""


class Shared(Struct, frozen=True):
    """What a file has in common with the validation file."""

    name: str
    overlap: Overlap
    pairs: Pairs
    """(in the file, in the validation file): the same example, or the same prompt."""
    excerpts: Mapping[int, str]


class FileReport(Struct, frozen=True):
    """All that is known of one file."""

    name: str
    inspection: Inspection
    measured: Measured
    statistics: Statistics
    details: Details
    lengths: Mapping[int, int]
    """Tokens → the number of examples that have so many."""
    worst: tuple[Picked, ...]
    random: tuple[Picked, ...]
    excerpts: Mapping[int, str]
    """Of the lines in groups of examples that are alike."""
    mended: tuple[str, ...] = ()
    """Rules whose findings `clean` removes."""
    shared: Shared | None = None


def gather(
    path: Path,
    name: str,
    encoding: str,
    limit: int | None,
    *,
    format: str = "",
    valid: tuple[Path, str] | None = None,
    is_compared: bool = False,
    seed: int = SEED,
    grades: Mapping[str, str] = dataset.NO_SETTINGS,
    cache: dataset.Cache | None = None,
) -> FileReport:
    """`limit`: the most tokens of one example that the model takes. `valid`: a file, and its name.
    `is_compared`: with another version. `grades`: as they are set for rules. Raises FtopsError if a file
    can't be read, NoEncoding."""
    what = Measurement(encoding, is_detailed=True, is_comparable=is_compared or valid is not None)
    inspection, measured = inspect_and_measure(path, what, format=format, cache=cache)
    if measured is None:
        raise _unreadable(inspection, name)
    found = statistics(measured, limit)
    shared = _shared(path, valid, inspection.format, measured) if valid else None
    reasons = dict(_worst(inspection, found, grades))
    chosen = _random([row.line for row in example_digest.rows(measured.rows)], seed)
    groups = {group.lines[0] for group in inspection.alike}
    in_both = {row.line for row, _ in shared.pairs} if shared else set[int]()
    texts = dict(checker.lines_at(path, {*reasons, *chosen, *groups, *in_both}))
    return FileReport(
        name,
        inspection,
        measured,
        found,
        measured.details or Details(),
        Counter(row.tokens for row in example_digest.rows(measured.rows)),
        tuple(_picked(line, why, texts) for line, why in reasons.items()),
        tuple(_picked(line, "", texts) for line in chosen),
        _excerpts(texts, groups),
        mended(path, inspection),
        Shared(shared.name, shared.overlap, shared.pairs, _excerpts(texts, in_both)) if shared else None,
    )


def _unreadable(inspection: Inspection, name: str) -> FtopsError:
    """Why the content of a file can't be read at all."""
    found = next(inspection.diagnostics(name))
    return FtopsError(found.summary, found.detail, found.hint, found.place)


def _shared(path: Path, valid: tuple[Path, str], format: str, measured: Measured) -> Shared:
    other, name = valid
    inspection = dataset.inspect(other, format=format)
    if not inspection.digest:
        raise _unreadable(inspection, name)
    pairs = diff.overlap(measured, measure(other))[:MAX_PAIRS]
    return Shared(name, checker.overlap(path, other, format), pairs, {})


def _worst(inspection: Inspection, found: Statistics, grades: Mapping[str, str]) -> Iterator[tuple[int, str]]:
    """(line, why): the first line of each rule, errors before warnings; then the longest examples."""
    by_rule = {f.rule: f for f in reversed(inspection.found) if f.line}
    lines: dict[int, str] = {}
    for grade in GRADES[:2]:
        for rule, first in by_rule.items():
            if grade_of(rule, grades) == grade and len(lines) < MAX_WORST:
                summary = f"{first.summary} {first.other}" if first.other else first.summary
                lines.setdefault(first.line, f"{rule}: {summary}")
    longest = [one for one in found.longest[:LONGEST] if one[1] > FAR * found.length.median]
    for line, tokens in longest:
        lines.setdefault(line, f"one of the longest: {tokens:,} tokens")
    yield from lines.items()


def _random(lines: list[int], seed: int) -> list[int]:
    return sorted(random.Random(seed).sample(lines, min(MAX_RANDOM, len(lines))))  # noqa: S311 - no secret


def _picked(line: int, why: str, texts: Mapping[int, str]) -> Picked:
    text = texts.get(line, "")
    return Picked(line, why, parse(text.encode("utf-8", "replace")), text)


def _excerpts(texts: Mapping[int, str], lines: Collection[int]) -> dict[int, str]:
    examples = {line: parse(texts.get(line, "").encode("utf-8", "replace")) for line in lines}
    return {line: excerpt(example) for line, example in examples.items() if example is not None}

"""Training data as JSON Lines: what a file is (digests, size, examples) and what is wrong with it.

A library of its own: it knows files and formats, but no specs, plans or services. For an unchanged file, the
inspection comes from the cache, and nothing that checks is imported.
"""

from __future__ import annotations

from pathlib import Path

from ftops.dataset.checks.inspection_cache import Cache
from ftops.dataset.rules.catalogue import RULES, grade_of
from ftops.dataset.rules.findings import NO_SETTINGS, Inspection, Overlap, Unreadable, Where

__all__ = [
    "FORMATS",
    "NO_SETTINGS",
    "RULES",
    "Cache",
    "Inspection",
    "Overlap",
    "Unreadable",
    "Where",
    "grade_of",
    "inspect",
    "is_pattern",
]

FORMATS = ("chat", "preference", "reinforcement")


def inspect(path: Path, *, format: str = "", cache: Cache | None = None, processes: int = 0) -> Inspection:
    """Reads and checks a file. `format`: if empty, it is detected from the examples. Never raises for what a
    file is or contains."""
    if cache is not None:
        try:
            known = cache.get(path, format, path.stat())
        except (OSError, ValueError):
            known = None  # reading the file says why
        if known is not None:
            return known
    from ftops.dataset.checks import block_check, checker

    how = block_check.How(processes=processes)
    return checker.read(path, format=format, cache=cache, how=how)


def is_pattern(path: str) -> bool:
    """Whether a path may name several files: `data/*.jsonl`."""
    return any(mark in path for mark in "*?[")

"""Training data as JSON Lines: what a file is (digests, size, examples) and what is wrong with it.

A library of its own: it knows files and formats, and neither specs nor plans nor services. What is known of
an unchanged file is told without importing anything that checks.
"""

from __future__ import annotations

from pathlib import Path

from ftops.dataset.checks.inspection_cache import Cache
from ftops.dataset.rules.catalogue import RULES, grade_of
from ftops.dataset.rules.findings import NO_SETTINGS, Finding, Inspection, Overlap, Unreadable, Where

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
    "refused",
]

FORMATS = ("chat", "preference", "reinforcement")
"""What an example may look like."""


def inspect(path: Path, *, format: str = "", cache: Cache | None = None, processes: int = 0) -> Inspection:
    """What the file at `path` is, and what is wrong with it; `format` is told from the examples where it
    isn't declared. Never raises for what a file is or holds."""
    if cache is not None:
        try:
            known = cache.get(path, format, path.stat())
        except (OSError, ValueError):
            known = None  # reading it says why
        if known is not None:
            return known
    from ftops.dataset.checks import checker

    return checker.read(path, format=format, cache=cache, processes=processes)


def refused(finding: Finding) -> Inspection:
    """Of data that could not be had."""
    from ftops.dataset.checks import checker

    return checker.refused(finding)


def is_pattern(path: str) -> bool:
    """Whether a path may name several files: `data/*.jsonl`."""
    return any(mark in path for mark in "*?[")

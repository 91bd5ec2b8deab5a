"""Data files that are made of others, joined or transformed, in `.ftops/data` of a project. They are named
after what they are made of, may be lost at any time, and are made again where they are needed."""

from __future__ import annotations

import time
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

from ftops.project import DATA

SUFFIX = ".jsonl"
KEPT = 20
"""Files that are kept in any case, the newest."""
DAYS = 7
"""Older ones are kept for so long: another run may be about to upload them."""


def made_file(project: Path, key: str) -> Path:
    """Where the file is that is made of what `key` is a digest of."""
    return project / DATA / f"{key[:32]}{SUFFIX}"


def tidy(project: Path, used: Collection[Path]) -> None:
    """Removes old files that are not among those used. What can't be removed stays."""
    with suppress(OSError):
        found = [(file.stat().st_mtime, file) for file in (project / DATA).glob(f"*{SUFFIX}")]
        limit = time.time() - DAYS * 86_400
        for made, file in sorted(found)[:-KEPT]:
            if made < limit and file not in used:
                file.unlink(missing_ok=True)

"""Places of trackers in the current folder. A checkout may have put a link there: it isn't followed out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from ftops.core.confined_files import ALLOW, leads_out
from ftops.core.errors import FtopsError

_LEVELS = 2
"""Of folders that are searched for links: those of projects, experiments and runs."""


def refuse_links(places: Iterable[Path], root: Path) -> None:
    """Raises FtopsError if one of these files and folders within `root`, or something in it, is a link out of
    `root`: what is logged would be written there."""
    for place in places:
        for path in _within(root / place, _LEVELS):
            if leads_out(path, root):
                raise FtopsError(
                    f"{path} leads out of the folder, to {path.resolve()}",
                    "a link in the current folder may belong to others, and runs would be written there.",
                    f"remove the link; or, if you trust it, name the folder that it leads to: {ALLOW}=…",
                )


def _within(path: Path, levels: int) -> Iterator[Path]:
    yield path
    if levels and path.is_dir() and not path.is_symlink():
        for entry in path.iterdir():
            yield from _within(entry, levels - 1)

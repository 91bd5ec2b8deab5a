"""Missing data files: the file that a path in a spec probably means."""

from __future__ import annotations

import re
from itertools import islice
from pathlib import Path

from ftops.core.suggestions import nearest
from ftops.dataset import is_pattern

_MOST = 1000
"""Files of a folder that are looked at."""
_URL = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]+):/+")
_DRIVE = re.compile(r"[A-Za-z]:[\\/]")


def meant_instead(path: str, folder: Path) -> str:
    """A hint about a path that isn't a file; empty if nothing better is known than to correct it. `folder`:
    that of the spec. Reads names in folders of the project, and raises nothing."""
    if found := _URL.match(path):
        is_web = found["scheme"].lower() in ("http", "https")
        return "Set `url` in place of `path`, or download the file." if is_web else "Download the file first."
    if path.startswith("~"):
        return "`~` isn't expanded here: write the path relative to the spec file."
    if _DRIVE.match(path):
        return "Move the file into the folder of the spec, and write its path relative to the spec file."
    if "\\" in path:
        return f"Write `{path.replace(chr(92), '/')}`: paths of a spec have `/` on every system."
    if not path.isprintable():
        return "In double quotes, a backslash starts an escape sequence: write `/`, as on every system."
    if is_pattern(path):
        return ""
    try:
        found_file = _nearby(Path(path), folder)
    except (OSError, ValueError):
        return ""
    return f"Did you mean `{found_file}`?" if found_file else ""


def _nearby(path: Path, folder: Path) -> str:
    """A file of nearly this name in the same folder; else one of this name in another; else those in it."""
    whole = folder / path
    if whole.is_dir():
        return (path / "*.jsonl").as_posix() if any(islice(whole.glob("*.jsonl"), 1)) else ""
    if path.is_absolute() or ".." in path.parts:
        return ""
    siblings = _names(whole.parent)
    # Without their suffixes: these alone would make `train.jsonl` and `valid.jsonl` near.
    stems = {Path(one).stem: one for one in siblings if (whole.parent / one).is_file()}
    if stem := nearest(path.stem, stems):
        return (path.parent / stems[stem]).as_posix()
    above = path.parent if siblings else Path()
    inner = (above / name / path.name for name in _names(folder / above))
    return next((one.as_posix() for one in inner if (folder / one).is_file()), "")


def _names(folder: Path) -> list[str]:
    """The names in a folder, without hidden ones."""
    if not folder.is_dir():
        return []
    return sorted(one.name for one in islice(folder.iterdir(), _MOST) if not one.name.startswith("."))

"""The quickstart as a project of its own: what a checkout's `state/` and `.ftops/` hold is its user's."""

from __future__ import annotations

import shutil
from pathlib import Path

SOURCE = Path(__file__).parents[2] / "specs" / "quickstart"


def quickstart(folder: Path) -> Path:
    """A copy below a folder outside of the checkout."""
    return shutil.copytree(SOURCE, folder / "quickstart")

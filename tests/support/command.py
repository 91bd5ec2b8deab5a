"""The real command, in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ftops.core.confined_files import ALLOW

ROOT = Path(__file__).parent.parent.parent
FTOPS = (sys.executable, "-m", "ftops")
_POINTING_ELSEWHERE = ("AZURE_", "OPENAI_", "FTOPS_")
_LOOKS = ("CI", "NO_COLOR", "FORCE_COLOR", "TERM", "PYTHONUNBUFFERED")


def environment(more: Mapping[str, str] | None = None) -> dict[str, str]:
    """Of this process, without what would change the looks or point elsewhere."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if name == ALLOW or not (name.startswith(_POINTING_ELSEWHERE) or name in _LOOKS)
    }
    return {**kept, "PYTHONPATH": str(ROOT), **(more or {})}


def run(
    command: Sequence[str], folder: Path, environ: Mapping[str, str] | None = None, **more: Any
) -> subprocess.CompletedProcess[str]:
    """What a command came to, in a folder. One that takes five minutes hangs."""
    return subprocess.run(
        command,
        cwd=folder,
        env=environment(environ),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        **more,
    )

"""The command line, in a process of its own or in this one."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ftops.core.confined_files import ALLOW
from tests.support import forked

ROOT = Path(__file__).parent.parent.parent
FTOPS = (sys.executable, "-m", "ftops")
_SERVICES = ("AZURE_", "OPENAI_", "FTOPS_")
_OUTPUT = ("CI", "NO_COLOR", "FORCE_COLOR", "TERM", "PYTHONUNBUFFERED")


def environment(more: Mapping[str, str] | None = None) -> dict[str, str]:
    """That of this process, without variables that change the output or name other services."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if name == ALLOW or not (name.startswith(_SERVICES) or name in _OUTPUT)
    }
    return {**kept, "PYTHONPATH": str(ROOT), **(more or {})}


def run(
    command: Sequence[str], folder: Path, environ: Mapping[str, str] | None = None, **more: Any
) -> subprocess.CompletedProcess[str]:
    """Runs a command in a folder. A command that takes five minutes hangs. What can be forked is."""
    forks = forked.knows(command, environ or {}) and "preexec_fn" not in more
    start = forked.Popen if forks else subprocess.Popen
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with start(command, cwd=folder, env=environment(environ), text=True, **{**pipes, **more}) as process:
        try:
            out, err = process.communicate(timeout=300)
        except BaseException:
            process.kill()
            raise
    return subprocess.CompletedProcess(command, process.returncode, out, err)


def in_process(
    folder: Path, *words: str, environ: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Runs ftops in a folder, in this process: a new one needs up to a second to import everything."""
    from tests.golden.cli import Folder  # which imports this module

    done = Folder(folder).run(*words, environ=environ)
    return subprocess.CompletedProcess(words, done.code, done.out, done.err)


def ftops(
    folder: Path, *words: str, code: int = 0, environ: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """The same. Fails, with all that was printed, if the exit code is another one."""
    done = in_process(folder, *words, environ=environ)
    assert done.returncode == code, f"{done.returncode}\n{done.stdout}\n{done.stderr}"
    assert "Traceback" not in done.stderr
    return done


def quickstart(folder: Path) -> Path:
    """A copy of the quickstart in a folder outside of the checkout, so with a state of its own."""
    return shutil.copytree(ROOT / "specs" / "quickstart", folder / "quickstart")

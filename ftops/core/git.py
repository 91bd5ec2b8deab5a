"""Git: reads of the repository of a project, in which nothing that it configures is run."""

from __future__ import annotations

import os
import subprocess
import threading
from pathlib import Path

MOST_BYTES = 64 * 1024 * 1024
"""More isn't read."""
_SECONDS = 10
_SAFE = (
    "--no-pager",
    "--literal-pathspecs",
    *("-c", "safe.bareRepository=explicit"),
    *("-c", "log.showSignature=false"),
    *("-c", "core.fsmonitor=false"),
    *("-c", f"core.hooksPath={os.devnull}"),
)
PLAIN_LOG = ("--format=%H", "--no-ext-diff", "--no-textconv")
_ENVIRONMENT = {
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_ALLOW_PROTOCOL": "",
    "GIT_NO_REPLACE_OBJECTS": "1",
}
"""Nothing that is missing in a partial clone is fetched: the repository itself would name the address.
No replacement is read for an object of a revision."""


def git(project: Path, *arguments: str) -> bytes | None:
    """The output of git in the project's root; None if it fails, isn't installed, takes too long or prints
    too much. Programs that the repository configures are not run."""
    try:
        process = subprocess.Popen(
            ["git", "-C", str(project), *_SAFE, *arguments],
            env={**os.environ, **_ENVIRONMENT},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
    except OSError:
        return None
    timeout = threading.Timer(_SECONDS, process.kill)
    timeout.start()
    with process:
        assert process.stdout is not None  # noqa: S101 - it is a pipe
        output = process.stdout.read(MOST_BYTES + 1)
        timeout.cancel()
        if len(output) > MOST_BYTES:
            process.kill()
            return None
    return output if process.returncode == 0 else None

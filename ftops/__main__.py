"""The entry point. Asked for its version, ftops answers before it imports anything."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from ftops import __version__

_TEXT = (("version",), ("--version",), ("-V",))
_JSON = (("version", "-o", "json"), ("version", "-ojson"), ("version", "--output", "json"))
INTERRUPTED = 130


def main() -> int:
    """The exit code of the command line in `sys.argv`."""
    arguments = sys.argv[1:]
    answer = version_answer(arguments)
    if answer is not None and sys.stdout is not None:
        return _say(answer)
    from ftops.cli.main import run

    code = run(arguments)
    if code == INTERRUPTED:
        # Workers may hang in calls that nobody waits for any more; all that matters is on disk.
        os._exit(code)
    return code


def version_answer(arguments: Sequence[str]) -> str | None:
    """The answer to the plain forms of `ftops version`; None for every other command line."""
    if tuple(arguments) in _TEXT:
        return f"ftops {__version__}\n"
    if tuple(arguments) in _JSON:
        return f'{{\n  "format_version": 1,\n  "version": "{__version__}"\n}}\n'
    return None


def _say(answer: str) -> int:
    try:
        sys.stdout.write(answer)
        sys.stdout.flush()
    except OSError:
        os._exit(1)  # nobody is there to read it, nor what Python would say about that at its end
    return 0


if __name__ == "__main__":
    sys.exit(main())

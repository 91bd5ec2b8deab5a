"""The entry point. Asked for its version, ftops answers before it imports anything."""

from __future__ import annotations

import sys

if __name__ == "__main__" and not sys.flags.safe_path:
    sys.path.pop(0)  # of python -m: the current folder, whose modules would go before those of Python

import gc
import os
from collections.abc import Sequence

from ftops import __version__

INTERRUPTED = 130
_OBJECTS = 200_000
"""New objects between two searches for garbage. A run creates many and drops few: with Python's 700, the
searches take a sixth of the time of a plan."""
_SOON = 0.05
"""Seconds after which a callback has ended."""
_TEXT = (("version",), ("--version",), ("-V",))
_JSON = (("version", "-o", "json"), ("version", "-ojson"), ("version", "--output", "json"))


def main() -> int:
    """The exit code of the command line in `sys.argv`."""
    arguments = sys.argv[1:]
    answer = version_answer(arguments)
    if answer is not None and sys.stdout is not None:
        return _say(answer)
    gc.set_threshold(_OBJECTS)
    sys.unraisablehook = _unraisable
    try:
        from ftops.cli.main import run

        code = run(arguments)
    except KeyboardInterrupt:  # before the command line could take it
        code = INTERRUPTED
    _flush()
    # All that matters is on disk. Workers may hang in calls that nobody waits for any more, and taking
    # apart what the kernel frees at once takes time.
    os._exit(code)


def _unraisable(found: sys.UnraisableHookArgs) -> None:
    """Python drops exceptions of callbacks, such as those of weak references. An interrupt that comes while
    one runs is delivered again, when it has ended."""
    if issubclass(found.exc_type, KeyboardInterrupt):
        import signal
        from threading import Timer, main_thread

        Timer(_SOON, signal.pthread_kill, (main_thread().ident, signal.SIGINT)).start()
    else:
        sys.__unraisablehook__(found)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:
                stream.flush()
        except (OSError, ValueError):
            continue  # nobody is there to read it any more


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

"""Validator: a program of the user that checks calls, with JSON lines on its input and output.

    in   {"prompt": "Land!", "function": "land_drone", "arguments": {}}
    out  {"ok": true}   or   {"ok": false, "reason": "there is nowhere to land"}

It is only started if the user allows it on the command line: a checkout never runs code by itself.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from ftops.core.errors import FtopsError
from ftops.core.snippets import command
from ftops.dataset.files.jsonl_io import dump, parse
from ftops.generation.items import Item

_ENVIRONMENT = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "VIRTUAL_ENV")
"""What it gets to see: no keys."""


def validate(words: Sequence[str], seconds: float, folder: Path, items: Sequence[Item]) -> list[str]:
    """What is wrong with each item; empty if nothing is. Raises FtopsError if the program fails."""
    sent = b"".join(dump(_asked(item)) + b"\n" for item in items)
    replied = _run(words, seconds, folder, sent).splitlines()
    if len(replied) != len(items):
        detail = f"It replied with {len(replied):,} lines to {len(items):,}."
        raise _failed(words, detail)
    return [_fault(words, number, parse(line)) for number, line in enumerate(replied, 1)]


def _asked(item: Item) -> dict[str, Any]:
    function, arguments = (item.target.function, item.target.arguments) if item.target else (None, None)
    return {"prompt": item.prompt, "function": function, "arguments": arguments}


def _fault(words: Sequence[str], number: int, reply: Any) -> str:
    if not isinstance(reply, dict) or not isinstance(reply.get("ok"), bool):
        raise _failed(words, f'Line {number:,} of its output isn\'t {{"ok": true}} or {{"ok": false}}.')
    return "" if reply["ok"] else str(reply.get("reason") or "refused")[:200]


def _run(words: Sequence[str], seconds: float, folder: Path, sent: bytes) -> bytes:
    environ = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
    try:
        process = subprocess.Popen(
            list(words),
            cwd=folder,
            env=environ,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
    except OSError as error:
        raise _failed(words, f"{error.strerror or error}.") from error
    except ValueError as error:  # a word with a NUL
        raise _failed(words, f"{error}.") from error
    with process:
        try:
            out, err = process.communicate(sent, seconds)
        except subprocess.TimeoutExpired as error:
            raise _failed(words, f"It took more than {seconds:g} seconds, and was ended.") from error
        finally:
            with suppress(ProcessLookupError):  # what it started, too
                os.killpg(process.pid, signal.SIGKILL)
    if process.returncode:
        said = err.decode("utf-8", "replace").strip().splitlines()
        raise _failed(words, f"It exited with {process.returncode}. {said[-1][:200] if said else ''}".strip())
    return out


def _failed(words: Sequence[str], detail: str) -> FtopsError:
    hint = "correct it, or remove `verify.validator`; nothing was written"
    return FtopsError(f"the validator failed: {command(*words)}", detail, hint)

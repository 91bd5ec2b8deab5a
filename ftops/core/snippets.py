"""What hints give you to paste: commands for a shell, and words for a spec.

A command stands between backticks, which keep it in one line wherever text is wrapped.
"""

from __future__ import annotations

import re
import shlex

_PLAIN = re.compile(r"[A-Za-z][\w./-]*\Z", re.ASCII)


def command(*words: object) -> str:
    """A command line as a shell takes it: `ftops state show 'job.a["fr"]'`."""
    return f"`{shlex.join(map(str, words))}`"


def in_spec(text: object) -> str:
    """A text as it stands inside of brackets of YAML: with quotes where it needs them."""
    word = str(text)
    return word if _PLAIN.match(word) else "'" + word.replace("'", "''") + "'"


def moved_block(source: object, target: object) -> str:
    """What says in a spec that a resource has another address."""
    return f"`moved: [{{from: {in_spec(source)}, to: {in_spec(target)}}}]`"


def import_block(address: object, remote_id: str) -> str:
    """What takes an object that exists into a spec."""
    return f"`import: [{{to: {in_spec(address)}, id: {in_spec(remote_id)}}}]`"

"""Snippets: commands and parts of a spec in hints, ready to paste.

Backticks around a command keep it on one line where text is wrapped.
"""

from __future__ import annotations

import re
import shlex

_PLAIN = re.compile(r"[A-Za-z][\w./-]*\Z", re.ASCII)


def command(*words: object) -> str:
    """A command line, quoted for a shell: `ftops state show 'job.a["fr"]'`."""
    return f"`{shlex.join(map(str, words))}`"


def in_spec(text: object) -> str:
    """A text within a flow collection of YAML, quoted if needed."""
    word = str(text)
    return word if _PLAIN.match(word) else "'" + word.replace("'", "''") + "'"


def moved_block(source: object, target: object) -> str:
    """The part of a spec that gives a resource another address."""
    return f"`moved: [{{from: {in_spec(source)}, to: {in_spec(target)}}}]`"


def import_block(address: object, remote_id: str) -> str:
    """The part of a spec that imports an existing object."""
    return f"`import: [{{to: {in_spec(address)}, id: {in_spec(remote_id)}}}]`"

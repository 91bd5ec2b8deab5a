"""Hints: completes commands in hints with the spec and options of the command line."""

from __future__ import annotations

import re
from collections.abc import Sequence

from msgspec.structs import replace

from ftops.core.confined_files import ALLOW, ALLOW_HINT
from ftops.core.errors import Diagnostic

_ONE = r"(?:'[^'`]*'|[^\s'`-][^\s'`]*)"
_COMMAND = (
    r"`ftops (?:apply|destroy|drift|plan|validate|show|audit|graph"
    rf"|state (?:history|list|migrate|pull|(?:push|restore|show) {_ONE}|replace-provider {_ONE} {_ONE}))"
    r"(?: -(?!-help)[a-z-]+)*(?=`| > )"
)
"""A command that names no spec, and takes one after its other words. What names a spec has a word more."""
_NOT_OUTSIDE = (
    f"Move it into the project: with --untrusted nothing else is read, regardless of {ALLOW}. If the spec is "
    f"yours, remove --untrusted and set the folder that it is in: {ALLOW}=…"
)


def fitted(
    diagnostics: Sequence[Diagnostic], words: Sequence[str], *, is_untrusted: bool
) -> list[Diagnostic]:
    """The same; commands in hints are for the spec of these words, and propose nothing that would have no
    effect."""
    added = "".join(f" {word}" for word in words)
    made = []
    for diagnostic in diagnostics:
        hint = diagnostic.hint
        if is_untrusted:
            hint = hint.replace(ALLOW_HINT, _NOT_OUTSIDE)
        if added and "`ftops " in hint:
            hint = re.sub(_COMMAND, lambda found: found[0] + added, hint)
        made.append(diagnostic if hint == diagnostic.hint else replace(diagnostic, hint=hint))
    return made

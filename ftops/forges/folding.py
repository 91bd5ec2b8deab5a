"""Folding: how a comment is collapsed where the service can't do it: its text is folded, with other words in
its first line instead of the marker."""

from __future__ import annotations

from ftops.forges.service import Comment

_OUTDATED = "<!-- ftops:outdated -->"
ROOM = 200
"""Bytes that this adds at most."""


def folded(comment: Comment) -> str:
    """The new text of an outdated comment."""
    _, _, text = comment.body.partition("\n")
    return f"{_OUTDATED}\n<details><summary>Outdated: see the newer comment</summary>\n\n{text}\n\n</details>"


def is_folded(comment: Comment) -> bool:
    return comment.body.startswith(_OUTDATED)

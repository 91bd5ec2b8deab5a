"""Cached answers, as text and JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ftops.core.address import Json
from ftops.views.paint import Painter
from ftops.views.table import draw_table
from ftops.views.values import size

if TYPE_CHECKING:
    from ftops.evaluation.answer_archive import ModelAnswers

_SHOWN = ("account", "model", "count", "size", "oldest", "newest")


def draw_answers(
    found: Sequence[ModelAnswers], paint: Painter, columns: int | None, nothing: str = "No cached answers."
) -> list[str]:
    """A model a line, aligned."""
    if not found:
        return [nothing]
    rows = [("MODEL", "ANSWERS", "SIZE", "OLDEST", "NEWEST", "ACCOUNT")]
    rows += [
        (a.model or "(unknown)", f"{a.count:,}", size(a.size), a.oldest[:10], a.newest[:10], a.account)
        for a in found
    ]
    return draw_table(rows, paint, columns, right=(1, 2))


def answers_to_json(found: Sequence[ModelAnswers]) -> dict[str, Json]:
    """The document of `answers list -o json`."""
    return {"models": [{name: getattr(answers, name) for name in _SHOWN} for answers in found]}

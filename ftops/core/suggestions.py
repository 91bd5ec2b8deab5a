"""Suggestions: the known word that is nearest to an unknown one, and the first of many."""

from __future__ import annotations

from collections.abc import Iterable

ENOUGH = 50
"""Number of findings after which no more suggestions are computed."""


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The nearest known word, or None if none is near."""
    from difflib import get_close_matches  # only imported if there is an error

    folded = {k.lower().replace("-", "_"): k for k in sorted(known, reverse=True)}
    found = get_close_matches(word.lower().replace("-", "_"), folded, n=1, cutoff=0.6)
    longer = [k for k in folded if len(word) > 2 and k.startswith(word.lower())]
    return folded[found[0]] if found else folded[longer[0]] if len(longer) == 1 else None


def did_you_mean(
    word: str, known: Iterable[str], *, nothing: str = "", limit: int = 12, said: int = 0
) -> str:
    """A hint: the nearest word, else all of them; `nothing` if there are none.

    It takes a pass over all words, so it is left out if there are many findings (`said`).
    """
    words = sorted(set(known)) if said < ENOUGH else []
    if not words:
        return nothing
    near = nearest(word, words)
    if near is not None:
        return f"Did you mean `{near}`?"
    return f"Known here: {some((f'`{w}`' for w in words), limit)}."


def some(names: Iterable[object], limit: int = 3) -> str:
    """`job.a, job.b and 4 more`."""
    known = list(dict.fromkeys(map(str, names)))
    shown = ", ".join(known[:limit])
    return f"{shown} and {len(known) - limit} more" if len(known) > limit else shown

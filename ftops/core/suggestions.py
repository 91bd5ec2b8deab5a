"""Suggestions: the known word that is nearest to an unknown one, and the first of many."""

from __future__ import annotations

import re
from collections.abc import Iterable
from unicodedata import normalize

ENOUGH = 50
"""Number of findings after which no more suggestions are computed."""

CURLY_QUOTES = "“”„‘’«»"
"""Those of prose. In YAML and shells they are letters like others."""
STRAIGHT_QUOTES = "Write straight quotes (\" or '), or none."

_FEW = 4
"""So many words that begin alike are all suggested."""
_SHORT = 4
"""In words of so many characters, one other character is a larger part."""
_NAME_IN_KEY = r'(?<=["[,])[^",=[\]]+='
"""In the key of a matrix: the name of a value."""


def with_short_key(address: str) -> str:
    """Without the names in the key of a matrix: `job.tone["rate=0.5,epochs=2"]` is `job.tone["0.5,2"]`."""
    return re.sub(_NAME_IN_KEY, "", address)


def spelled_out(address: str, known: Iterable[str]) -> str | None:
    """The known address of which this is the short form; None unless there is exactly one."""
    meant = [one for one in known if "[" in address and with_short_key(one) == address]
    return meant[0] if len(meant) == 1 else None


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The nearest known word, or None if none is near."""
    from difflib import get_close_matches  # only imported if there is an error

    known = [*known]
    if whole := spelled_out(word, known):
        return whole
    folded = {k.lower().replace("-", "_"): k for k in sorted(known, reverse=True)}
    cutoff = 0.6 if len(word) <= _SHORT else 0.7
    found = get_close_matches(word.lower().replace("-", "_"), folded, n=1, cutoff=cutoff)
    begin = [k for k in folded if min(len(word), len(k)) > 2 and _is_beginning(word.lower(), k)]
    return folded[found[0]] if found else folded[begin[0]] if len(begin) == 1 else None


def _is_beginning(one: str, other: str) -> bool:
    return one.startswith(other) or other.startswith(one)


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
    longer = [f"`{w}`" for w in words if len(word) > 2 and w.lower().startswith(word.lower())]
    if 1 < len(longer) <= _FEW:
        return f"Did you mean {', '.join(longer[:-1])} or {longer[-1]}?"
    ending = [w for w in words if len(word) > 2 and w.lower().endswith(f"_{word.lower()}")]
    if len(ending) == 1:
        return f"Did you mean `{ending[0]}`?"
    if longer:
        return f"These begin like it: {some(longer, limit)}."
    return f"Known here: {some((f'`{w}`' for w in words), limit)}."


def some(names: Iterable[object], limit: int = 3) -> str:
    """`job.a, job.b and 4 more`."""
    known = list(dict.fromkeys(map(str, names)))
    shown = ", ".join(known[:limit])
    return f"{shown} and {len(known) - limit} more" if len(known) > limit else shown


def unaccented(text: str) -> str:
    """The ASCII letters of a text, without their accents, and its other ASCII characters."""
    return normalize("NFKD", text).encode("ascii", "ignore").decode()

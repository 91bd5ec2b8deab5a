"""Tokens of texts, and their probabilities where a rule writes the text."""

from __future__ import annotations

import re
from math import inf
from typing import NamedTuple

_PIECE = re.compile(r"\s*(?:\w+|[^\w\s])")


class Token(NamedTuple):
    """A word with the space before it. ``others`` are the likeliest words at its place, best first."""

    text: str
    logprob: float
    others: tuple[tuple[str, float], ...] = ()


def pieces(text: str) -> list[str]:
    """The tokens of a text, which together are the text."""
    found = _PIECE.findall(text)
    rest = text[sum(map(len, found)) :]
    return [*found[:-1], found[-1] + rest] if found else [text] if text else []


def of_rule(text: str, usual: str, count: int) -> list[Token]:
    """Of a text, if a rule always writes the text ``usual``."""
    expected, tokens, follows = pieces(usual), [], True
    for index, piece in enumerate(pieces(text)):
        rule = expected[index] if follows and index < len(expected) else ""
        follows = rule.strip() == piece.strip()
        others = ((rule, 0.0),) if rule and count else ()
        tokens.append(Token(piece, 0.0 if follows else -inf, others))
    return tokens

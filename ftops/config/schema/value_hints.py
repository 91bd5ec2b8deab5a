"""Value hints: what a text that a field doesn't take probably means, and how to write that. Pure.

`accepts` says whether the field takes a text, written without quotes.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from ftops.core.suggestions import CURLY_QUOTES, STRAIGHT_QUOTES, unaccented

Accepts = Callable[[str], bool]

_EXPRESSION = re.compile(
    r"(?:\{\{\s*|\$+\(?)?((?:var|env|each|job|dataset|deployment|evaluation)\.[A-Za-z_][^\s{}()]*)\s*(?:\)|\}\})?\Z"
)
"""What is in the braces of an expression, without them or in those of other tools."""
_FOREIGN = re.compile(
    r"(?:\{\{\s*|\$\(\s*)(?P<own>(?:var|env|each)\.[A-Za-z_][^\s{}()]*)\s*(?:\)|\}\})"
    r"|\$(?P<shell>[A-Z][A-Z0-9_]+)|%(?P<cmd>[A-Z][A-Z0-9_]+)%|\$\((?P<variable>[A-Za-z_]\w*)\)"
)
"""An expression or a variable in the form of other tools."""
_ENDING = re.compile(r"(.+?)([,;]|\s*//.*|#.*)\s*")
_PER_CENT = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*%?")
_OWN_UNIT = re.compile(r"[$€£]|\b(usd|eur|dollars?|euros?|epochs?|steps?|examples?|jobs?)\b", re.IGNORECASE)
"""Units that numbers of a spec have anyway: without it, the number is the same."""
_WITH_UNIT = re.compile(r"[$€£]\s*[0-9]|[0-9][0-9_.,']*\s*[A-Za-z%$€]")


def in_foreign_form(text: str, *, takes_secrets: bool) -> str:
    """What is an expression or a variable in the form of another tool, and nothing else."""
    found = _FOREIGN.fullmatch(text)
    if not found:
        return ""
    name = found["shell"] or found["cmd"]
    outside = f"env.{name}" if takes_secrets else f"var.{str(name).lower()}"
    inside = found["own"] or (f"var.{found['variable']}" if found["variable"] else outside)
    return f'Write "${{{inside}}}".'


def in_curly_quotes(text: str, accepts: Accepts) -> str:
    """What is in quotes that aren't those of YAML."""
    if not text or text[0] not in CURLY_QUOTES:
        return ""
    inside = text.strip(CURLY_QUOTES)
    is_plain = re.fullmatch(r"[\w.-]+", inside) and accepts(inside)
    return f"Write `{inside}`." if is_plain else STRAIGHT_QUOTES


def without_braces(text: str) -> str:
    """What is the inside of an expression."""
    found = _EXPRESSION.match(text)
    return f'Write it as an expression: "${{{found[1]}}}"' if found else ""


def with_ending(text: str, accepts: Accepts) -> str:
    """What is followed by a comma, a semicolon or a comment of other languages."""
    found = _ENDING.fullmatch(text)
    if not found or not accepts(found[1]):
        return ""
    return f"Write `{found[1]}` alone" + ("; comments start with ` #`." if len(found[2]) > 1 else ".")


def with_other_characters(text: str, joiner: str, accepts: Accepts) -> str:
    """What has characters that the field doesn't take, between words that `joiner` can join."""
    if re.search(r"[{}<>()$%]", text):  # as of an expression of another tool
        return ""
    letters = unaccented(text)
    for others in (r"[^A-Za-z0-9._-]+", r"[^A-Za-z0-9_-]+", r"[^A-Za-z0-9]+"):
        near = re.sub(others, joiner, letters).strip("-._")
        lower = near.lower()
        for one in (near if joiner else lower, lower, lower.lstrip("0123456789-")):
            if accepts(one):
                return f"Write `{one}`."
    return ""


def in_per_cent(text: str, accepts: Accepts, *, is_share: bool) -> str:
    """What is a share in per cent. `is_share`: whether the field has no values above 1."""
    found = _PER_CENT.fullmatch(text)
    if not found or not ("%" in text or (is_share and float(found[1]) > 1)):
        return ""
    share = decimal(float(found[1]) / 100)
    return f"Write `{share}` for {found[1]} %." if accepts(share) else ""


def with_more_than_digits(text: str, accepts: Accepts) -> str:
    """What is a number with a unit, or with signs between its digits."""
    digits = re.sub(r"(?<=\d)[_,' ](?=\d{3}(?!\d))", "", text).replace(",", ".").replace("_", "")
    if digits != text and accepts(digits):
        return f"Write `{digits}`."
    if not _WITH_UNIT.match(text):
        return ""
    alone = re.sub(r"[^0-9.]", "", text)
    is_plain = _OWN_UNIT.search(text) is not None and accepts(alone)
    return f"Write `{alone}`, without a unit." if is_plain else "Write digits only, without a unit."


def decimal(value: float) -> str:
    """Without an exponent: 0.00001."""
    return f"{value:.8f}".rstrip("0").rstrip(".")

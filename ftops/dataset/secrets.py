"""Secrets and personal data in text, by patterns that are seldom wrong. What is found is never shown.

A pass over all bytes is cheap only if it is one of C. So bytes are folded to classes, runs that are long
enough to be a key and groups of figures are looked for, and patterns are tried around those alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from typing import Any, NamedTuple

_LEAST = 16
"""Letters and digits in a row that every key has."""
_BEFORE, _AFTER = 64, 1024
"""Bytes around such a run that a pattern may need. Runs within half of them are looked at with it."""

_KEYS = (
    (
        "secret/private-key",
        rb"-----BEGIN (?:[A-Z]{2,10} ){0,3}PRIVATE KEY-----(?:[\w+/=\\ -]{0,400}-----END)?",
    ),
    ("secret/aws-key", rb"(?<![A-Za-z0-9])(?:AKIA|ASIA)[0-9A-Z]{16}(?![A-Za-z0-9])"),
    ("secret/azure-key", rb"AccountKey=[A-Za-z0-9+/]{86}==|[?&;]sig=[A-Za-z0-9%+/]{43,60}"),
    ("secret/openai-key", rb"(?<![A-Za-z0-9_-])sk-(?:proj-|svcacct-|ant-)?[A-Za-z0-9_-]{20,200}"),
    (
        "secret/github-token",
        rb"(?<![A-Za-z0-9])(?:gh[pousr]_[A-Za-z0-9]{36,80}|github_pat_[A-Za-z0-9_]{22,90})",
    ),
    ("secret/google-key", rb"(?<![A-Za-z0-9])AIza[0-9A-Za-z_-]{35}(?![0-9A-Za-z_-])"),
    ("secret/slack-token", rb"(?<![A-Za-z0-9])xox[abeoprs]-[A-Za-z0-9-]{16,90}"),
    ("secret/stripe-key", rb"(?<![A-Za-z0-9])[sr]k_live_[0-9a-zA-Z]{16,120}"),
    ("secret/jwt", rb"eyJ[A-Za-z0-9_-]{10,300}\.eyJ[A-Za-z0-9_-]{10,300}\.[A-Za-z0-9_-]{10,300}"),
)
_NUMBERS = (
    ("personal/card", rb"(?<![\d.-])\d{4}([ -]?)\d{4}\1\d{4}\1\d{4}(?![\d.-])"),
    (
        "personal/iban",
        rb"(?<![A-Za-z0-9])[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?(?![A-Za-z0-9])",
    ),
    ("personal/us-ssn", rb"(?<![\d-])(?!000|666|9)\d{3}-(?!00)\d\d-(?!0000)\d{4}(?![\d-])"),
)
_AT = (
    ("secret/url-password", rb"[a-z][a-z0-9+.-]{1,20}://[^\s/:@\"'<>\\]{1,80}:[^\s/:@\"'<>\\]{1,80}@"),
    ("personal/email", rb"[A-Za-z0-9._%+-]{1,64}@(?:[A-Za-z0-9-]{1,63}\.){1,5}[A-Za-z]{2,24}(?![A-Za-z0-9])"),
)
_EXAMPLES = rb"(?i)@(?:[a-z0-9-]+\.)*(?:example\.(?:com|org|net)|[a-z0-9-]+\.(?:example|test|invalid))$"
"""Addresses that are reserved for examples belong to nobody (RFC 2606)."""

_NEAR_RUNS = b"|".join(b"(%b)" % pattern for _, pattern in _KEYS)

_LETTER, _FIGURE, _APART, _DASH = 1, 2, 4, 8
_CLASSES = bytes(
    (_LETTER | _FIGURE * (48 <= code < 58)) * (code < 128 and chr(code).isalnum())
    + {32: _APART, 45: _APART | _DASH}.get(code, 0)
    for code in range(256)
)
_RUNS = bytes(48 if klass & _LETTER else 46 for klass in _CLASSES)
_FIGURES = bytes(48 if klass & _FIGURE else code if klass else 46 for code, klass in enumerate(_CLASSES))
_RUN = b"0" * _LEAST
_GROUPS = re.compile(rb"000(?:0[ -]0000|-00-0000)")
_SLICE, _OVERLAP = 65_536, 16
_IMAGE = re.compile(rb";base64,[A-Za-z0-9+/=]+")


class Hit(NamedTuple):
    """A secret: bytes start to end are it."""

    rule: str
    start: int
    end: int


def hits(block: bytes, *, vectorised: bool = False) -> Iterator[Hit]:
    """What is found in some lines of a file. Images in base64 are passed over.

    `vectorised` uses numpy: faster, where there is enough to make up for its import.
    """
    suspects = _suspects_by_numpy if vectorised else _suspects
    runs, groups = suspects(block)
    if (runs or groups) and b";base64," in block:
        block = _IMAGE.sub(lambda m: b";" * len(m[0]), block)
        runs, groups = suspects(block)
    found = set(_addresses(block))
    last = 0
    for at in runs:
        if at < last or _is_word(block[at : at + _LEAST]):
            continue
        last = at + _AFTER // 2
        start, end = max(0, at - _BEFORE), at + _AFTER
        for match in _compiled(_NEAR_RUNS).finditer(block, start, end):
            found.add(Hit(_KEYS[(match.lastindex or 1) - 1][0], *match.span()))
        found.update(_numbers(block, start, end))
    for at in groups:
        found.update(_numbers(block, max(0, at - _BEFORE), at + _BEFORE))
    yield from sorted(_longest(found), key=lambda hit: hit.start)


def mask(text: str) -> str:
    """The text with dots for everything that is found; of the same length."""
    if len(text) < 8 or not any(c in text for c in "@0123456789-"):
        return text
    raw = text.encode("utf-8", "replace")
    spans = [m.span() for _, p in (*_KEYS, *_NUMBERS, *_AT) for m in _compiled(p).finditer(raw)]
    if not spans:
        return text
    marked = bytearray(raw)
    for start, end in spans:
        marked[start:end] = b"\0" * (end - start)
    masked = marked.decode("utf-8", "replace")
    return masked.replace("\0", "•") if len(masked) == len(text) else "•" * len(text)


def _addresses(block: bytes) -> Iterator[Hit]:
    at = block.find(b"@")
    while at >= 0:
        start, end = max(0, at - 110), at + 340
        for rule, pattern in _AT:
            for match in _compiled(pattern).finditer(block, start, end):
                if match.start() < at < match.end() and not _compiled(_EXAMPLES).search(match[0]):
                    yield Hit(rule, *match.span())
        at = block.find(b"@", at + 1)


def _suspects(block: bytes) -> tuple[list[int], list[int]]:
    """Where runs start that are long enough to be a key, and groups of figures."""
    figures = block.translate(_FIGURES)
    groups = [m.start() for m in _GROUPS.finditer(figures)] if b"000" in figures else []
    return [*_finds(block.translate(_RUNS), _RUN)], groups


def _finds(text: bytes, needle: bytes) -> Iterator[int]:
    at = text.find(needle)
    while at >= 0:
        yield at
        at = text.find(needle, at + len(needle))


def _suspects_by_numpy(block: bytes) -> tuple[list[int], list[int]]:
    """The same, of many bytes at once: what is left of classes that are laid over themselves, shifted."""
    import numpy

    classes = numpy.frombuffer(block.translate(_CLASSES), dtype=numpy.uint8)
    runs: list[int] = []
    groups: list[int] = []
    for start in range(0, max(0, len(classes) - _OVERLAP), _SLICE):
        found = _suspects_within(classes[start : start + _SLICE + _OVERLAP])
        runs += [at + start for at in found[0]]
        groups += [at + start for marks in found[1:] for at in marks]
    starts = [at for before, at in pairwise([-_LEAST, *runs]) if at - before != 1 or not at % _LEAST]
    return starts, groups


def _suspects_within(one: Any) -> list[list[int]]:
    """Of a slice. What is made of it stays in a few arrays that are kept: to get memory anew for each costs
    more than to fill it."""
    import numpy

    both = numpy.bitwise_and
    size = len(one)
    two, four, more, marks = (array[:size] for array in _scratch())
    both(one[:-1], one[1:], out=two[:-1])
    both(two[:-3], two[2:-1], out=four[:-3])
    both(four[:-7], four[4:-3], out=more[:-7])
    both(more[:-15], more[8:-7], out=marks[:-15])
    found = [_ones(both(marks[:-15], _LETTER, out=marks[:-15]))]
    room = max(0, size - 10)
    numpy.right_shift(one, 1, out=more)
    both(more[4 : room + 4], four[:room], out=marks[:room])
    both(marks[:room], four[5 : room + 5], out=marks[:room])
    found.append(_ones(both(marks[:room], _FIGURE, out=marks[:room])))
    numpy.right_shift(one, 2, out=more)
    both(more[3 : room + 3], more[6 : room + 6], out=marks[:room])
    both(marks[:room], two[4 : room + 4], out=marks[:room])
    both(marks[:room], four[7 : room + 7], out=marks[:room])
    both(marks[:room], one[:room], out=marks[:room])
    both(marks[:room], two[1 : room + 1], out=marks[:room])
    found.append(_ones(both(marks[:room], _FIGURE, out=marks[:room])))
    return found


@cache
def _scratch() -> tuple[Any, Any, Any, Any]:
    import numpy

    return tuple(numpy.zeros(_SLICE + _OVERLAP, numpy.uint8) for _ in range(4))  # type: ignore[return-value]


def _ones(marks: Any) -> list[int]:
    return marks.nonzero()[0].tolist() if marks.any() else []


@cache
def _compiled(pattern: bytes) -> re.Pattern[bytes]:
    """Most runs need few of the patterns, and compiling them all takes longer than a small file."""
    return re.compile(pattern)


def _is_word(text: bytes) -> bool:
    """Whether these are small letters, with a capital or without."""
    return text.isalpha() and text[1:].islower()


def _numbers(block: bytes, start: int, end: int) -> Iterator[Hit]:
    for rule, pattern in _NUMBERS:
        for match in _compiled(pattern).finditer(block, start, end):
            if _VALID.get(rule, bool)(match[0]):
                yield Hit(rule, *match.span())


def _is_card(text: bytes) -> bool:
    """By the check digit (ISO/IEC 7812-1, Luhn), and the first digit of a scheme."""
    digits = [int(c) for c in text.decode() if c.isdigit()]
    doubled = (d * 2 - 9 * (d > 4) if index % 2 else d for index, d in enumerate(reversed(digits)))
    return digits[0] in (2, 3, 4, 5, 6) and len(set(digits)) > 1 and sum(doubled) % 10 == 0


def _is_iban(text: bytes) -> bool:
    """By the check digits (ISO 13616)."""
    number = text.decode().replace(" ", "")
    if not 15 <= len(number) <= 34:
        return False
    return int("".join(str(int(c, 36)) for c in number[4:] + number[:4])) % 97 == 1


_VALID = {"personal/card": _is_card, "personal/iban": _is_iban}


def _longest(found: set[Hit]) -> Iterator[Hit]:
    """Without those that overlap one that starts earlier or is longer."""
    end = -1
    for hit in sorted(found, key=lambda h: (h.start, -h.end)):
        if hit.start >= end:
            yield hit
            end = hit.end

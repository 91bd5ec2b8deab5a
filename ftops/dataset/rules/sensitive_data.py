"""Secrets and personal data in text, found by patterns with few false positives. Values are never shown.

A pass over all bytes is cheap only in C. So bytes are mapped to classes, to find runs that are long enough
for a key, and groups of digits. The patterns are tried only around those.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache
from itertools import chain
from typing import Any, NamedTuple

from ftops.dataset.rules.escapes import unescaped
from ftops.dataset.rules.sample_numbers import CARDS, IBAN_LENGTHS, IBANS, SOCIAL_SECURITY, TEST_CARDS
from ftops.dataset.rules.sensitive_patterns import (
    AROUND_PASSWORD,
    AROUND_SIGN,
    AT,
    EXAMPLE_ADDRESS,
    IMAGE,
    KEYS,
    MARKS,
    NUMBERS,
    PASSWORD,
    PASSWORD_MARKS,
    SAMPLE_ADDRESSES,
    SAMPLES,
)

_LEAST = 16
"""Consecutive letters and digits that every key has."""
_BEFORE, _AFTER = 64, 1024
"""Bytes around such a run, or a literal of a pattern, that the pattern may need."""

_ASCII = [chr(code) if code < 128 else "." for code in range(256)]
_RUNS = bytes(48 if c.isalnum() else 46 for c in _ASCII)
_FIGURES = bytes(48 if c.isdigit() else ord(c) if c in " -" else 46 for c in _ASCII)
_RUN = b"0" * _LEAST
_LETTERS_AND_DIGITS = rb"[A-Za-z0-9]+"
_WORD = rb"[A-Za-z][a-z]{15,}"
"""A run that is an ordinary word."""
_NUMBER = rb"\d{16}|^(?:[bfnrt]|u[0-9a-fA-F]{4})?[A-Z]{2}\d\d"
"""In a run that may be the number of a card or an account, and may begin with the end of an escape."""
_GROUPS = re.compile(rb"000(?:0[ -]0000|-00-0000|[-.] ?000[ .-]0000)")
_FOURS = re.compile(rb"[0-9]{4}[ -][0-9]{4}")
_THREE_TWO_FOUR = re.compile(rb"[0-9]{3}-[0-9]{2}-[0-9]{4}")
_THREE_FOUR = re.compile(rb"[0-9]{3}[ -][0-9]{4}")
_DOTTED = re.compile(rb"[0-9]{3}\.[0-9]{3}\.[0-9]{4}")
_PLUS = re.compile(rb"\+[1-9]")
_SLICE, _OVERLAP = 65_536, 16
_MANY = 100
"""Groups of digits from which on it is faster to search the whole text once."""
_STEP = 16
"""Of a long run, every 16th group of four bytes is kept."""
_SPACE, _HYPHEN, _DOT = b" -."


class Hit(NamedTuple):
    """A secret: the bytes from start to end."""

    rule: str
    start: int
    end: int


def hits(block: bytes, *, vectorised: bool = False) -> Iterator[Hit]:
    """The secrets in some lines of a file (see `unescaped`), without images in base64.

    `vectorised`: with numpy, which is faster if there is enough text to be worth its import.
    """
    suspects = _suspects_by_numpy if vectorised else _suspects
    runs, groups = suspects(block)
    if (runs or groups) and b";base64," in block:
        block = _compiled(IMAGE).sub(lambda m: b";" * len(m[0]), block)
        runs, groups = suspects(block)
    for mark in MARKS:
        if mark[-1:] in block and mark in block:
            runs = sorted((*runs, *(at + len(mark) for at in _finds(block, mark))))
    found = {*_addresses(block), *_passwords(block)}
    runs = [at for at in runs if not _compiled(_WORD).fullmatch(_run_at(block, at))]
    for start, end in _windows(block, runs, _BEFORE, _AFTER):
        found.update(_keys(block, start, end))
    for at in runs:
        if _compiled(_NUMBER).search(_run_at(block, at)):
            found.update(_numbers(block, max(0, at - _BEFORE), at + _BEFORE))
    if len(groups) > _MANY:
        found.update(_numbers(block, 0, len(block)))
        groups = []
    if b"+" in block:
        groups += [match.start() for match in _PLUS.finditer(block)]
    for at in groups:
        found.update(_numbers(block, max(0, at - _BEFORE), at + _BEFORE))
    yield from sorted(_longest(found), key=lambda hit: hit.start)


def _run_at(block: bytes, at: int) -> bytes:
    run = _compiled(_LETTERS_AND_DIGITS).match(block, at, at + _AFTER)
    return run[0] if run else b""


def _keys(block: bytes, start: int, end: int) -> Iterator[Hit]:
    """The keys in a part of a text. Their patterns are tried only near their literals, for which searching is
    a hundred times as fast."""
    for rule, literals, pattern in KEYS:
        near = [at for literal in literals for at in _finds(block, literal, start, end)]
        for first, last in _windows(block, sorted(near), _BEFORE, _AFTER) if near else ():
            for match in _compiled(pattern).finditer(block, first, last):
                if not _compiled(SAMPLES).search(match[0]):
                    yield Hit(rule, *match.span())


def mask(text: str) -> str:
    """The text with dots in place of secrets, of the same length."""
    if len(text) < 8 or not any(c in text for c in "@0123456789-"):
        return text
    raw = text.replace("\n", " ").encode("utf-8", "replace")  # a key may have several lines
    raw, offset = unescaped(raw)
    spans = [m.span() for *_, p in (*KEYS, *NUMBERS, *AT, PASSWORD) for m in _compiled(p).finditer(raw)]
    if not spans:
        return text
    marked = bytearray(text.encode("utf-8", "replace"))
    for first, last in spans:
        start, end = offset(first), offset(last)
        marked[start:end] = b"\0" * (end - start)
    masked = marked.decode("utf-8", "replace")
    return masked.replace("\0", "•") if len(masked) == len(text) else "•" * len(text)


def _addresses(block: bytes) -> Iterator[Hit]:
    for start, end in _around_signs(block):
        shown = 0
        """The end of a URL with a sample password, whose `password@host` is no mail address."""
        for rule, pattern in AT:
            for match in _compiled(pattern).finditer(block, start, end):
                if _compiled(SAMPLE_ADDRESSES).search(match[0]):
                    shown = match.end()
                elif not _compiled(EXAMPLE_ADDRESS).search(match[0]) and match.start() >= shown:
                    yield Hit(rule, *match.span())


def _around_signs(block: bytes) -> Iterator[tuple[int, int]]:
    return _windows(block, _finds(block, b"@"), *AROUND_SIGN)


def _passwords(block: bytes) -> Iterator[Hit]:
    """Passwords in connection strings."""
    if b"=" not in block:
        return
    rule, pattern = PASSWORD
    ends = [mark for end, marks in PASSWORD_MARKS.items() if end in block for mark in marks]
    marks = sorted(chain.from_iterable(_finds(block, mark) for mark in ends))
    for start, end in _windows(block, marks, *AROUND_PASSWORD):
        for match in _compiled(pattern).finditer(block, start, end):
            if not _compiled(SAMPLES).search(match[0]):
                yield Hit(rule, *match.span())


def _windows(block: bytes, places: Iterable[int], before: int, after: int) -> Iterator[tuple[int, int]]:
    """The parts of a text that are near a place. They don't overlap, so that no byte is searched once for
    each place near it."""
    start = end = 0
    for at in places:
        if at - before > end:
            if end:
                yield start, end
            start = max(0, at - before)
        end = min(at + after, len(block))
    if end:
        yield start, end


def _suspects(block: bytes) -> tuple[list[int], list[int]]:
    """The starts of runs that are long enough for a key, and of groups of digits."""
    figures = block.translate(_FIGURES)
    groups = [m.start() for m in _GROUPS.finditer(figures)] if b"000" in figures else []
    return [*_finds(block.translate(_RUNS), _RUN)], groups


def _finds(text: bytes, needle: bytes, start: int = 0, end: int | None = None) -> Iterator[int]:
    at = text.find(needle, start, end)
    while at >= 0:
        yield at
        at = text.find(needle, at + len(needle), end)


def _suspects_by_numpy(block: bytes) -> tuple[list[int], list[int]]:
    """A faster `_suspects`: in slices that fit into the cache of a processor, and in arrays that are reused,
    since allocating memory costs more than filling it."""
    import numpy

    text = numpy.frombuffer(block, dtype=numpy.uint8)
    runs: list[int] = []
    groups: list[int] = []
    for start in range(0, len(block), _SLICE):
        words, digits = _classes(text[start : start + _SLICE + _OVERLAP])
        three = words[:-2] & words[1:-1] & words[2:]
        if three.any():
            found = three.nonzero()[0]
            first = numpy.diff(found, prepend=-2) > 1
            kept = found[first | (found % _STEP == 0)] * 4
            runs += [at + start for at in kept[kept < _SLICE].tolist()]
        if digits.any():
            before = (digits[:-2] & digits[2:]).nonzero()[0]
            at = before + (start + 1)
            between = text[at]
            is_dotted = (between == _DOT) & (text[numpy.minimum(at + 4, len(text) - 1)] == _DOT)
            apart = before[(between == _SPACE) | (between == _HYPHEN) | is_dotted]
            groups += [at + (start + 1) for at in apart[apart < _SLICE].tolist()]
    return [*_long_runs(block, runs)], [*_figures(block, groups)]


def _classes(text: Any) -> tuple[Any, Any]:
    """For a slice: which groups of four bytes are only letters and digits, and which bytes are digits."""
    import numpy

    size = len(text)
    shifted, is_one, digits = (array[:size] for array in _scratch())
    numpy.bitwise_or(text, 32, out=shifted)
    numpy.subtract(shifted, 97, out=shifted)
    numpy.less(shifted, 26, out=is_one)
    numpy.subtract(text, 48, out=shifted)
    numpy.less(shifted, 10, out=digits)
    numpy.logical_or(is_one, digits, out=is_one)
    return is_one[: size // 4 * 4].view(numpy.uint32) == 0x01010101, digits


@cache
def _scratch() -> tuple[Any, Any, Any]:
    import numpy

    room = _SLICE + _OVERLAP
    return numpy.zeros(room, numpy.uint8), numpy.zeros(room, bool), numpy.zeros(room, bool)


def _long_runs(block: bytes, near: Sequence[int]) -> Iterator[int]:
    """The starts of runs of letters and digits that are long enough, at or just before these places."""
    for at in near:
        start = at
        while start and at - start < 4 and block[start - 1 : start].isalnum():
            start -= 1
        run = block[start : start + _LEAST]
        if len(run) == _LEAST and run.isalnum():
            yield start


def _figures(block: bytes, gaps: Sequence[int]) -> Iterator[int]:
    """The starts of groups of digits that have a space or a hyphen at one of these places."""
    for at in gaps:
        for before, pattern in ((4, _FOURS), (3, _THREE_TWO_FOUR), (3, _THREE_FOUR), (3, _DOTTED)):
            if at >= before and pattern.match(block, at - before):
                yield at - before


@cache
def _compiled(pattern: bytes) -> re.Pattern[bytes]:
    """Compiles a pattern on first use: compiling all takes longer than checking a small file."""
    return re.compile(pattern)


def _numbers(block: bytes, start: int, end: int) -> Iterator[Hit]:
    """Numbers with valid check digits. One may begin within an invalid one, so the search continues at the
    next byte."""
    for rule, pattern in NUMBERS:
        search, at = _compiled(pattern), start
        while match := search.search(block, at, end):
            at = match.start() + 1
            whole = search.match(block, match.start())  # not cut off at `end`
            if whole and whole.span() == match.span() and _VALID.get(rule, bool)(match[0]):
                yield Hit(rule, *match.span())


def _is_card(text: bytes) -> bool:
    """By the check digit (ISO/IEC 7812-1, Luhn), and the first digit of a scheme; none that is for tests."""
    number = "".join(c for c in text.decode() if c.isdigit())
    if number in CARDS or number.startswith(TEST_CARDS):
        return False
    digits = [int(c) for c in number]
    doubled = (d * 2 - 9 * (d > 4) if index % 2 else d for index, d in enumerate(reversed(digits)))
    return digits[0] in (2, 3, 4, 5, 6) and len(set(digits)) > 1 and sum(doubled) % 10 == 0


def _is_iban(text: bytes) -> bool:
    """By the length in its country and the check digits (ISO 13616); none that is an example."""
    number = text.decode().replace(" ", "")
    if len(number) != IBAN_LENGTHS.get(number[:2]) or number in IBANS:
        return False
    return int("".join(str(int(c, 36)) for c in number[4:] + number[:4])) % 97 == 1


def _is_phone(text: bytes) -> bool:
    """By the number of digits; none that is reserved for fiction or free of charge (in North America), and no
    amount."""
    digits = bytes(c for c in text if c in b"0123456789")
    is_local = text.startswith((b"+1", b"1", b"(")) or len(digits) == 10
    local = digits.removeprefix(b"1") if is_local else b""
    if local[3:8] == b"55501" or local[:3] in _FREE or text.endswith((b" 000 000", b"000000")):
        return False
    is_plain = digits == text.removeprefix(b"+")
    return (10 if is_plain else 8) <= len(digits) <= 15


_FREE = {b"800", b"833", b"844", b"855", b"866", b"877", b"888"}
_VALID: Mapping[str, Callable[[bytes], bool]] = {
    "personal/card": _is_card,
    "personal/iban": _is_iban,
    "personal/phone": _is_phone,
    "personal/us-ssn": lambda text: text.decode() not in SOCIAL_SECURITY,
}


def _longest(found: set[Hit]) -> Iterator[Hit]:
    """All but those that overlap one that starts earlier or is longer."""
    end = -1
    for hit in sorted(found, key=lambda h: (h.start, -h.end)):
        if hit.start >= end:
            yield hit
            end = hit.end

"""Secrets and personal data in text, found by patterns with few false positives. Values are never shown.

A pass over all bytes is cheap only in C. So bytes are mapped to classes, to find runs that are long enough
for a key, and groups of digits. The patterns are tried only around those.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any, NamedTuple

_LEAST = 16
"""Consecutive letters and digits that every key has."""
_BEFORE, _AFTER = 64, 1024
"""Bytes around such a run that a pattern may need. Runs within half of them share one search."""

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
    ("secret/huggingface-token", rb"(?<![A-Za-z0-9])hf_[A-Za-z0-9]{30,60}(?![A-Za-z0-9])"),
    ("secret/gitlab-token", rb"(?<![A-Za-z0-9])glpat-[A-Za-z0-9_-]{20,60}"),
    (
        "secret/sendgrid-key",
        rb"(?<![A-Za-z0-9])SG\.[A-Za-z0-9_-]{16,40}\.[A-Za-z0-9_-]{30,60}(?![A-Za-z0-9_-])",
    ),
    ("secret/jwt", rb"eyJ[A-Za-z0-9_-]{10,300}\.eyJ[A-Za-z0-9_-]{10,300}\.[A-Za-z0-9_-]{10,300}"),
)
_NUMBERS = (
    ("personal/card", rb"(?<![\d.-])\d{4}([ -]?)\d{4}\1\d{4}\1\d{4}(?![\d.-])"),
    (
        "personal/iban",
        rb"(?<![A-Za-z0-9])[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?(?![A-Za-z0-9])",
    ),
    (
        "personal/phone",
        rb"(?<![\w.+-])(?:\([2-9]\d\d\) ?|[2-9]\d\d-)[2-9]\d\d-\d{4}(?![\d-])"
        rb"|(?<![\w.+-])\+[1-9]\d{0,2}(?:[ .-]?\(?\d{1,5}\)?){2,6}(?![\w-])",
    ),
    ("personal/us-ssn", rb"(?<![\d-])(?!000|666|9)\d{3}-(?!00)\d\d-(?!0000)\d{4}(?![\d-])"),
)
_AT = (
    (
        "secret/url-password",
        rb"[a-z][a-z0-9+.-]{1,20}://[^\s/:@\"'<>\\]{0,80}:[^\s/:@\"'<>\\]{1,80}@"
        rb"(?!(?:localhost|127\.0\.0\.1|0\.0\.0\.0|\[::1\]|host\.docker\.internal)(?![\w.-]))",
    ),
    ("personal/email", rb"[A-Za-z0-9._%+-]{1,64}@(?:[A-Za-z0-9-]{1,63}\.){1,5}[A-Za-z]{2,24}(?![A-Za-z0-9])"),
)
_BEFORE_SIGN, _AFTER_SIGN = 110, 340
"""Bytes around an `@` that these patterns may need."""
_EXAMPLES = rb"(?i)@(?:[a-z0-9-]+\.)*(?:example\.(?:com|org|net)|[a-z0-9-]+\.(?:example|test|invalid))$"
"""Addresses that are reserved for examples (RFC 2606)."""
_SAMPLES = (
    rb"EXAMPLE(?:KEY)?$|Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq"
    rb"|^eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9\.eyJzdWIiOiIxMjM0NTY3ODkwIiwibmFtZSI6IkpvaG4gRG9l"
    rb"|^ghp_16C7e42F292c6912E7710c838347Ae178B4a|^AIzaSyDaGmWKa4JsXZ-HjGw7ISLn_3namBGewQe"
    rb"|([A-Za-z0-9*.])\1{7}|1234567890abcdef|abcdefghijklmnop"
    rb"|(?i:your[_-]|[_-]here\b|placeholder|redacted|changeme|dummy|not-a-real)"
    rb"|://([^\s/:@]{1,80}):\2@$"
    rb"|(?i::(?:pass(?:word|wd)?|pwd|\*+|\$\{?\w*\}?|\{\w*\}|<\w*>|x+)@$)"
)
"""Keys in documentation, and what stands for one: `sk-xxxxxxxxxxxx`, `hf_your_token_here`, `jo:password@`."""

_NEAR_RUNS = b"|".join(b"(%b)" % pattern for _, pattern in _KEYS)

_ASCII = [chr(code) if code < 128 else "." for code in range(256)]
_RUNS = bytes(48 if c.isalnum() else 46 for c in _ASCII)
_FIGURES = bytes(48 if c.isdigit() else ord(c) if c in " -" else 46 for c in _ASCII)
_RUN = b"0" * _LEAST
_LETTERS_AND_DIGITS = rb"[A-Za-z0-9]+"
_GROUPS = re.compile(rb"000(?:0[ -]0000|-00-0000|(?:-|\. ?)000-0000)")
_FOURS = re.compile(rb"[0-9]{4}[ -][0-9]{4}")
_THREE_TWO_FOUR = re.compile(rb"[0-9]{3}-[0-9]{2}-[0-9]{4}")
_THREE_FOUR = re.compile(rb"[0-9]{3}-[0-9]{4}")
_PLUS = re.compile(rb"\+[1-9]")
_SHORT_RUNS = b"glpat-"
"""Before a key that may have no long run of letters and digits."""
_SLICE, _OVERLAP = 65_536, 16
_MANY = 100
"""Groups of digits from which on it is faster to search the whole text once."""
_STEP = 16
"""Of a long run, every 16th group of four bytes is kept."""
_SPACE, _HYPHEN = b" -"
_IMAGE = re.compile(rb";base64,[A-Za-z0-9+/=]+")


class Hit(NamedTuple):
    """A secret: the bytes from start to end."""

    rule: str
    start: int
    end: int


def hits(block: bytes, *, vectorised: bool = False) -> Iterator[Hit]:
    """The secrets in some lines of a file, without images in base64.

    `vectorised`: with numpy, which is faster if there is enough text to be worth its import.
    """
    suspects = _suspects_by_numpy if vectorised else _suspects
    runs, groups = suspects(block)
    if _SHORT_RUNS[-1:] in block and _SHORT_RUNS in block:
        runs = sorted((*runs, *(at + len(_SHORT_RUNS) for at in _finds(block, _SHORT_RUNS))))
    if (runs or groups) and b";base64," in block:
        block = _IMAGE.sub(lambda m: b";" * len(m[0]), block)
        runs, groups = suspects(block)
    found = set(_addresses(block))
    last = 0
    for at in runs:
        run = _compiled(_LETTERS_AND_DIGITS).match(block, at, at + _AFTER)
        if at < last or (run and run[0].isalpha() and run[0][1:].islower()):  # an ordinary word
            continue
        last = at + _AFTER // 2
        start, end = max(0, at - _BEFORE), at + _AFTER
        for match in _compiled(_NEAR_RUNS).finditer(block, start, end):
            if not _compiled(_SAMPLES).search(match[0]):
                found.add(Hit(_KEYS[(match.lastindex or 1) - 1][0], *match.span()))
        found.update(_numbers(block, start, end))
    if len(groups) > _MANY:
        found.update(_numbers(block, 0, len(block)))
        groups = []
    if b"+" in block:
        groups += [match.start() for match in _PLUS.finditer(block)]
    for at in groups:
        found.update(_numbers(block, max(0, at - _BEFORE), at + _BEFORE))
    yield from sorted(_longest(found), key=lambda hit: hit.start)


def mask(text: str) -> str:
    """The text with dots in place of secrets, of the same length."""
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
    for start, end in _around_signs(block):
        shown = 0
        """The end of a URL with a sample password, whose `password@host` is no mail address."""
        for rule, pattern in _AT:
            for match in _compiled(pattern).finditer(block, start, end):
                if _compiled(_SAMPLES).search(match[0]):
                    shown = match.end()
                elif not _compiled(_EXAMPLES).search(match[0]) and match.start() >= shown:
                    yield Hit(rule, *match.span())


def _around_signs(block: bytes) -> Iterator[tuple[int, int]]:
    """The parts of a text that are near an `@`. They don't overlap, so that no byte is searched once for each
    `@` near it."""
    start = end = 0
    for at in _finds(block, b"@"):
        if at - _BEFORE_SIGN > end:
            if end:
                yield start, end
            start = at - _BEFORE_SIGN
        end = min(at + _AFTER_SIGN, len(block))
    if end:
        yield start, end


def _suspects(block: bytes) -> tuple[list[int], list[int]]:
    """The starts of runs that are long enough for a key, and of groups of digits."""
    figures = block.translate(_FIGURES)
    groups = [m.start() for m in _GROUPS.finditer(figures)] if b"000" in figures else []
    return [*_finds(block.translate(_RUNS), _RUN)], groups


def _finds(text: bytes, needle: bytes) -> Iterator[int]:
    at = text.find(needle)
    while at >= 0:
        yield at
        at = text.find(needle, at + len(needle))


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
            between = text[before + (start + 1)]
            apart = before[(between == _SPACE) | (between == _HYPHEN)]
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
        for before, pattern in ((4, _FOURS), (3, _THREE_TWO_FOUR), (3, _THREE_FOUR)):
            if at >= before and pattern.match(block, at - before):
                yield at - before


@cache
def _compiled(pattern: bytes) -> re.Pattern[bytes]:
    """Compiles a pattern on first use: compiling all takes longer than checking a small file."""
    return re.compile(pattern)


def _numbers(block: bytes, start: int, end: int) -> Iterator[Hit]:
    """Numbers with valid check digits. One may begin within an invalid one, so the search continues at the
    next byte."""
    for rule, pattern in _NUMBERS:
        search, at = _compiled(pattern), start
        while match := search.search(block, at, end):
            at = match.start() + 1
            whole = search.match(block, match.start())  # not cut off at `end`
            if whole and whole.span() == match.span() and _VALID.get(rule, bool)(match[0]):
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


def _is_phone(text: bytes) -> bool:
    """By the number of digits; none that is reserved for fiction or free of charge (in North America), and no
    amount."""
    digits = bytes(c for c in text if c in b"0123456789")
    local = digits.removeprefix(b"1") if text.startswith((b"+1", b"(")) or len(digits) == 10 else b""
    if local[3:8] == b"55501" or local[:3] in _FREE or text.endswith((b" 000 000", b"000000")):
        return False
    is_plain = digits == text.removeprefix(b"+")
    return (10 if is_plain else 8) <= len(digits) <= 15


_FREE = {b"800", b"833", b"844", b"855", b"866", b"877", b"888"}
_VALID = {"personal/card": _is_card, "personal/iban": _is_iban, "personal/phone": _is_phone}


def _longest(found: set[Hit]) -> Iterator[Hit]:
    """All but those that overlap one that starts earlier or is longer."""
    end = -1
    for hit in sorted(found, key=lambda h: (h.start, -h.end)):
        if hit.start >= end:
            yield hit
            end = hit.end

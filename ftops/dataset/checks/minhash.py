"""MinHash: 16 bytes per text; for most texts that are nearly the same, at least one half is equal.

Each word, with the letters after it, is hashed by two functions. One half is computed from the minima of
both, the other from the maxima. Case and punctuation don't matter, and one edit changes the hashes of a few
words only. Texts that share a half are then compared word by word, so the only error can be to miss some.

`extract` gives the text of an example of any format: its system message, all other text, and its label.
"""

from __future__ import annotations

import re
import struct
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import accumulate, pairwise
from typing import Any

from ftops.dataset.files.jsonl_io import list_at, parse
from ftops.dataset.formats import OUTPUTS, chat
from ftops.dataset.profile.tokens import calls

SIZE = 16
LIKE = 0.8
"""Texts are nearly the same if they share this part of their pairs of words."""
MANY = 20_000
"""Texts from which on numpy is worth its import."""
LENGTH = 600
"""Characters of a text that are hashed: texts that are nearly the same start nearly the same."""
MAX_LABEL = 40
"""Characters of an answer that may be one of a few."""
TEXT = "(text)"
_COMPARED = 10_000
_PACK = struct.Struct("<QQ").pack
_NOTHING = bytes(SIZE)
_WORD = re.compile(r"\w+")

_LETTERS = {*range(48, 58), *range(97, 123), *range(128, 256)}
_FOLD = bytes(code + 32 if 65 <= code < 91 else code if code in _LETTERS else 32 for code in range(256))
"""Lower-case letters, digits, and everything that isn't ASCII; all else becomes a space."""
_GAP = b" " * 16
"""Between texts, so that no hash reaches from one into the next."""
_STARTS = re.compile(rb"(?<![^ ])(?=([^ ].{15}))", re.DOTALL)
"""Sixteen bytes from the start of each word: mostly two or three words."""
_MIX = (0x9E3779B97F4A7C15, 0xD6E8FEB86659FD93, 0xA0761D6478BD642F)
"""Odd numbers with random bits: the high bits of a product depend on all bits of the other factor."""
_MASK = 2**64 - 1


def minhashes(texts: Sequence[str], *, vectorised: bool = False) -> bytes:
    """The values of all texts, one after the other. `vectorised`: with numpy, which takes a while to import
    and is then ten times as fast."""
    heads = [text[:LENGTH].encode("utf-8", "replace") for text in texts]
    return _by_numpy(heads) if vectorised and heads else b"".join(map(_minhash, heads))


def _minhash(head: bytes) -> bytes:
    words = _STARTS.findall(head.translate(_FOLD) + _GAP)
    if not words:
        return _NOTHING
    one, two, three = _MIX
    halves = struct.unpack(f"<{2 * len(words)}Q", b"".join(words))
    pairs = zip(halves[::2], halves[1::2], strict=True)
    ours = [(low * three ^ high) * one & _MASK for low, high in pairs]
    others = [word * two & _MASK for word in ours]
    least, most = (pick(ours) * one + pick(others) & _MASK for pick in (min, max))
    return _PACK(least, most)


def _by_numpy(heads: Sequence[bytes]) -> bytes:
    import numpy

    text = b"".join((b" ", _GAP.join(heads), _GAP)).translate(_FOLD)
    letters = numpy.frombuffer(text, dtype=numpy.uint8)
    gaps = letters == 32
    starts = numpy.flatnonzero(gaps[:-1] & ~gaps[1:]) + 1
    if not len(starts):
        return _NOTHING * len(heads)
    one, two, three = map(numpy.uint64, _MIX)
    eight = numpy.ndarray((len(text) - 7,), dtype="<u8", buffer=text, strides=(1,))
    words = (eight[starts] * three ^ eight[starts + 8]) * one
    others = words * two
    begins = [*accumulate((len(head) + len(_GAP) for head in heads), initial=1)]
    bounds = numpy.searchsorted(starts, begins)
    has_words = bounds[:-1] < bounds[1:]
    first = bounds[:-1][has_words]
    hashes = numpy.zeros((len(heads), 2), dtype="<u8")
    for column, pick in enumerate((numpy.minimum, numpy.maximum)):
        hashes[has_words, column] = pick.reduceat(words, first) * one + pick.reduceat(others, first)
    return hashes.tobytes()


def groups_of_equal(keys: Sequence[int]) -> Iterator[list[int]]:
    """Groups of indices of equal keys, in order; 0 isn't a key."""
    return _groups_of_many(keys) if len(keys) > MANY else _groups_of_few(keys)


def _groups_of_few(keys: Iterable[int]) -> Iterator[list[int]]:
    groups: dict[int, list[int]] = {}
    for index, key in enumerate(keys):
        if key:
            groups.setdefault(key, []).append(index)
    return (group for group in groups.values() if len(group) > 1)


def _groups_of_many(keys: Sequence[int]) -> Iterator[list[int]]:
    import numpy

    if not len(keys):
        return
    values = numpy.frombuffer(keys, dtype=numpy.uint64)  # type: ignore[call-overload]
    order = numpy.argsort(values, kind="stable")
    ranked = values[order]
    ends = numpy.flatnonzero(numpy.append(ranked[1:] != ranked[:-1], True)) + 1
    starts = numpy.append(0, ends[:-1])
    several = (ends - starts > 1) & (ranked[starts] != 0)
    for start, end in zip(starts[several].tolist(), ends[several].tolist(), strict=True):
        yield order[start:end].tolist()


def first_equal(ours: array[int], theirs: array[int]) -> Iterator[tuple[int, int]]:
    """The indices of our keys that are among theirs, each with the first index of the same key there."""
    start = len(theirs)
    for first, *others in groups_of_equal(theirs + ours):
        if first < start:
            yield from ((index - start, first) for index in others if index >= start)


def word_pairs(text: str) -> array[int]:
    """The pairs of words of a text, or its only word, as hashes of 4 bytes that are valid in one process."""
    words = _WORD.findall(text[:_COMPARED].lower())
    return array("I", {hash(item) & 0xFFFFFFFF for item in [*pairwise(words)] or words})


def likeness(words: Iterable[int], others: Iterable[int]) -> float:
    """The part of all pairs of words that both texts have (Jaccard similarity)."""
    ours, theirs = frozenset(words), frozenset(others)
    union = len(ours | theirs)
    return len(ours & theirs) / union if union else 1.0


def word_pairs_by_line(lines: Iterable[tuple[int, str]]) -> dict[int, array[int]]:
    """The pairs of words in the text of some lines, without system messages."""
    examples = ((number, parse(line.encode("utf-8", "replace"))) for number, line in lines)
    return {
        number: word_pairs("\n".join(extract(example)[1]))
        for number, example in examples
        if example is not None
    }


def starts(conversations: Iterable[Sequence[str]]) -> list[str]:
    """As much of the texts of each conversation as is hashed."""
    return [texts[0] if texts and len(texts[0]) >= LENGTH else "\n".join(texts) for texts in conversations]


def extract(example: Mapping[str, Any]) -> tuple[str | None, list[str], str]:
    """The system message of an example (None: not a conversation), its other texts, and its label: the
    functions that are called, an answer that may be one of a few, or TEXT."""
    holder = example.get("input", example)
    messages = holder.get("messages") if isinstance(holder, dict) else None
    if not isinstance(messages, list):
        return None, [], ""
    system, label = "", ""
    texts: list[str] = []
    outputs = [m for key in OUTPUTS for m in list_at(example, key)]
    for message in [m for m in (*messages, *outputs) if isinstance(m, dict)]:
        own = [*_texts(message)]
        if message.get("role") in chat.SYSTEM:
            system = system or "\n".join(own)
            continue
        called = [call for call in calls(message) if call.name]
        texts += own
        texts += [text for call in called for text in call]
        if message.get("role") == "assistant":
            answer = "\n".join(own)
            label = answer if 0 < len(answer) <= MAX_LABEL else TEXT
            if called:
                label = ", ".join(call.name for call in called)[:MAX_LABEL]
    return system, texts, "" if outputs else label


def _texts(message: Mapping[str, Any]) -> Iterator[str]:
    if isinstance(message.get("content"), str):
        yield message["content"]
    for part in list_at(message, "content"):
        if isinstance(part, dict):
            image = part.get("image_url")
            url = image.get("url") if isinstance(image, dict) else None
            yield from (value[:2000] for value in (part.get("text"), url) if isinstance(value, str))

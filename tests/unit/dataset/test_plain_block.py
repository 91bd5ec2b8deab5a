"""Fast ways to count: many texts at once, and blocks of plain conversations, say what the plain ways say."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ftops.dataset.profile import profiler
from ftops.dataset.profile.profiler import Measurement, measure_block
from ftops.dataset.profile.tokens import ENCODINGS, counter, exact

WORDS = st.sampled_from(
    [
        *("", " ", "the", "of", "Über", "straße", "日本語", "naïve", "don't", "3.14", "foo,", "\tTab"),
        *("\u00a0nb", "\u3000ide", "\u2028", "\x1c", "\x00", "a\x00", "😀", "e\u0301", "fifteen-letters"),
        *("\n\nnew", "x" * 15, "sixteen--letters", "x" * 40, "x" * 41, "ß" * 8, "http://example.com", "user"),
    ]
)  # fmt: skip
TEXTS = st.lists(WORDS, max_size=12).map(" ".join)


@pytest.mark.parametrize("name", ENCODINGS)
@settings(deadline=None, max_examples=150, derandomize=True)
@given(texts=st.lists(TEXTS | st.text(max_size=20), max_size=8), times=st.integers(1, 3))
def test_many_texts_are_counted_as_one(name: str, texts: list[str], times: int) -> None:
    count = counter(name)
    for _ in range(times):  # from the second time on, the table knows the words
        assert count.count_all(texts) == [*map(count.count, texts)]
    assert count.count_all(texts * 2) == [exact(name)(text) for text in texts] * 2


def test_half_a_surrogate_and_long_texts_among_many() -> None:
    count = counter(ENCODINGS[0])
    texts = [
        "half \ud800 of it",
        "word " * 70_000,
        "one",
        "日本 " * 30_000,
        "",
        *(f"n {n}" for n in range(3000)),
    ]
    assert count.count_all(texts) == [*map(count.count, texts)]


MESSAGES = st.lists(
    st.fixed_dictionaries({"role": st.sampled_from(["system", "developer", "user", "assistant"])}).flatmap(
        lambda m: TEXTS.filter(bool).map(lambda text: m | {"content": text})
    ),
    min_size=1,
    max_size=5,
)
KINDS = st.builds(
    Measurement, st.sampled_from(["", ENCODINGS[0]]), st.booleans(), st.booleans(), st.booleans()
)


@settings(deadline=None, max_examples=300, derandomize=True)
@given(examples=st.lists(MESSAGES, min_size=1, max_size=6), what=KINDS, first=st.sampled_from([1, 7]))
def test_a_block_of_plain_conversations_is_measured_as_its_lines(
    examples: list[list[dict[str, Any]]], what: Measurement, first: int
) -> None:
    mark = b"\xef\xbb\xbf" if first == 1 else b""
    block = mark + "\n".join(json.dumps({"messages": messages}) for messages in examples).encode()
    measured = measure_block(first.to_bytes(8, "big") + block, what)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(profiler, "add_plain", lambda *_: None)
        assert measure_block(first.to_bytes(8, "big") + block, what) == measured
    assert measured[0].examples == len(examples)

"""Fast ways to count: many texts at once, and blocks of plain conversations, say what the plain ways say."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ftops.dataset import Cache, inspect
from ftops.dataset.checks import checker
from ftops.dataset.files import jsonl_io
from ftops.dataset.formats import plain
from ftops.dataset.profile import one_pass, profiler
from ftops.dataset.profile.one_pass import inspect_and_measure
from ftops.dataset.profile.profiler import Measurement, measure_as, measure_block
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
        patch.setattr(plain, "decode", lambda block, vectorised: None)
        assert measure_block(first.to_bytes(8, "big") + block, what) == measured
    assert measured[0].examples == len(examples)


TURNS = [{"role": "user", "content": "Hi {}"}, {"role": "assistant", "content": "No."}]
PLAIN = json.dumps({"messages": TURNS})
FUNCTION = {"type": "function", "function": {"name": "rise", "parameters": {"type": "object"}}}
OTHER = json.dumps({"messages": TURNS, "tools": [FUNCTION]})
FILES = {
    "plain": [PLAIN.replace("{}", str(n)) for n in range(500)],
    "functions among plain ones": [
        (OTHER if n % 50 == 0 else PLAIN).replace("{}", str(n)) for n in range(500)
    ],
    "bad lines": [PLAIN, "{", "", "[]", PLAIN[:-1], "\x00", PLAIN.replace("user", "bot")] * 20,
    "a mark and carriage returns": ["\ufeff" + PLAIN + "\r", OTHER + "\r", PLAIN + "\r"],
    "no JSON Lines": ["instruction,output", "a,b"],
    "nothing": [],
    "a line that is too long": [PLAIN, PLAIN.replace("{}", "long " * 1000), PLAIN],
}


@pytest.mark.parametrize("processes", [1, 2])
@pytest.mark.parametrize("lines", FILES.values(), ids=FILES)
def test_one_pass_says_what_a_check_and_a_measurement_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lines: list[str], processes: int
) -> None:
    for module in (checker, jsonl_io):
        monkeypatch.setattr(module, "MAX_LINE", 4000)
    monkeypatch.setattr(checker, "CHUNK", 1000)
    for module in (one_pass, profiler):
        monkeypatch.setattr(module, "BLOCK", 2000)
    monkeypatch.setattr(one_pass, "worth", lambda size: processes)
    path = tmp_path / "a.jsonl"
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    what = Measurement(ENCODINGS[0], is_detailed=True)
    expected = (inspect(path), measure_as(path, what))
    assert inspect_and_measure(path, what) == expected
    ahead = time.time_ns() + 10**12
    with Cache(tmp_path / "cache", clock=lambda: ahead) as cache:
        assert inspect_and_measure(path, what, cache=cache) == expected
    with Cache(tmp_path / "cache") as cache:  # from which the inspection comes
        assert cache.get(path, "", path.stat()) == expected[0]
        assert inspect_and_measure(path, what, cache=cache) == expected


def test_one_pass_over_a_file_that_is_not_there(tmp_path: Path) -> None:
    for path in (tmp_path / "missing.jsonl", tmp_path, Path("a\0b")):
        assert inspect_and_measure(path, Measurement()) == (inspect(path), None)

"""The fast reader and the precise one, chunks of any size, one process and several: all say the same."""

from __future__ import annotations

import json
import random
import re
import tempfile
from array import array
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from xxhash import xxh3_128_digest

from ftops.dataset import inspect
from ftops.dataset.checks import checker, chunk, minhash
from ftops.dataset.checks.beginnings import opening_of
from ftops.dataset.files.jsonl_io import canonical
from ftops.dataset.formats import chat, plain
from ftops.dataset.formats.jsonl import parse
from ftops.dataset.rules import sensitive_data
from ftops.dataset.rules.findings import Finding
from tests.data_rules.examples import EXAMPLES, TOOL, spread

TEXTS = st.sampled_from(["", " ", "Hi", 'say "role": "x"', "ä\u2028€", "\n", "<|", "weight", "null", "NaN"])
SEEN = {"height": st.integers() | st.text(max_size=2)}
CALLS = st.fixed_dictionaries(
    {
        "id": st.sampled_from(["1", "2", ""]),
        "type": st.just("function"),
        "function": st.fixed_dictionaries(
            {
                "name": st.sampled_from(["rise", "fall", "a.f"]),
                "arguments": st.fixed_dictionaries({}, optional=SEEN).map(json.dumps) | TEXTS,
            }
        ),
    }
)
PARTS = TEXTS.map(lambda text: {"type": "text", "text": text})
MESSAGE = st.fixed_dictionaries(
    {
        "role": st.sampled_from(
            ["system", "user", "user", "assistant", "assistant", "tool", "function", "bot"]
        )
    },
    optional={
        "content": TEXTS | st.none() | st.lists(PARTS, max_size=2),
        "weight": st.sampled_from([0, 1, 1.0, True, 2, None]),
        "name": st.sampled_from(["rise", "a b", None]),
        "refusal": st.sampled_from(["No.", None]),
        "tool_calls": st.lists(CALLS, max_size=2),
        "function_call": st.just({"name": "rise", "arguments": '{"height": 1}'}),
        "tool_call_id": st.sampled_from(["1", "2", None]),
        "x": st.none(),
    },
)
PLAIN = st.fixed_dictionaries(
    {"role": st.sampled_from(["system", "user", "assistant"]), "content": st.sampled_from(["a", "b", "role"])}
)
EXAMPLE = st.fixed_dictionaries(
    {"messages": st.lists(MESSAGE, max_size=4) | st.lists(PLAIN, min_size=1, max_size=4)},
    optional={
        "tools": st.sampled_from([[], [TOOL], [TOOL, TOOL], None]),
        "functions": st.sampled_from([[], [TOOL["function"]]]),
        "parallel_tool_calls": st.booleans(),
    },
)
STYLES = st.sampled_from([{}, {"separators": (",", ":")}, {"ensure_ascii": False}, {"sort_keys": True}])


def precise(line: bytes) -> list[Finding]:
    example = parse(line.decode())
    return [example] if isinstance(example, Finding) else list(chat.check(example))


@settings(deadline=None, max_examples=300, derandomize=True)
@given(example=EXAMPLE, style=STYLES, double=st.booleans())
def test_a_chunk_is_what_the_precise_reader_says_of_its_lines(
    example: dict[str, Any], style: dict[str, Any], double: bool
) -> None:
    line = json.dumps(example, **style).encode()
    if double:
        line = line.replace(b'"role"', b'"role":"user","role"', 1)
    read = chunk.read(b"\n".join([line] * 3), "chat")
    found = {
        rule: n for rule, n in read.counts.items() if not rule.startswith(("data/", "secret/", "personal/"))
    }
    wrong = precise(line)
    assert found == {f.rule: 3 * sum(g.rule == f.rule for g in wrong) for f in wrong}
    if not any(f.rule.startswith("json/") for f in wrong):
        assert read.contents == 3 * xxh3_128_digest(canonical(json.loads(line)))
        assert list(array("Q", read.openings)) == 3 * [opening_of(json.loads(line))]


TURNS = st.lists(st.sampled_from(["Hi", "{}", "}\n{", "a, b"]), min_size=1, max_size=3)
BROKEN_AFTER = st.sampled_from(["{", ": ", ", ", "[", "}", "]"])
JOINED_BY = st.sampled_from(["\n", "\r\n", " \n", "\n ", "\n\n", " ", "", ",\n", "\r"])


@settings(deadline=None, max_examples=300, derandomize=True)
@given(
    examples=st.lists(TURNS, min_size=3, max_size=5),
    place=BROKEN_AFTER,
    joint=JOINED_BY,
    order=st.randoms(use_true_random=False),
    vectorised=st.booleans(),
)
def test_the_fast_reader_takes_only_whole_objects_one_on_each_line(
    examples: list[list[str]], place: str, joint: str, order: random.Random, vectorised: bool
) -> None:
    """Even if one line is broken in two and two are joined, so that there are as many objects as lines."""
    lines = [
        json.dumps({"messages": [{"role": r, "content": t} for t in turns for r in ("user", "assistant")]})
        for turns in examples
    ]
    broken, joined = order.sample(range(len(lines)), 2)
    if order.random() < 0.8:
        lines[broken] = lines[broken].replace(place, f"{place}\n", 1)
    ends = ["\n"] * len(lines)
    ends[joined] = joint
    block = "".join(line + end for line, end in zip(lines, ends, strict=True)).encode()
    read = chunk.read(block, "chat", vectorised=vectorised)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plain, "decode", lambda block, vectorised: None)
        assert chunk.read(block, "chat", vectorised=vectorised) == read


def shown(path: Path, **how: Any) -> Any:
    inspection = inspect(path, **how)
    return inspection.digest, inspection.content, inspection.counts, inspection.found, inspection.examples


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    """Good and bad lines of all kinds, in a wild order."""
    lines = spread(200)
    lines += [
        line for e in EXAMPLES.values() if e.format == "chat" and isinstance(e.bad, list) for line in e.bad
    ]
    lines = [line for line in lines if len(line) < 100_000]
    random.Random(5).shuffle(lines)
    path = tmp_path / "mixed.jsonl"
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


def test_chunks_may_be_of_any_size(mixed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = shown(mixed)
    for size in (50, 1_000, 7_777):
        monkeypatch.setattr(checker, "CHUNK", size)
        assert shown(mixed) == whole


def test_processes_say_what_one_says(mixed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = shown(mixed)
    monkeypatch.setattr(checker, "CHUNK", 10_000)
    assert shown(mixed, processes=2) == whole


def test_the_content_is_the_same_however_it_is_written(tmp_path: Path) -> None:
    lines = spread(30)
    one, other = tmp_path / "one.jsonl", tmp_path / "other.jsonl"
    one.write_text("\n".join(lines))
    rows = (
        json.dumps(json.loads(line), sort_keys=True, indent=None, separators=(" ,", ":  ")) for line in lines
    )
    other.write_bytes(b"\xef\xbb\xbf" + "\r\n\r\n".join(rows).encode())
    assert inspect(one).content == inspect(other).content
    assert inspect(one).digest != inspect(other).digest
    other.write_text("\n".join(reversed(lines)))
    assert inspect(one).content != inspect(other).content


@settings(deadline=None, max_examples=200, derandomize=True)
@given(data=st.data())
def test_secrets_are_found_with_numpy_and_without(data: st.DataObject) -> None:
    bad = [
        e.bad[0]
        for r, e in EXAMPLES.items()
        if r.startswith(("secret", "personal")) and isinstance(e.bad, list)
    ]
    parts = data.draw(
        st.lists(st.sampled_from([*bad, "Donaudampfschiff 1234-5678 " * 2, "x" * 40, "@", "\n"]))
    )
    block = "\n".join(parts).encode()
    assert list(sensitive_data.hits(block)) == list(sensitive_data.hits(block, vectorised=True))


BESIDE_CARDS = {
    "longer than a card": "537723126954196242",
    "at the end of what is looked at": f"{'x' * 1007}4539578763621486{'9' * 40}",
}


@pytest.mark.parametrize("text", BESIDE_CARDS.values(), ids=BESIDE_CARDS)
@pytest.mark.parametrize("lead", range(0, 40, 13))
def test_figures_that_go_on_are_no_card(text: str, lead: int) -> None:
    block = (f"{'k' * 16}{'0' * lead} " + text).encode()
    for vectorised in (False, True):
        assert [h.rule for h in sensitive_data.hits(block, vectorised=vectorised)] == []


@settings(deadline=None, max_examples=150, derandomize=True)
@given(data=st.data())
def test_figures_are_found_with_numpy_and_without(data: st.DataObject) -> None:
    """Also where there are very many of them."""
    seed, count = data.draw(st.integers(0, 10_000)), data.draw(st.sampled_from([3, 60, 250, 600]))
    choose = random.Random(seed)
    parts = [f"{choose.randrange(10**n):0{n}d}" for n in choose.choices([4, 4, 4, 2, 3, 9], k=count)]
    block = "".join(part + choose.choice([" ", " ", " ", "-", ", "]) for part in parts)
    block = block[:50] + " 0765 5029 1061 0728 2726 " + block[50:]
    found = list(sensitive_data.hits(block.encode()))
    assert found == list(sensitive_data.hits(block.encode(), vectorised=True))
    assert "personal/card" in {hit.rule for hit in found}


def test_nothing_is_wrong_with_results_of_the_older_form() -> None:
    call = {"name": "rise", "arguments": '{"height": 1}'}
    messages: list[dict[str, Any]] = [
        {"role": "user", "content": "Up"},
        {"role": "assistant", "function_call": call},
        {"role": "function", "name": "rise", "content": "1"},
        {"role": "assistant", "content": "Done"},
    ]
    line = json.dumps({"messages": messages, "functions": [TOOL["function"]]})
    assert precise(line.encode()) == []


def test_calls_of_one_name_in_both_forms() -> None:
    call = {"name": "rise", "arguments": '{"height": 1}'}
    legacy = {"role": "assistant", "function_call": call}
    messages = [{"role": "user", "content": "Up"}, legacy, {**legacy, "tool_calls": []}]
    line = json.dumps({"messages": messages, "functions": [TOOL["function"]]})
    counts = chunk.read(line.encode(), "chat").counts
    assert counts == {"tools/mixed": 1, "tools/call": 1, "tools/no-result": 1, "chat/role-order": 1}


def test_a_key_that_begins_as_a_word_does() -> None:
    block = b"a sk-vskvdnbokxpldxxecm8904763794180437339853818 b"
    for vectorised in (False, True):
        assert [h.rule for h in sensitive_data.hits(block, vectorised=vectorised)] == ["secret/openai-key"]


TWICE = {
    "content": '{"messages": [{"role": "user", "content": "x", "c\\u006fntent": "y"}, %s]}',
    "name": '{"messages": [{"role": "user", "name": "a", "name": "b", "content": "x"}, %s]}',
    "parallel_tool_calls": '{"messages": [{"role": "user", "content": "x"}, %s], "parallel_tool_calls": true,'
    ' "parallel_tool_calls": false, "tools": [TOOL]}',
    "arguments": '{"messages": [{"role": "user", "content": "x"}, {"role": "assistant", "tool_calls": '
    '[{"id": "1", "type": "function", "function": {"name": "rise", "arguments": "{}", '
    '"arguments": "{\\"height\\": 1}"}}]}], "tools": [TOOL]}',
}


@pytest.mark.parametrize("key", TWICE)
def test_a_key_that_is_there_twice_is_found_by_every_reader(tmp_path: Path, key: str) -> None:
    answer = '{"role": "assistant", "content": "y"}'
    line = TWICE[key].replace("%s", answer).replace("TOOL", json.dumps(TOOL))
    path = tmp_path / "a.jsonl"
    path.write_text(f"{line}\n")
    assert inspect(path).counts.get("json/duplicate-key") == 1


@settings(deadline=None, derandomize=True)
@given(keys=st.lists(st.integers(0, 9), max_size=60))
def test_many_keys_are_compared_as_few(keys: list[int]) -> None:
    packed = array("Q", keys)
    assert sorted(minhash._groups_of_many(packed)) == sorted(minhash._groups_of_few(keys))


def test_a_file_that_changes_while_it_is_read_is_refused(
    mixed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The very bytes that were checked are uploaded: their digest is that of the plan."""
    worth = checker._worth

    def grow(size: int) -> int:
        with mixed.open("a") as stream:
            stream.write("\n")
        return worth(size)

    monkeypatch.setattr(checker, "_worth", grow)
    inspection = inspect(mixed)
    assert inspection.counts == {"file/changed": 1}
    assert inspection.digest == ""


@settings(deadline=None, max_examples=300, derandomize=True)
@given(
    text=st.text(alphabet="ab\n\r", max_size=60),
    mark=st.booleans(),
    numbers=st.sets(st.integers(1, 30)),
    size=st.integers(1, 9),
)
def test_lines_are_read_by_number(text: str, mark: bool, numbers: set[int], size: int) -> None:
    """Over the ends of chunks, behind a byte order mark, and as far as there are any."""
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(checker, "CHUNK", size)
        path = Path(folder) / "a.jsonl"
        path.write_bytes(b"\xef\xbb\xbf" * mark + text.encode())
        lines = dict(enumerate((line.rstrip("\r") for line in text.split("\n")), 1))
        found = [(number, line) for number, line in checker.lines_at(path, numbers)]
    assert found == [(number, lines[number]) for number in sorted(numbers) if number in lines]


WORDS = st.lists(
    st.sampled_from(["", "a", "Wort", "word", "ß", "日本", " ", "\n", "\0", "\x01", "long" * 40]), max_size=12
)


@settings(deadline=None, max_examples=300, derandomize=True)
@given(texts=st.lists(WORDS.map(" ".join), max_size=6))
def test_minhashes_are_the_same_with_numpy_and_without(texts: list[str]) -> None:
    assert minhash.minhashes(texts) == minhash.minhashes(texts, vectorised=True)


def test_minhashes_find_most_texts_that_are_nearly_the_same() -> None:
    """Texts of 20 to 100 words in which one was replaced; and hardly any that are not."""
    choose = random.Random(5)
    words = ["".join(choose.choices("etaoinshrdlu", k=choose.randint(2, 9))) for _ in range(3000)]
    originals = [choose.choices(words, k=choose.randint(20, 100)) for _ in range(1000)]
    edited = [[*text] for text in originals]
    for text in edited:
        text[choose.randrange(len(text))] = choose.choice(words)
    packed = array("Q", minhash.minhashes([" ".join(text) for text in (*originals, *edited)]))
    pairs = {
        pair
        for half in (0, 1)
        for group in minhash.groups_of_equal(packed[half::2])
        for pair in combinations(group, 2)
    }
    found = sum((n, n + 1000) in pairs for n in range(1000))
    assert found > 930
    assert len(pairs) - found < 10


@pytest.mark.parametrize("where", ["definitions", "a message", "nowhere"])
def test_secrets_are_found_wherever_they_stand_beside_functions(tmp_path: Path, where: str) -> None:
    """Definitions are looked at once for all lines that share them; what is found is counted in each."""
    key = EXAMPLES["secret/aws-key"].bad[0]
    assert isinstance(key, str)
    secret = re.search(r"AKIA\w{16}", key)
    assert secret is not None
    tool = json.loads(json.dumps(TOOL))
    tool["function"]["description"] = f"Rise. {secret[0]}" if where == "definitions" else "Rise. " * 200
    lines = []
    for number in range(12):
        said = f"Answer {number}" + (f" {secret[0]}" if where == "a message" and number == 7 else "")
        messages = [{"role": "user", "content": f"Ask {number}"}, {"role": "assistant", "content": said}]
        lines.append(json.dumps({"messages": messages, "tools": [tool]}))
    path = tmp_path / "a.jsonl"
    path.write_text("\n".join(lines))
    found = [f for f in inspect(path).found if f.rule == "secret/aws-key"]
    assert inspect(path).counts.get("secret/aws-key", 0) == {"definitions": 12, "a message": 1}.get(where, 0)
    assert [f.line for f in found] == {"definitions": [1, 2, 3, 4, 5], "a message": [8]}.get(where, [])


def test_a_key_that_is_there_twice_is_found_if_it_is_as_long_as_spaces_would_be(tmp_path: Path) -> None:
    """Lines with a space after each comma and colon are longer by four bytes for each message."""
    line = '{"messages":[%s]}\n'
    system = '{"role":"system","role":"system","content":"s"}'
    rest = '{"role":"user","content":"%d"},{"role":"assistant","content":"a"}'
    path = tmp_path / "a.jsonl"
    rows = [line % rest.replace("%d", str(number)) for number in range(9)]
    path.write_text(
        line % f"{system},{rest.replace('%d', 'x')},{rest.replace('%d', 'y').partition(',{')[0]}"
        + "".join(rows)
    )
    assert inspect(path).counts.get("json/duplicate-key") == 1

"""Cleaning: what is mended, what is left, and that cleaning twice changes nothing more."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ftops.dataset import inspect
from ftops.dataset.checks import chunk
from ftops.dataset.rules.catalogue import RULES
from ftops.dataset.transforms.clean import Consecutive, clean, mended

USER: dict[str, Any] = {"role": "user", "content": "Hello?"}
ANSWER: dict[str, Any] = {"role": "assistant", "content": "Hi."}
CALL = {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}
CALLING: dict[str, Any] = {"role": "assistant", "tool_calls": [CALL]}
BLANK = {"type": "text", "text": " "}
EMPTY: dict[str, Any] = {"role": "assistant", "content": ""}


def run(
    path: Path, content: bytes, how: Consecutive = Consecutive.LEAVE
) -> tuple[bytes, list[tuple[int, str]]]:
    """The cleaned content, and (line, kind) of each change."""
    path.write_bytes(content)
    found = list(clean(path, how))
    written = b"".join(one.raw + b"\n" for one in found if one.raw is not None)
    return written, [(change.line, change.kind) for one in found for change in one.changes]


def line(*messages: dict[str, Any], **more: Any) -> bytes:
    return json.dumps({"messages": messages, **more}).encode() + b"\n"


@pytest.mark.parametrize(
    ("before", "after", "kinds"),
    [
        ([USER, {**ANSWER, "refusal": None, "tool_calls": None}], [USER, ANSWER], ["null", "null"]),
        ([USER, {"role": "assistant", "content": None, "tool_calls": [CALL]}], [USER, CALLING], ["null"]),
        ([USER, {"role": "assistant", "content": "", "tool_calls": [CALL]}], [USER, CALLING], ["null"]),
        ([USER, {"role": "assistant", "content": [], "tool_calls": [CALL]}], [USER, CALLING], ["null"]),
        (
            [{"role": "user", "content": [BLANK, {"type": "text", "text": "x"}]}, ANSWER],
            [{"role": "user", "content": [{"type": "text", "text": "x"}]}, ANSWER],
            ["empty-part"],
        ),
        ([{"role": "user", "content": [BLANK]}, ANSWER], None, []),
        ([{"role": "system", "content": " "}, USER, ANSWER], [USER, ANSWER], ["empty-message"]),
        ([{"role": "user", "content": ""}, USER, ANSWER], [USER, ANSWER], ["empty-message"]),
        ([{"role": "user", "content": ""}, ANSWER], None, []),
        ([USER, ANSWER, {"role": "user", "content": ""}, ANSWER], None, []),
        ([USER, CALLING, {"role": "tool", "tool_call_id": "a", "content": ""}, ANSWER], None, []),
        ([USER, {"role": "assistant", "content": "null", "tool_calls": [CALL]}], [USER, CALLING], ["null"]),
        ([USER, {"role": "assistant", "content": "null"}], None, []),
        ([USER, ANSWER, USER, EMPTY], None, []),
        ([USER, ANSWER, ANSWER], None, []),
        ([USER, {"role": "assistant", "content": "", "refusal": "No."}], None, []),
        (
            [USER, {"role": "assistant", "content": None, "refusal": "No."}],
            [USER, {"role": "assistant", "refusal": "No."}],
            ["null"],
        ),
        ([USER, CALLING, {"role": "tool", "tool_call_id": "a", "content": None}, ANSWER], None, []),
        ([{"role": "user", "content": None}, ANSWER], None, []),
        ([{"role": "system", "content": None}, USER, ANSWER], [USER, ANSWER], ["empty-message"]),
        ([{"role": None, "content": "x"}, ANSWER], None, []),
        (
            [{"role": "system"}, {"role": "system"}, {"role": "system", "content": "x"}, USER, ANSWER],
            [{"role": "system", "content": "x"}, USER, ANSWER],
            ["empty-message"],
        ),
        ([USER, {**ANSWER, "mood": None}], [USER, ANSWER], ["null"]),
    ],
)
def test_messages(
    tmp_path: Path, before: list[dict[str, Any]], after: list[dict[str, Any]] | None, kinds: list[str]
) -> None:
    content = line(*before)
    written, changes = run(tmp_path / "a.jsonl", content)
    assert [kind for _, kind in changes] == sorted(kinds, key=kinds.index)
    if after is None:
        assert written == content, "byte by byte"
    else:
        assert json.loads(written)["messages"] == after


def test_an_example_with_nothing_to_learn_is_removed(tmp_path: Path) -> None:
    assert run(tmp_path / "a.jsonl", line(USER, EMPTY)) == (b"", [(1, "empty-answer")])


@pytest.mark.parametrize(
    ("run_of", "how", "after"),
    [
        ([ANSWER, {**ANSWER, "content": "Bye."}], Consecutive.MERGE, [{**ANSWER, "content": "Hi.\n\nBye."}]),
        ([ANSWER, CALLING], Consecutive.MERGE, [{**CALLING, "content": "Hi."}]),
        ([CALLING, ANSWER], Consecutive.MERGE, [CALLING, ANSWER]),  # the text may come after the result
        ([{**ANSWER, "weight": 0}, ANSWER], Consecutive.MERGE, [{**ANSWER, "weight": 0}, ANSWER]),
        ([ANSWER, {**ANSWER, "content": "Bye."}], Consecutive.KEEP_LAST, [{**ANSWER, "content": "Bye."}]),
    ],
)
def test_consecutive_answers(
    tmp_path: Path, run_of: list[dict[str, Any]], how: Consecutive, after: list[dict[str, Any]]
) -> None:
    written, _ = run(tmp_path / "a.jsonl", line(USER, *run_of), how)
    assert json.loads(written)["messages"] == [USER, *after]


def test_outputs_of_pairs_and_keys_for_graders(tmp_path: Path) -> None:
    pair = {"input": {"messages": [USER], "tools": None}, "preferred_output": [{**ANSWER, "name": None}]}
    task = {"messages": [USER], "answer": None}
    content = "".join(json.dumps(one) + "\n" for one in (pair, task)).encode()
    written, changes = run(tmp_path / "a.jsonl", content)
    mended, same = map(json.loads, written.splitlines())
    assert mended == {"input": {"messages": [USER]}, "preferred_output": [ANSWER]}
    assert same == task, "null may be an answer"
    assert changes == [(1, "null"), (1, "null")]


def test_lines(tmp_path: Path) -> None:
    mark = b"\xef\xbb\xbf"
    one, two, three, four = (line({**USER, "content": text}, ANSWER)[:-1] for text in "abcd")
    content = mark + one + b"\r\n\r\n" + mark + two + b"\r" + three + b"\n" + one
    content += b'\n{"broken": \n{"broken": \n' + three + mark + four
    written, changes = run(tmp_path / "a.jsonl", content)
    assert written == b"\n".join([one, two, three, b'{"broken": ', four, b""])
    assert changes == [
        (1, "line-end"),
        (3, "line-end"),
        (3, "byte-order-mark"),
        (4, "duplicate"),
        (6, "duplicate"),
        (7, "byte-order-mark"),
        (7, "duplicate"),
    ]


def test_a_line_that_is_not_strictly_json_stays(tmp_path: Path) -> None:
    twice = b'{"messages": [{"role": "user", "role": "user", "content": "a", "name": null}]}\n'
    assert run(tmp_path / "a.jsonl", twice) == (twice, [])


MESSAGES = st.builds(
    lambda role, more: {"role": role, **more},
    st.sampled_from(["system", "user", "assistant", "tool", "developer"]),
    st.dictionaries(
        st.sampled_from(["content", "name", "tool_calls", "weight", "refusal"]),
        st.sampled_from([None, "", " ", "a", "b", 0, 1, [CALL], [], [{"type": "text", "text": "a"}]]),
        max_size=3,
    ),
)
LISTS = st.lists(MESSAGES, max_size=4)
OBJECTS = st.one_of(
    st.fixed_dictionaries({"messages": LISTS}),
    st.fixed_dictionaries({"messages": LISTS, "answer": st.sampled_from([None, "x"])}),
    st.fixed_dictionaries(
        {
            "input": st.fixed_dictionaries({"messages": LISTS, "tools": st.none()}),
            "preferred_output": LISTS,
            "non_preferred_output": LISTS,
        }
    ),
)


def errors(example: dict[str, Any], format: str) -> set[str]:
    counts = chunk.read(json.dumps(example).encode(), format).counts
    return {rule for rule in counts if RULES[rule].grade == "error"}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150)
@given(OBJECTS, st.sampled_from(Consecutive))
def test_cleaning_makes_nothing_wrong(tmp_path: Path, example: dict[str, Any], how: Consecutive) -> None:
    """And what it says that it mends is mended: it says so no more of the result."""
    format = "preference" if "input" in example else "reinforcement" if "answer" in example else "chat"
    written, _ = run(tmp_path / "a.jsonl", json.dumps(example).encode(), how)
    if written:
        assert errors(json.loads(written), format) <= errors(example, format) | {"preference/same"}
    written, _ = run(tmp_path / "a.jsonl", json.dumps(example).encode(), Consecutive.MERGE)
    (tmp_path / "a.jsonl").write_bytes(written)
    assert mended(tmp_path / "a.jsonl", inspect(tmp_path / "a.jsonl", format=format)) == ()


LINES = st.one_of(
    st.lists(MESSAGES, max_size=5).map(lambda messages: line(*messages)[:-1]),
    st.sampled_from([b"", b" ", b"\xef\xbb\xbf", b"{", b"5", b"\xff", b"\r", b'{"a": 1}\r{"a": 2}']),
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200)
@given(st.lists(LINES, max_size=6), st.sampled_from([b"\n", b"\r\n"]), st.sampled_from(Consecutive))
def test_cleaning_twice_changes_nothing_more(
    tmp_path: Path, lines: list[bytes], end: bytes, how: Consecutive
) -> None:
    written, _ = run(tmp_path / "a.jsonl", end.join(lines), how)
    assert run(tmp_path / "a.jsonl", written, how) == (written, [])
    assert "data/duplicate" not in inspect(tmp_path / "a.jsonl").counts


def test_the_result_passes_the_checks_that_it_is_made_for(tmp_path: Path) -> None:
    rows = [
        [
            {"role": "system", "content": ""},
            USER,
            {"role": "assistant", "content": None, "tool_calls": [CALL]},
        ],
        [USER, ANSWER, {**ANSWER, "content": "Bye."}],
        [USER, {**ANSWER, "content": "Hi.\n\nBye."}],
        [USER, EMPTY],
    ]
    written, _ = run(tmp_path / "a.jsonl", b"".join(line(*row) for row in rows), Consecutive.MERGE)
    (tmp_path / "b.jsonl").write_bytes(written)
    left = set(inspect(tmp_path / "b.jsonl").counts)
    assert left <= {"file/byte-order-mark", "file/too-few-examples", "tools/none-offered", "tools/no-result"}

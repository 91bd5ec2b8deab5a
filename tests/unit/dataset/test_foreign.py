"""Formats of other tools: each is recognised by name, and converted as it is meant."""

from __future__ import annotations

import json
from ast import literal_eval
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ftops.core.errors import UsageError
from ftops.dataset import FORMATS as FORMATS_OF_SERVICE
from ftops.dataset import inspect
from ftops.dataset.files.jsonl_io import DataError
from ftops.dataset.formats.documents import lists_in
from ftops.dataset.formats.foreign import Unconvertible, own, recognise, unpacked
from ftops.dataset.transforms.sources import Reader, has_rows, is_foreign
from ftops.dataset.transforms.tabular import Template

U, A = {"role": "user", "content": "Where?"}, {"role": "assistant", "content": "There."}
TURN = {"from": "human", "value": "Where?"}
FORMATS: dict[str, tuple[str, dict[str, Any], list[dict[str, Any]]]] = {
    "alpaca": ("Alpaca", {"instruction": "Where?", "input": "", "output": "There."}, [U, A]),
    "alpaca with an input, a system message and a history": (
        "Alpaca",
        {
            "instruction": "Add",
            "input": "1, 2",
            "output": " 3 ",
            "system": "Be brief.",
            "history": [["Where?", "There."]],
        },
        [
            {"role": "system", "content": "Be brief."},
            U,
            A,
            {"role": "user", "content": "Add\n\n1, 2"},
            {"role": "assistant", "content": "3"},
        ],
    ),
    "dolly": ("Dolly", {"instruction": "Where?", "context": "", "response": "There."}, [U, A]),
    "prompts": ("prompt/completion", {"prompt": "Where?", "completion": " There."}, [U, A]),
    "prompts with separators": (
        "prompt/completion",
        {"prompt": "Where?\n\n###\n\n", "completion": " There. END"},
        [U, A],
    ),
    "prompts that are marked as good": (
        "prompt/completion",
        {"prompt": "Where?", "completion": "There.", "label": True},
        [U, A],
    ),
    "prompts as lists": ("prompt/completion", {"prompt": [U], "completion": [A]}, [U, A]),
    "sharegpt": ("ShareGPT", {"conversations": [TURN, {"from": "gpt", "value": "There."}]}, [U, A]),
    "turns under another key": ("ShareGPT", {"items": [TURN, {"from": "gpt", "value": "There."}]}, [U, A]),
    "turns under the key of ours": (
        "ShareGPT",
        {"messages": [TURN, {"from": "ai", "value": "There."}]},
        [U, A],
    ),
    "conversations with roles of others": (
        "conversations",
        {"dialog": [{**U, "role": "human"}, {**A, "role": "bot"}], "system": "Be brief."},
        [{"role": "system", "content": "Be brief."}, U, A],
    ),
    "gemini": (
        "Gemini",
        {
            "systemInstruction": {"parts": [{"text": "Be brief."}]},
            "contents": [
                {"role": "user", "parts": [{"text": "Where"}, {"text": "?"}]},
                {"role": "model", "parts": [{"text": "There."}]},
            ],
        },
        [{"role": "system", "content": "Be brief."}, U, A],
    ),
    "sharegpt with several calls at once": (
        "ShareGPT",
        {
            "conversations": [
                TURN,
                {"from": "tool_call", "value": '[{"name": "f"}, {"name": "g", "arguments": "{}"}]'},
                {"from": "tool_response", "value": "1"},
                {"from": "tool_response", "value": "2"},
                {"from": "gpt", "value": "There."},
            ]
        },
        [
            U,
            {
                "role": "assistant",
                "tool_calls": [
                    {"id": f"call_2_{n}", "type": "function", "function": {"name": name, "arguments": "{}"}}
                    for n, name in ((1, "f"), (2, "g"))
                ],
            },
            {"role": "tool", "content": "1", "tool_call_id": "call_2_1"},
            {"role": "tool", "content": "2", "tool_call_id": "call_2_2"},
            A,
        ],
    ),
    "sharegpt with calls": (
        "ShareGPT",
        {
            "system": "Be brief.",
            "conversations": [
                TURN,
                {"from": "function_call", "value": '{"name": "find", "arguments": {"what": "é"}}'},
                {"from": "observation", "value": "There"},
                {"from": "gpt", "value": "There."},
            ],
        },
        [
            {"role": "system", "content": "Be brief."},
            U,
            {
                "role": "assistant",
                "tool_calls": [
                    {
                        "id": "call_2",
                        "type": "function",
                        "function": {"name": "find", "arguments": '{"what": "é"}'},
                    }
                ],
            },
            {"role": "tool", "content": "There", "tool_call_id": "call_2"},
            A,
        ],
    ),
    "conversations": ("conversations", {"id": 3, "conversations": [U, {**A, "name": None}]}, [U, A]),
}


@pytest.mark.parametrize("name", FORMATS)
def test_an_example_is_recognised_and_converted(name: str) -> None:
    format, example, messages = FORMATS[name]
    foreign = recognise(example)
    assert foreign is not None
    assert foreign.name == format
    assert foreign.convert(example)["messages"] == messages


def test_pairs_of_answers_become_preferences() -> None:
    B = {"role": "assistant", "content": "No."}
    wanted = {"input": {"messages": [U]}, "preferred_output": [A], "non_preferred_output": [B]}
    for example in (
        {"prompt": "Where?", "chosen": "There.", "rejected": "No."},
        {"prompt": [U], "chosen": [A], "rejected": [B]},
        {"prompt": "Where?", "chosen": [U, A], "rejected": [U, B]},
        {
            "chosen": "\n\nHuman: Where?\n\nAssistant: There.",
            "rejected": "\n\nHuman: Where?\n\nAssistant: No.",
        },
        {"question": "Where?", "chosen": "There.", "rejected": "No."},
        {"prompt": "\n\nHuman: Where?\n\nAssistant:", "chosen": "There.", "rejected": "No."},
    ):
        foreign = recognise(example)
        assert foreign is not None
        assert foreign.convert(example) == wanted


@pytest.mark.parametrize(
    ("example", "why"),
    [
        ({"instruction": "", "input": "", "output": "x"}, "`instruction` is empty"),
        ({"instruction": "x", "output": " "}, "`output` is empty"),
        ({"instruction": "x", "output": "y", "history": ["z"]}, "must be a list of pairs"),
        ({"conversations": [{"from": "narrator", "value": "x"}]}, '"narrator"'),
        ({"conversations": [{"from": "human", "value": 3}]}, "the number 3"),
        ({"conversations": [{"from": "function_call", "value": "rise"}]}, "isn't JSON with a `name`"),
        ({"conversations": [{"from": "tool", "value": "x"}]}, "without a call before it"),
        ({"conversations": [TURN], "tools": "{"}, "`tools` isn't JSON"),
        ({"conversations": [{"from": "function_call", "value": "[]"}]}, "isn't JSON with a `name`"),
        ({"prompt": "Where?", "completion": "No.", "label": False}, "`label` is false"),
        ({"contents": [{"role": "user", "parts": [{"inlineData": {}}]}]}, "parts that aren't text"),
        ({"conversations": [TURN], "tools": "[3]"}, "isn't an object"),
        ({"conversations": [{"role": 3}]}, "without a `role`"),
        ({"chosen": "x", "rejected": "y"}, "no prompt"),
    ],
)
def test_what_cannot_be_converted_says_why(example: dict[str, Any], why: str) -> None:
    foreign = recognise(example)
    assert foreign is not None
    with pytest.raises(Unconvertible, match=why.replace("(", r"\(")):
        foreign.convert(example)


@pytest.mark.parametrize(
    "example",
    [
        {"messages": [U, A], "prompt": "Where?", "completion": "There."},
        {"input": {"messages": [U]}, "preferred_output": [A], "non_preferred_output": [A]},
        {"prompt": 3, "completion": "x"},
        {"conversations": []},
        {"conversations": "x"},
        {"input": "x", "output": "y"},
    ],
)
def test_an_example_of_ours_is_not_foreign(example: dict[str, Any]) -> None:
    assert recognise(example) is None


def test_columns_that_a_row_lacks_are_left_out() -> None:
    row = {"messages": [{**U, "name": None}, A], "tools": None, "id": 4}
    assert own(row) == {"messages": [U, A]}
    assert own({"messages": [U], "answer": "4", "hint": None}) == {"messages": [U], "answer": "4"}
    assert own({"text": "x"}) is None
    other = {"role": "assistant", "content": "No."}
    pair = {"input": {"messages": [U]}, "preferred_output": [A], "non_preferred_output": [other]}
    for given in (
        {"input": [U], "preferred_output": A, "non_preferred_output": [other]},
        {"input": "Where?", "preferred_output": "There.", "non_preferred_output": "No."},
    ):
        assert own(given) == pair
    system = {"role": "system", "content": "Be brief."}
    assert own({"system": "Be brief.", "messages": [{**U, "role": "human"}, A]}) == {
        "messages": [system, U, A]
    }


@pytest.mark.parametrize(
    ("cells", "same"),
    [
        ({"messages": json.dumps([U, A]), "tools": json.dumps([{"type": "function"}])}, ()),
        ({"conversations": json.dumps([TURN])}, ()),
        ({"messages": str([U, {**A, "name": None}])}, ()),
        ({"chosen": json.dumps([U, A]), "rejected": json.dumps([U, A]), "prompt": "Where?"}, ("prompt",)),
        ({"input": json.dumps({"messages": [U]}), "preferred_output": json.dumps([A])}, ()),
        (
            {"prompt": '{"a": 1}', "completion": "[1]", "instruction": "[x"},
            ("prompt", "completion", "instruction"),
        ),
        ({"messages": "[{", "tools": "", "conversations": "[[]]"}, ("messages", "tools", "conversations")),
        ({"messages": "[" * 20_000, "input": '{"a": 1}'}, ("messages", "input")),
    ],
)
def test_lists_written_as_text_are_lists(cells: dict[str, str], same: tuple[str, ...]) -> None:
    found = unpacked(cells)
    assert {key for key, value in found.items() if value == cells[key]} == set(same)
    assert all(
        value == literal_eval(_as_python(cells[key])) for key, value in found.items() if key not in same
    )


def _as_python(text: str) -> str:
    return text.replace("null", "None").replace("true", "True")


def test_arguments_that_are_objects_become_text() -> None:
    call = {"id": "a", "type": "function", "function": {"name": "f", "arguments": {"x": "é", "y": None}}}
    converted = own({"messages": [U, {"role": "assistant", "tool_calls": [call]}]})
    assert converted is not None
    [written] = converted["messages"][1]["tool_calls"]
    assert written["function"] == {"name": "f", "arguments": '{"x": "é"}'}


DOCUMENTS: dict[str, Callable[[Any], str]] = {
    "a list": json.dumps,
    "a list over lines": lambda rows: json.dumps(rows, indent=2),
    "a list with an object per line": lambda rows: "[\n" + ",\n".join(map(json.dumps, rows)) + "\n]\n",
    "objects over lines": lambda rows: "\n".join(json.dumps(row, indent=4) for row in rows),
    "windows line ends": lambda rows: json.dumps(rows, indent=2).replace("\n", "\r\n"),
    "a list under a key": lambda rows: json.dumps({"version": 1, "data": rows, "next": None}),
    "a list under a key, over lines": lambda rows: json.dumps(
        {"meta": {"a": [1]}, "examples": rows}, indent=1
    ),
    "several lists": lambda rows: json.dumps(rows[:1]) + "\n" + json.dumps(rows[1:]),
    "several lists in one line": lambda rows: json.dumps(rows[:1]) + json.dumps(rows[1:]),
    "objects in one line": lambda rows: "".join(map(json.dumps, rows)),
    "a conversation per line": lambda rows: "\n".join(json.dumps(row["messages"]) for row in rows),
    "conversations without keys": lambda rows: json.dumps([row["messages"] for row in rows]),
}


@pytest.mark.parametrize("count", [2, 3000])
@pytest.mark.parametrize("form", DOCUMENTS)
def test_a_document_of_any_size_is_one_finding_and_is_converted(
    tmp_path: Path, form: str, count: int
) -> None:
    """Also if it is much larger than what is read at once."""
    rows = [{"messages": [{**U, "content": f"Where is {n}?" * 8}, A]} for n in range(count)]
    path = tmp_path / "a.json"
    path.write_text("\ufeff" + DOCUMENTS[form](rows), newline="")
    assert inspect(path).counts == {"file/document": 1}
    assert is_foreign(path)
    assert [example for _, example in Reader().read(path, "a.json")] == rows


@pytest.mark.parametrize(
    ("text", "line"), [('[\n{"messages": []},\n3]', 3), ('[\n{"a": 1},\n{"a": }]', 3), ('{\n"a": 1\n}\n{', 4)]
)
def test_what_is_wrong_in_a_document_has_its_line(tmp_path: Path, text: str, line: int) -> None:
    path = tmp_path / "a.json"
    path.write_text(text.replace('{"messages": []}', json.dumps({"messages": [U, A]})))
    with pytest.raises(DataError) as caught:
        list(Reader().read(path, "a.json"))
    [diagnostic] = caught.value.diagnostics
    assert diagnostic.place is not None
    if "messages" in text:
        assert diagnostic.place.line == line


@pytest.mark.parametrize(
    ("value", "lists"),
    [
        ({"data": [{"messages": [U, A]}], "tags": ["a"]}, ["data"]),
        (
            {"train": [{"prompt": "a", "completion": "b"}], "test": [{"prompt": "a", "completion": "b"}]},
            ["train", "test"],
        ),
        ({"messages": [U, A], "data": [{"messages": [U, A]}]}, None),
        ({"conversations": [TURN]}, None),
        ({"data": [1, 2]}, None),
        ({"data": []}, None),
        ({"data": {"messages": [U, A]}}, None),
    ],
)
def test_lists_of_examples_in_an_object_on_one_line(value: Any, lists: list[str] | None) -> None:
    found = lists_in(json.dumps(value))
    assert (None if found is None else [one.key for one in found]) == lists


@pytest.mark.parametrize("wrap", [lambda rows: rows, lambda rows: {"data": rows}])
def test_a_document_of_one_long_line(tmp_path: Path, wrap: Callable[[Any], Any]) -> None:
    """Longer than what is kept of a line."""
    path = tmp_path / "a.json"
    path.write_text(json.dumps(wrap([{"messages": [{**U, "content": "x" * 1000}, A]}] * 33_000)))
    inspection = inspect(path)
    assert inspection.counts == {"file/document": 1}
    assert "a.chat.jsonl" in next(inspection.diagnostics("a.json")).hint


def test_a_document_that_is_cut_off_or_has_several_lists_is_not_converted(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text(json.dumps([{"messages": [U, A]}] * 2)[:-1])
    with pytest.raises(DataError, match="cut off"):
        list(Reader().read(path, "a.json"))
    path.write_text(json.dumps({"train": [{"messages": [U, A]}], "test": [{"messages": [U, A]}]}))
    with pytest.raises(UsageError, match='"train" and "test"'):
        list(Reader().read(path, "a.json"))
    assert "file of its own" in next(inspect(path).diagnostics("a.json")).hint


@pytest.mark.parametrize("write", [lambda rows: "\n".join(map(json.dumps, rows)), json.dumps])
def test_objects_like_rows_of_a_table_are_converted_by_templates(
    tmp_path: Path, write: Callable[[Any], str]
) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(write([{"id": n, "question": "Where?", "answer": n} for n in range(3)]))
    inspection = inspect(path)
    assert list(inspection.counts) == ["file/document" if path.read_text()[0] == "[" else "file/other-format"]
    assert "--user '{question}' --assistant '{answer}'" in next(inspection.diagnostics("a.jsonl")).hint
    assert not is_foreign(path)
    assert has_rows(path)
    templates = (Template("user", "{question}"), Template("assistant", "{answer}"))
    assert [e["messages"][1]["content"] for e in Reader().chats(path, templates)] == ["0", "1", "2"]


def test_a_broken_line_is_no_document(tmp_path: Path) -> None:
    good = json.dumps({"messages": [U, A]})
    broken = (
        good[:-2],
        good[:40],
        good[:50] + "\n" + good[50:],
        good + ",",
        "[",
        '{"messages": [',
        "{",
        "{\n",
    )
    for first in broken:
        path = tmp_path / "a.jsonl"
        path.write_text("\n".join([first, *[good] * 12]))
        assert "file/document" not in inspect(path).counts or first == "[", first


FORMS: dict[str, tuple[Callable[[str], bytes], str]] = {
    "utf-16": (lambda text: text.encode("utf-16"), "file/not-utf8"),
    "utf-16 without a mark": (lambda text: text.encode("utf-16-le"), "file/not-utf8"),
    "utf-16 of the other order": (lambda text: text.encode("utf-16-be"), "file/not-utf8"),
    "utf-32": (lambda text: text.encode("utf-32"), "file/not-utf8"),
    "carriage returns": (lambda text: text.replace("\n", "\r").encode(), "file/line-ends"),
    "carriage returns after a mark": (
        lambda text: b"\xef\xbb\xbf" + text.replace("\n", "\r").encode(),
        "file/line-ends",
    ),
    "utf-32 without a mark": (lambda text: text.encode("utf-32-be"), "file/not-utf8"),
    "utf-16 of mostly wide characters": (
        lambda text: text.replace("Where is", "你好" * 90).encode("utf-16-le"),
        "file/not-utf8",
    ),
    "an older pointer": (
        lambda _: b"version https://hawser.github.com/spec/v1\noid sha256:ab\nsize 9\n",
        "file/git-lfs",
    ),
    "a tar archive": (
        lambda text: b"a.jsonl".ljust(257, b"\0") + b"ustar\0" + text.encode(),
        "file/compressed",
    ),
    "zeros": (lambda _: bytes(4000), "file/compressed"),
    "lz4": (lambda text: b"\x04\x22\x4d\x18" + text.encode(), "file/compressed"),
    "a web page": (lambda _: b"\n<!doctype html>\n<html>\n<body>404\n", "file/compressed"),
    "an error of a store": (lambda _: b"<?xml version='1.0'?><Error>x</Error>", "file/compressed"),
    "parquet": (lambda text: b"PAR1" + text.encode(), "file/table"),
}


def test_a_carriage_return_between_two_examples(tmp_path: Path) -> None:
    good = json.dumps({"messages": [U, A]})
    path = tmp_path / "a.jsonl"
    path.write_bytes(f"{good}\r{good}".encode())
    assert inspect(path).counts == {"file/line-ends": 1}
    path.write_bytes(f"{good}\n{good}\r\r{good}\n{good}\r\n".encode())
    [found] = [f for f in inspect(path).found if f.rule == "file/line-ends"]
    assert (found.line, found.column) == (2, len(good) + 1)


def test_examples_of_another_format_than_declared_have_one_finding(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"instruction": "Where?", "output": "There."}\n' * 12)
    assert all(inspect(path, format=f).counts == {"file/other-format": 1} for f in FORMATS_OF_SERVICE)


@pytest.mark.parametrize("form", FORMS)
def test_a_file_of_another_kind_has_one_finding(tmp_path: Path, form: str) -> None:
    path = tmp_path / "a.jsonl"
    lines = [json.dumps({"messages": [{**U, "content": f"Where is {n}?"}, A]}) + "\n" for n in range(200)]
    encode, rule = FORMS[form]
    path.write_bytes(encode("".join(lines)))
    assert inspect(path).counts == {rule: 1}

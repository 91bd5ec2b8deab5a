"""Prompts and what is expected, in every format, and what can't be right about them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from msgspec.structs import replace

from ftops.core.errors import SpecError
from ftops.evaluation.calls import ExpectedCall
from ftops.evaluation.prompts import Prompt, read_prompts

LAND = {
    "type": "object",
    "properties": {"place": {"type": "string", "enum": ["home", "here"]}, "height": {"type": "integer"}},
    "additionalProperties": False,
}
TOOLS = [
    {"type": "function", "function": {"name": "land", "parameters": LAND}},
    {"type": "function", "function": {"name": "reject_request"}},
]


def read(name: str, content: Any, tools: Any = TOOLS) -> tuple[Prompt, ...]:
    if not isinstance(content, bytes):
        content = (content if isinstance(content, str) else json.dumps(content)).encode()
    """Without the lines, which the way a file is written changes."""
    return tuple(replace(prompt, line=0) for prompt in read_prompts(content, name, tools))


def faults(name: str, content: Any, tools: Any = TOOLS) -> list[str]:
    with pytest.raises(SpecError) as caught:
        read(name, content, tools)
    return [f"{d.place}: {d.summary}. {d.detail} {d.hint}" for d in caught.value.diagnostics]


def test_sections_of_names() -> None:
    first, second = read("p.json", {"easy": {"Land!": "land"}, "hard": {"Land!": "reject_request"}})
    assert (first.slice, first.text, first.expected.function) == ("easy", "Land!", "land")
    assert (second.slice, second.expected.function) == ("hard", "reject_request")
    assert first.id != second.id


def test_rows_of_every_kind() -> None:
    rows = [
        {"prompt": "Land!", "expect": {"call": "land", "arguments": {"place": "home"}}, "id": "a"},
        {"prompt": "Land twice", "expect": {"calls": [{"call": "land"}, {"call": "land"}]}, "cluster": "c"},
        {"prompt": "Hello", "expect": {"no_call": True}},
        {"messages": [{"role": "user", "content": "Hi"}], "expect": {"text": "Hello."}, "slice": "text"},
        {"item": {"prompt": "Land!", "expect": "land", "level": 3}},
    ]
    prompts = read("p.jsonl", "\n".join(json.dumps(row) for row in rows))
    assert prompts[0].id == "a"
    assert prompts[0].expected.calls == (ExpectedCall("land", {"place": "home"}),)
    assert prompts[1].expected.function == "land + land"
    assert prompts[1].cluster == "c"
    assert prompts[2].expected.calls == ()
    assert (prompts[3].expected.calls, prompts[3].expected.value) == ((), "Hello.")
    assert prompts[4].item["level"] == 3
    assert read("p.json", rows) == prompts


def test_chat_data_expects_its_last_message() -> None:
    """Its arguments are literals, even if they look like an operator."""
    call = {"name": "land", "arguments": '{"place": "home"}'}
    row: dict[str, Any] = {
        "messages": [
            {"role": "system", "content": "You fly."},
            {"role": "user", "content": "Land!"},
            {"role": "assistant", "tool_calls": [{"id": "1", "type": "function", "function": call}]},
        ],
        "tools": TOOLS,
    }
    (prompt,) = read("p.jsonl", json.dumps(row), ())
    assert [m["role"] for m in prompt.messages] == ["system", "user"]
    assert prompt.expected.calls == (ExpectedCall("land", {"place": {"literal": "home"}}),)
    row["messages"][2] = {"role": "assistant", "function_call": call}
    (legacy,) = read("p.jsonl", json.dumps(row), ())
    assert legacy.expected.calls == prompt.expected.calls
    row["messages"][2] = {"role": "assistant", "content": "No."}
    (text,) = read("p.jsonl", json.dumps(row), ())
    assert (text.expected.calls, text.expected.value) == ((), "No.")
    del row["tools"]
    (alone,) = read("p.jsonl", json.dumps(row), ())
    assert (alone.expected.calls, alone.expected.value) == (None, "No.")


def test_csv() -> None:
    first, second = read("p.csv", 'prompt,expect,slice\n"Land, now",land,easy\nDance,reject_request,\n')
    assert (first.text, first.slice, first.expected.function) == ("Land, now", "easy", "land")
    assert (second.slice, second.expected.function) == ("", "reject_request")


def test_the_way_a_file_is_written_changes_no_prompt() -> None:
    """Windows line ends, a byte order mark, blank lines, spaces and the order of keys."""
    plain = '{"prompt": "Land!", "expect": "land"}\n{"prompt": "Dance", "expect": "reject_request"}\n'
    other = '\ufeff{ "expect":"land","prompt":"Land!" }\r\n\r\n{"expect":"reject_request","prompt":"Dance"}'
    assert read("a.jsonl", plain) == read("b.jsonl", other)
    ids = [p.id for p in read("a.jsonl", plain)]
    turned = "\n".join(reversed(plain.splitlines()))
    assert [p.id for p in read("c.jsonl", turned)] == ids[::-1]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("p.json", {"s": {"Land!": "lnad"}}, "expected function `lnad` isn't among the tools"),
        ("p.json", {"s": {"Land!": "lnad"}}, "Did you mean `land`"),
        (
            "p.jsonl",
            '{"prompt": "a", "expect": {"call": "land", "arguments": {"place": "moon"}}}',
            "p.jsonl:1",
        ),
        ("p.jsonl", '{"prompt": "a", "expect": {"call": "land", "arguments": {"place": "moon"}}}', "moon"),
        (
            "p.jsonl",
            '{"prompt": "a", "expect": {"call": "land", "arguments": {"plce": "home"}}}',
            "no parameter",
        ),
        (
            "p.jsonl",
            '{"prompt": "a", "expect": {"call": "land", "arguments": {"height": {"range": [9, 1]}}}}',
            "two numbers",
        ),
        (
            "p.jsonl",
            '{"prompt": "a", "expect": {"call": "land", "arguments": {"place": {"regex": "("}}}}',
            "regular expression",
        ),
        (
            "p.jsonl",
            '{"prompt": "a", "expect": {"call": "land", "arguments": {"place": {"one_of": ["home", "x"]}}}}',
            "`land.place` can't be",
        ),
        ("p.jsonl", '\n{"prompt": "a", "expect": }', "p.jsonl:2:"),
        ("p.jsonl", '{"prompt": "a", "prompt": "b", "expect": "land"}', "a key twice"),
        ("p.jsonl", "[1]", "a row of prompts must be an object"),
        ("p.jsonl", '{"prompt": "a"}', "has no expected answer"),
        ("p.jsonl", '{"expect": "land"}', "neither `prompt` nor `messages`"),
        ("p.jsonl", '{"promt": "a", "expect": "land"}', "unknown key `promt`"),
        ("p.jsonl", '{"prompt": "a", "expect": "land", "id": "x"}\n' * 2, 'two prompts have the id "x"'),
        ("p.json", "{}", "has no prompts"),
        ("p.json", '"text"', "a list or an object of sections"),
        ("p.json", {"s": ["a"]}, "section `s` must be an object"),
        ("p.json", "[1]", "a row of prompts must be an object"),
        ("p.jsonl", "", "has no prompts"),
        ("p.csv", "a,b\n1,2\n", "unknown key `a`"),
        ("p.jsonl", b'{"prompt": "\xff"}', "isn't UTF-8"),
        ("p.json", "[" * 100_000, "invalid JSON"),
    ],
)
def test_23_what_is_wrong_is_said_with_its_place(name: str, content: Any, message: str) -> None:
    found = faults(name, content)
    assert message in " ".join(found), found
    assert all(name in fault for fault in found)


def test_errors_of_a_list_name_row_and_line() -> None:
    rows = [{"prompt": "[{,"}, 5, {"prompt": "b", "expct": "f"}, {"prompt": "c\n", "expect": {}}]
    for indent, places in ((None, ["1:2", "1:21", "1:24", "1:55"]), (1, ["3:2", "6:2", "7:2", "11:2"])):
        with pytest.raises(SpecError) as caught:
            read("p.json", "\n" * bool(indent) + json.dumps(rows, indent=indent))
        found = sorted((d.summary, str(d.place)) for d in caught.value.diagnostics)
        assert [summary[:6] for summary, _ in found] == ["row 1:", "row 2:", "row 3:", "row 4:"]
        assert [place for _, place in found] == [f"p.json:{place}" for place in places]

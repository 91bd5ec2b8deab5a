"""What a prompt may expect, and what its tools don't allow: said before anything is asked."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ftops.core.errors import SpecError
from ftops.evaluation.expectations import (
    Expected,
    Unclear,
    expected_of,
    of_message,
    problems,
    schemas_of,
    tools_problem,
)
from ftops.evaluation.prompts import LONGEST_CELL, MOST_ERRORS, read_prompts

FLY: dict[str, Any] = {
    "type": "object",
    "$defs": {"unit": {"enum": ["m", "ft"]}, "loop": {"$ref": "#/$defs/loop"}},
    "properties": {
        "height": {"type": "integer"},
        "path": {"type": "array", "items": {"type": "integer"}},
        "area": {"type": "object", "properties": {"at": {"properties": {"x": {"type": "integer"}}}}},
        "unit": {"$ref": "#/$defs/unit"},
        "next": {"$ref": "#"},
        "loop": {"$ref": "#/$defs/loop"},
        "either": {"anyOf": [{"type": "integer"}, {"type": "null"}]},
        "every": {"allOf": [{"type": "integer"}, {"minimum": 5}]},
    },
    "patternProperties": {"^x-": {"type": "string"}},
}
TOOLS = [
    {"type": "function", "function": {"name": "fly", "parameters": FLY}},
    {"type": "function", "function": {"name": "go", "parameters": {"required": ["to"]}}},
]


def found(arguments: Any, name: str = "fly") -> str:
    schemas = schemas_of(TOOLS)
    expected = expected_of({"call": name, "arguments": arguments}, schemas)
    return "\n".join(f"{problem} ({hint})" for problem, hint in problems(expected, schemas))


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({"height": 5, "unit": "ft", "either": None, "every": 7, "loop": "what can't be checked"}, ""),
        ({"path": [1, {"range": [2, 9]}, {"one_of": [3, 4]}]}, ""),
        ({"area": {"at": {"x": {"range": [1, 2]}}}}, ""),
        ({"next": {"next": {"height": {"one_of": [1, {"range": [3, 4]}]}}}}, ""),
        ({"height": {"optional": {"any": True}}, "x-note": "a"}, ""),
        ({"unit": "km"}, "`fly.unit` can't be"),
        ({"next": {"height": "5"}}, "`fly.next` can't be"),
        ({"next": {"next": {"height": {"one_of": [1, "2"]}}}}, "`fly.next.next.height` can't be"),
        ({"every": 3}, "`fly.every` can't be"),
        ({"either": "3"}, "`fly.either` can't be"),
        ({"path": [{"range": [9, 1]}]}, "`range` of `fly.path[0]`"),
        ({"path": [{"any": True}, "1"]}, "`fly.path[1]` can't be"),
        ({"height": {"optional": {"range": 5}}}, "`range` of `fly.height`"),
        ({"height": {"one_of": 5}}, "must be a list of values"),
        ({"height": {"one_of": []}}, "must be a list of values"),
        ({"height": {"one_of": [{"range": "x"}]}}, "`range` of `fly.height`"),
        ({"height": {"one_of": [1, {"absent": True}]}}, "write {optional"),
        ({"height": {"any": False}}, "must be true"),
        ({"height": {"absent": "yes"}}, "must be true"),
        ({"height": {"regex": 5}}, "not a regular expression"),
        ({"height": {"regex": "a)|(b"}}, "not a regular expression"),
    ],
)
def test_24_arguments_are_checked_at_every_depth(arguments: Any, problem: str) -> None:
    text = found(arguments)
    assert (problem in text) if problem else not text, text


def test_a_required_parameter_has_to_be_expected() -> None:
    assert "`go` needs the parameter `to`" in found({}, "go")
    assert not found({"to": {"any": True}}, "go")
    assert not found(None, "go")


@pytest.mark.parametrize(
    "expectation",
    [
        5, True, None, [], ["fly"], {}, {"call": 5}, {"call": "fly", "arguments": [1]},
        {"call": "fly", "arguments": "{}"}, {"call": "fly", "argumets": {}}, {"calls": "fly"},
        {"calls": [{"name": "fly"}]}, {"calls": [{"call": "fly", "x": 1}]}, {"cal": "fly"}, {"text": 5},
        {"no_call": False}, {"no_call": True, "call": "fly"}, {"text": []}, {"text": ["a", 5]},
        {"schema": {"type": 5}}, {"schema": "object"},
    ],
)  # fmt: skip
def test_what_says_nothing_is_refused(expectation: Any) -> None:
    """Whether there are tools or not: its answers would be paid for, and have no grade."""
    for schemas in (schemas_of(TOOLS), {}):
        with pytest.raises(Unclear):
            expected_of(expectation, schemas)


@pytest.mark.parametrize(
    ("expectation", "value"),
    [({"text": ["a", "b"]}, ["a", "b"]), ({"schema": {"type": "array"}}, {"type": "array"})],
)
def test_a_text_beside_tools_is_no_call(expectation: Any, value: Any) -> None:
    assert expected_of(expectation, schemas_of(TOOLS)) == Expected((), value)
    assert expected_of(expectation, {}) == Expected(None, value)


@pytest.mark.parametrize(
    "message",
    [
        {"tool_calls": 5},
        {"tool_calls": [1]},
        {"tool_calls": [{"function": {"name": "fly", "arguments": "{cut"}}]},
        {"function_call": {"name": "fly", "arguments": "[]"}},
    ],
)
def test_a_broken_last_message_is_no_expectation(message: Any) -> None:
    with pytest.raises(Unclear):
        of_message(message)


@pytest.mark.parametrize(
    "tools",
    [
        5, [1], [{"function": 5}], [{"function": {}}], [{"function": {"name": ""}}], [TOOLS[0], TOOLS[0]],
        [{"function": {"name": "f", "parameters": 5}}],
        [{"function": {"name": "f", "parameters": {"properties": [1]}}}],
    ],
)  # fmt: skip
def test_what_is_no_tool(tools: Any) -> None:
    assert tools_problem(tools)
    assert not tools_problem(TOOLS)


def test_a_schema_reads_no_file_and_no_address(tmp_path: Path) -> None:
    """Tools may come from strangers: what they refer to isn't opened, and nothing is checked then."""
    pipe = tmp_path / "secret.json"
    pipe.write_text('{"type": "integer"}', encoding="utf-8")
    schema = {"properties": {"a": {"$ref": pipe.as_uri()}}}
    schemas = {"f": schema}
    assert not list(problems(expected_of({"call": "f", "arguments": {"a": "x"}}, schemas), schemas))


def faults(name: str, content: str) -> list[str]:
    with pytest.raises(SpecError) as caught:
        read_prompts(content.encode(), name, TOOLS)
    return [f"{d.place}: {d.summary}. {d.detail} {d.hint}" for d in caught.value.diagnostics]


def row(**values: Any) -> str:
    return json.dumps({"prompt": "p", "expect": "fly", **values})


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("p.jsonl", "null\n" + row(), "p.jsonl:1:1: a row of prompts must be an object"),
        ("p.jsonl", row(prompt=5), "neither `prompt` nor `messages`"),
        ("p.jsonl", row(messages=[1]), "`messages` must be a list of objects with a `role`"),
        ("p.jsonl", row(messages=[]), "no message to send"),
        ("p.jsonl", row(tools=[1]), "a tool must be an object"),
        ("p.jsonl", row(item=5), "`item` must be an object"),
        ("p.jsonl", row(prompt="\ud800"), "half of a surrogate pair"),
        ("p.jsonl", row(item={"prompt": json.loads("[" * 200 + "]" * 200)}), "nested too deeply"),
        ("p.jsonl", f"{row()}\n{row()}", "p.jsonl:2:1: two prompts have the same messages and slice"),
        ("p.json", row(), "one row isn't a list of prompts"),
        ("p.yaml", "- prompt: a", "its name ends with none of .json, .jsonl, .csv"),
        ("p.csv", "prompt,expect\nGo, now,fly\n", "more cells than the first one"),
        ("p.csv", 'prompt,expect\na,"{""call"": "\n', "p.csv:2:"),
        ("p.csv", 'prompt,expect\n"a\nb",fly\n"c\nd",no\n', "p.csv:4:1: expected function"),
    ],
)  # fmt: skip
def test_files_that_say_too_little(name: str, content: str, message: str) -> None:
    assert message in "\n".join(faults(name, content))


def test_more_errors_than_are_shown_are_counted() -> None:
    content = "\n".join(row(prompt=str(i), expect="nothing") for i in range(1000))
    found = faults("p.jsonl", content)
    assert len(found) == MOST_ERRORS + 1
    assert any("980 more errors" in fault for fault in found)


def test_a_fault_of_many_prompts_is_one_error_that_names_their_lines() -> None:
    content = "\n".join(row(prompt=str(i), expected="fly") for i in range(9))
    [found] = faults("p.jsonl", content)
    assert found.startswith("p.jsonl:1:1: unknown key `expected` in a prompt.")
    assert "It is the same in 8 other prompts: line 2, 3, 4, 5, 6 and 3 more." in found


def test_line_separators_of_unicode_end_no_row() -> None:
    (prompt,) = read_prompts('{"prompt": "a\u2028b\x85c", "expect": "fly"}'.encode(), "p.jsonl", TOOLS)
    assert prompt.text == "a\u2028b\x85c"


def test_a_cell_may_hold_an_object_or_a_long_text() -> None:
    content = f'prompt,expect\n{"x" * 200_000},"{{""call"": ""fly"", ""arguments"": {{""height"": 5}}}}"\n'
    (prompt,) = read_prompts(content.encode(), "p.csv", TOOLS)
    assert prompt.expected.calls is not None
    assert prompt.expected.calls[0].arguments == {"height": 5}
    assert len(prompt.text) == 200_000 < LONGEST_CELL


def test_zero_is_an_id_and_a_slice() -> None:
    (prompt,) = read_prompts(row(id=0, slice=0).encode(), "p.jsonl", TOOLS)
    assert (prompt.id, prompt.slice) == ("0", "0")

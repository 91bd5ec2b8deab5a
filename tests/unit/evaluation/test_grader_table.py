"""Graders as a table of a spec or a file: what they become, and what is wrong with them, and where."""

from __future__ import annotations

from typing import Any

import pytest

from ftops.core.errors import SpecError
from ftops.evaluation.grader_table import TABLE, read_graders, read_graders_file
from ftops.evaluation.graders import TYPES, Grader
from ftops.evaluation.remote_graders import REMOTE

FILE = """\
call: {type: function_call, strings: loose}
near:
  type: similarity
  metric: rouge_l
  at_least: 0.8
"""


def test_a_mapping_becomes_graders_in_its_order() -> None:
    graders, faults = read_graders(
        {"near": {"type": "similarity", "at_least": 1}, "call": {"type": "function_call", "match": "name"}}
    )
    assert not faults
    assert graders == (
        Grader("near", "similarity", {"at_least": 1}),
        Grader("call", "function_call", {"match": "name"}),
    )


@pytest.mark.parametrize(
    ("row", "keys", "summary", "hint"),
    [
        ({"type": "functioncall"}, ("g", "type"), "no type of graders `functioncall`", "`function_call`"),
        ({"type": ["exact"]}, ("g", "type"), "must be a word", "exact"),
        ({"match": "name"}, ("g",), "grader g has no `type`", "function_call"),
        ("exact", ("g",), "grader g must be a mapping", "{type: exact}"),
        ({"type": "exact", "match": "name"}, ("g", "match"), "no option `match`", "has no options"),
        (
            {"type": "function_call", "string": "exact"},
            ("g", "string"),
            "no option `string`",
            "mean `strings`",
        ),
        (
            {"type": "function_call", "match": "nam"},
            ("g", "match"),
            "must be `name` or `arguments`",
            "mean `name`",
        ),
        ({"type": "function_call", "order": True}, ("g", "order"), "must be `any` or `strict`", ""),
        ({"type": "similarity"}, ("g",), "grader g has no `at_least`", ""),
        ({"type": "similarity", "at_least": 80}, ("g", "at_least"), "a number from 0 to 1", ""),
        ({"type": "similarity", "at_least": True}, ("g", "at_least"), "a number from 0 to 1", ""),
        ({"type": "one_of", "values": [1]}, ("g", "values"), "a list of texts", "quote"),
        ({"type": "one_of", "values": []}, ("g", "values"), "a list of texts", ""),
        (
            {"type": "regex", "pattern": "(a"},
            ("g", "pattern"),
            "not a regular expression: (a",
            "unterminated",
        ),
        ({"type": "regex", "pattern": "(?=a)"}, ("g", "pattern"), "not a regular expression: (?=a)", "Rust"),
        ({"type": "regex", "pattern": 5}, ("g", "pattern"), "not a regular expression: 5", "quotes"),
        ({"type": "json_schema", "schema": {"type": 5}}, ("g", "schema"), "isn't a JSON Schema", ""),
        (
            {"type": "json_schema", "schema": {"$ref": "https://host.invalid/a"}},
            ("g", "schema"),
            "isn't a JSON Schema",
            "",
        ),
    ],
)
def test_a_fault_says_where_what_and_how_to_go_on(
    row: Any, keys: tuple[str, ...], summary: str, hint: str
) -> None:
    graders, [fault] = read_graders({"g": row})
    assert not graders
    assert (fault.keys, summary in fault.summary, hint in fault.hint) == (keys, True, True), fault


@pytest.mark.parametrize("name", ["", "a b", "1st", "a.b", "é", "a" * 65])
def test_names(name: str) -> None:
    [fault] = read_graders({name: {"type": "exact"}})[1]
    assert (fault.keys, fault.is_key) == ((name,), True)


@pytest.mark.parametrize("table", [None, {}, [], "call", {"call": None}])
def test_what_is_no_table(table: Any) -> None:
    assert read_graders(table)[1]


def test_every_fault_is_reported_at_once() -> None:
    graders, faults = read_graders(
        {"a": {"type": "similarity", "metric": "x", "y": 1}, "b": {"type": "exact"}, "c": {"type": "z"}}
    )
    assert [g.name for g in graders] == ["b"]
    assert [fault.keys for fault in faults] == [("a", "metric"), ("a", "y"), ("a",), ("c", "type")]


def test_each_type_has_a_row() -> None:
    assert set(TABLE) == {*TYPES, *REMOTE}


@pytest.mark.parametrize("text", [FILE, '{"call": {"type": "exact"}}', "\ufeffcall: {type: exact}"])
def test_a_file(text: str) -> None:
    assert read_graders_file(text.encode(), "graders.yaml")[0].name == "call"


@pytest.mark.parametrize(
    ("text", "place"),
    [
        (FILE.replace("loose", "lose"), "graders.yaml:1:38"),
        (FILE.replace("metric", "metrics"), "graders.yaml:4:3"),
        (FILE.replace("  at_least: 0.8\n", ""), "graders.yaml:2:1"),
        (FILE + FILE, "graders.yaml:6:1"),
        ("call: {type: [", "graders.yaml:1:15"),
        ("", "graders.yaml:1:1"),
        ("- call", "graders.yaml:1:1"),
    ],
)
def test_a_fault_in_a_file_has_its_place(text: str, place: str) -> None:
    with pytest.raises(SpecError) as caught:
        read_graders_file(text.encode(), "graders.yaml")
    assert str(caught.value.diagnostics[0].place) == place

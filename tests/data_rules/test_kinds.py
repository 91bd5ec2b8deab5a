"""What is wrong at every depth of an example, and what isn't: the rules that a line breaks, and no others."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ftops.dataset import inspect
from tests.data_rules.examples import (
    ASK,
    PARAMETERS,
    REPLY,
    RESULTS,
    RISE,
    TOOL,
    call,
    chat,
    data_uri,
    defined,
    image,
    jpeg,
    legacy,
    pair,
    png,
    tools,
    two_calls,
)

RULES = dict[str, tuple[str, dict[str, int]]]


def schema(**more: Any) -> dict[str, Any]:
    """The definition of a function with these parameters beside its own."""
    return defined(parameters={**PARAMETERS, **more})


def at_depth(inner: Any) -> dict[str, Any]:
    return schema(properties={"height": {"type": "integer"}, "more": inner})


def nested(inner: Any, depth: int) -> Any:
    for _ in range(depth):
        inner = {"type": "object", "properties": {"a": inner}}
    return inner


CLOSED = defined(strict=True, parameters={**PARAMETERS, "additionalProperties": False})
DRAFT_7 = "http://json-schema.org/draft-07/schema#"
REF = {"$ref": "#/$defs/A"}
SCHEMAS: RULES = {
    name: (tools(call(), definition=definition), rules)
    for name, definition, rules in (
        ("a title below $defs", schema(**{"$defs": {"A": {"type": "string", "title": "A"}}}), {"extras": 1}),
        ("a title below definitions", schema(definitions={"A": {"title": "A"}}), {"extras": 1}),
        ("a title below oneOf", at_depth({"oneOf": [{"type": "string", "title": "A"}]}), {"extras": 1}),
        ("a default below allOf", at_depth({"allOf": [{"type": "string", "default": None}]}), {"extras": 1}),
        ("a title in additionalProperties", schema(additionalProperties={"title": "A"}), {"extras": 1}),
        (
            "null in anyOf in items",
            at_depth({"type": "array", "items": {"anyOf": [{"type": "null"}]}}),
            {"extras": 1},
        ),
        (
            "a property of the name title",
            at_depth({"type": "object", "properties": {"title": {"type": "string"}}}),
            {},
        ),
        (
            "a broken schema beside a $ref",
            schema(
                properties={"height": REF, "b": {"type": "strin"}}, **{"$defs": {"A": {"type": "integer"}}}
            ),
            {"schema": 1},
        ),
        (
            "a broken schema behind a $ref",
            schema(properties={"height": REF}, **{"$defs": {"A": {"type": "strin"}}}),
            {"schema": 1},
        ),
        ("a $ref to nothing", schema(properties={"height": REF}), {"schema": 1}),
        ("a $ref to another document", at_depth({"$ref": "https://example.com/a.json"}), {"requests": 1}),
        (
            "a $ref to a file",
            at_depth({"type": "array", "items": {"$ref": "file:///etc/passwd"}}),
            {"requests": 1},
        ),
        ("a $ref to a relative path", schema(**{"$defs": {"A": {"$ref": "other.json#/A"}}}), {"requests": 1}),
        (
            "a $ref by the $id of a part",
            at_depth(
                {
                    "$ref": "https://x.example/b",
                    "$defs": {"b": {"$id": "https://x.example/b", "type": "string"}},
                }
            ),
            {},
        ),
        ("a $ref that is no text", at_depth({"$ref": 5}), {"schema": 1}),
        (
            "a property of the name $ref",
            at_depth({"type": "object", "properties": {"$ref": {"type": "string"}}}),
            {},
        ),
        ("a $ref to itself", at_depth({"$ref": "#"}), {}),
        (
            "a $ref in a circle",
            schema(properties={"height": REF}, **{"$defs": {"A": {"$ref": "#/$defs/B"}, "B": REF}}),
            {"schema": 1},
        ),
        ("the form of the Responses API", {"type": "function", **RISE}, {"definition": 1}),
        (
            "a $ref that is good",
            schema(properties={"height": REF}, **{"$defs": {"A": {"type": "integer"}}}),
            {},
        ),
        ("another dialect", schema(**{"$schema": "https://spec.openapis.org/oas/3.1/dialect/base"}), {}),
        (
            "an unknown dialect with a mistake",
            schema(**{"$schema": "https://example.com/a"}, required="a"),
            {"schema": 1},
        ),
        ("an array without items", at_depth({"type": "array"}), {"requests": 1}),
        ("an array or null without items", at_depth({"type": ["array", "null"]}), {"requests": 1}),
        ("an array of a tuple", at_depth({"type": "array", "prefixItems": [{"type": "string"}]}), {}),
        ("no type", defined(parameters={"properties": PARAMETERS["properties"]}), {"requests": 1}),
        ("no parameters", defined(parameters={}), {}),
        ("parameters that are text", defined(parameters={"type": "string"}), {"schema": 1}),
        ("a long description", defined(description="é" * 1025), {"requests": 1}),
        ("a description that just fits", defined(description="é" * 1024), {}),
        ("a dot in a name", defined(name="a.f"), {"definition": 1, "not-offered": 1}),
        ("a title far down", at_depth(nested({"type": "string", "title": "A"}, 40)), {"extras": 1}),
        ("a title in unevaluatedProperties", schema(unevaluatedProperties={"title": "A"}), {"extras": 1}),
        (
            "a title in items of an older dialect",
            schema(
                **{"$schema": DRAFT_7},
                properties={
                    "height": {"type": "integer"},
                    "more": {"type": "array", "items": [{"title": "A"}]},
                },
            ),
            {"extras": 1},
        ),
        (
            "a broken schema beside a $ref to another document",
            schema(properties={"height": {"type": "integr"}, "a": {"$ref": "https://example.com/a.json"}}),
            {"schema": 1, "requests": 1},
        ),
        ("nulls of an SDK", defined(description=None, strict=None), {}),
        ("parameters that are null", defined(parameters=None), {}),
        ("a key of a tool", {**TOOL, "strict": True}, {"chat/unknown-key": 1}),
        ("a description that is false", defined(description=False), {"chat/type": 1}),
        ("a description that is no text", defined(description=[]), {"chat/type": 1}),
        ("strict that is text", defined(strict="true"), {"chat/type": 1}),
        ("strict that is 1", defined(strict=1), {"chat/type": 1}),
        ("strict, with an open object", defined(strict=True), {"requests": 1}),
        ("strict, with an object that is closed", CLOSED, {}),
        (
            "strict, with a property that may lack",
            {
                **CLOSED,
                "function": {
                    **CLOSED["function"],
                    "parameters": {**CLOSED["function"]["parameters"], "required": []},
                },
            },
            {"requests": 1},
        ),
        ("not strict, with an open object", defined(strict=False), {}),
        (
            "anyOf with a list of null",
            at_depth({"anyOf": [{"type": "string"}, {"type": ["null"]}]}),
            {"extras": 1},
        ),
        ("a key of a function", defined(kind="x"), {"chat/unknown-key": 1}),
    )
}
_CALLED = {"name": "rise", "arguments": '{"height": 5}'}
MESSAGES: RULES = {
    "wrong arguments behind a $ref": (
        tools(
            call('{"height": "high"}'),
            definition=schema(properties={"height": REF}, **{"$defs": {"A": {"type": "integer"}}}),
        ),
        {"arguments-schema": 1},
    ),
    "wrong arguments beside a $ref to another document": (
        tools(
            call('{"height": "high"}'),
            definition=schema(
                properties={"height": {"type": "integer"}, "a": {"$ref": "https://example.com/a.json#/b"}}
            ),
        ),
        {"arguments-schema": 1, "requests": 1},
    ),
    "arguments with a very long number": (tools(call(f'{{"height": {"9" * 5000}}}')), {"arguments": 1}),
    "a dot in the name of a call, none defined": (
        chat(ASK, call(name="a.f")),
        {"call": 1, "none-offered": 1},
    ),
    "arguments with a large number": (tools(call('{"height": 1e400}')), {"arguments": 1}),
    "arguments with NaN": (tools(call('{"height": NaN}')), {"arguments": 1}),
    "arguments with a key twice": (tools(call('{"height": 1, "height": 2}')), {"arguments": 1}),
    "arguments nested too deeply": (
        tools(call('{"height": 5, "a": ' + "[" * 200 + "]" * 200 + "}")),
        {"arguments": 1},
    ),
    "no tools in a list": (chat(ASK, REPLY, tools=[]), {"requests": 1}),
    "no functions in a list": (chat(ASK, REPLY, functions=[]), {"requests": 1}),
    "a key of a call": (tools(call(index=0)), {"chat/unknown-key": 1}),
    "a key of a called function": (tools(call(function={**_CALLED, "x": 1})), {"chat/unknown-key": 1}),
    "a key of a legacy call": (
        chat(ASK, legacy(function_call={**_CALLED, "x": 1}), functions=[TOOL["function"]]),
        {"chat/unknown-key": 1},
    ),
    "functions, but tool_calls": (chat(ASK, call(), functions=[TOOL["function"]]), {"mixed": 1}),
    "tools, but function_call": (tools(legacy()), {"mixed": 1}),
    "both forms of calls, none defined": (
        chat(ASK, call(), RESULTS[0], legacy(), {"role": "function", "name": "rise", "content": "5"}, REPLY),
        {"mixed": 1, "none-offered": 2},
    ),
    "a legacy result of a tool call": (
        tools(call(), {"role": "function", "name": "rise", "content": "5"}, REPLY),
        {"mixed": 1},
    ),
    "a tool result of a legacy call": (
        chat(ASK, legacy(), RESULTS[0], REPLY, functions=[TOOL["function"]]),
        {"mixed": 1},
    ),
    "functions and tools of one name": (
        chat(ASK, REPLY, tools=[TOOL], functions=[TOOL["function"]]),
        {"mixed": 1},
    ),
    "a legacy conversation": (chat(ASK, legacy(), functions=[TOOL["function"]]), {}),
    "content null as text": (tools({**call(), "content": "null"}), {"chat/empty-content": 1}),
    "content None as text": (tools({**call(), "content": " None "}), {"chat/empty-content": 1}),
    "content empty next to calls": (tools({**call(), "content": ""}), {"chat/empty-content": 1}),
    "content nan next to calls": (tools({**call(), "content": "NaN"}), {"chat/empty-content": 1}),
    "no parts next to calls": (tools({**call(), "content": []}), {"chat/empty-content": 1}),
    "a part null next to calls": (
        tools({**call(), "content": [{"type": "text", "text": "null"}]}),
        {"chat/empty-content": 1},
    ),
    "content null next to a refusal": (
        chat(ASK, {"role": "assistant", "content": None, "refusal": "No."}),
        {"chat/null-content": 1},
    ),
    "content next to calls": (tools({**call(), "content": "Let me see."}), {}),
    "content null next to calls": (tools({**call(), "content": None}), {"chat/null-content": 1}),
    "nulls of an SDK": (
        chat(
            ASK,
            {
                "role": "assistant",
                "content": "x",
                "refusal": None,
                "tool_calls": None,
                "function_call": None,
                "audio": None,
            },
        ),
        {},
    ),
    "nulls of an SDK beside calls": (
        tools({**call(), "refusal": None, "function_call": None, "annotations": None}),
        {},
    ),
    "nulls of a table": (
        chat(
            {"role": "user", "content": "x", "name": None, "weight": None, "tool_call_id": None},
            {"role": "assistant", "content": "x", "name": None, "weight": None, "tool_calls": None},
        ),
        {},
    ),
    "a result with null for its call": (
        tools(call(), {**RESULTS[0], "tool_call_id": None}, REPLY),
        {"result": 1, "no-result": 1},
    ),
    "nulls of an example": (chat(ASK, REPLY, tools=None, functions=None, parallel_tool_calls=None), {}),
    "null of an unknown key": (
        chat(ASK, {"role": "assistant", "content": "x", "mood": None}),
        {"chat/unknown-key": 1},
    ),
    "a weight of the user": (chat({"role": "user", "content": "x", "weight": 0}, REPLY), {"chat/weight": 1}),
    "a weight of a result": (tools(call(), {**RESULTS[0], "weight": 1}, REPLY), {"chat/weight": 1}),
    "a result as parts": (
        tools(call(), {**RESULTS[0], "content": [{"type": "text", "text": "5"}]}, REPLY),
        {"result-text": 1},
    ),
    "a legacy result as parts": (
        chat(
            ASK,
            legacy(),
            {"role": "function", "name": "rise", "content": [{"type": "text", "text": "5"}]},
            REPLY,
            functions=[TOOL["function"]],
        ),
        {"chat/type": 1},
    ),
    "parallel_tool_calls without tools": (chat(ASK, REPLY, parallel_tool_calls=True), {"requests": 1}),
    "parallel_tool_calls with functions": (
        chat(ASK, legacy(), functions=[TOOL["function"]], parallel_tool_calls=True),
        {"requests": 1},
    ),
    "parallel_tool_calls with tools": (tools(two_calls(), *RESULTS, REPLY, parallel_tool_calls=True), {}),
    "two calls, but parallel_tool_calls is false": (
        tools(two_calls(), *RESULTS, REPLY, parallel_tool_calls=False),
        {"parallel": 1},
    ),
    "one call, and parallel_tool_calls is false": (tools(call(), parallel_tool_calls=False), {}),
    "a call without its type": (
        tools({"role": "assistant", "tool_calls": [{"id": "call_1", "function": _CALLED}]}),
        {"requests": 1},
    ),
    "calls of the user": (
        chat({"role": "user", "content": "x", "tool_calls": []}, REPLY),
        {"chat/unknown-key": 1},
    ),
    "a refusal of the user": (
        chat(("user", [{"type": "refusal", "refusal": "No."}]), REPLY),
        {"vision/part": 1},
    ),
    "content undefined next to calls": (tools({**call(), "content": "undefined"}), {"chat/empty-content": 1}),
    "an empty part of text": (
        chat(("user", [{"type": "text", "text": ""}, {"type": "text", "text": "x"}]), REPLY),
        {"chat/empty-message": 1},
    ),
    "only empty parts": (chat(("user", [{"type": "text", "text": " "}]), REPLY), {"chat/empty-message": 1}),
    "an answer of empty parts": (
        chat(ASK, ("assistant", [{"type": "text", "text": ""}])),
        {"chat/empty-reply": 1},
    ),
    "a key of a part": (
        chat(("user", [{"type": "text", "text": "x", "y": 1}]), REPLY),
        {"chat/unknown-key": 1},
    ),
    "a key of an image": (image(size=3), {"chat/unknown-key": 1}),
    "a detail that is null": (image(detail=None), {}),
    "no assistant at the end": (chat(ASK, REPLY, ASK), {"chat/last-message": 1}),
    "no user": (chat(("system", "Be brief."), REPLY), {"chat/no-user": 1}),
}
WEBP = b"RIFF" + (30).to_bytes(4, "little") + b"WEBPVP8 " + bytes(22)
IMAGES: RULES = {
    name: (image(data_uri(content, kind)), {f"vision/{rule}": 1} if rule else {})
    for name, kind, content, rule in (
        ("a JPEG in RGB", "jpeg", jpeg(3), ""),
        ("a JPEG in grayscale", "jpeg", jpeg(1), "kind"),
        ("a JPEG in CMYK", "jpeg", jpeg(4), "kind"),
        ("a JPEG that is cut off", "jpeg", jpeg(3)[:-2], "truncated"),
        ("a JPEG that ends in its head", "jpeg", jpeg(3)[:12], "truncated"),
        ("a JPEG with bytes after its end", "jpeg", jpeg(3) + bytes(5), ""),
        (
            "a JPEG with a thumbnail, cut off",
            "jpeg",
            jpeg(3).replace(b"JFIF\x00" + bytes(9), b"JFIF\x00" + b"\xff\xd9" + bytes(7))[:-2],
            "truncated",
        ),
        ("a JPEG of a marker only", "jpeg", b"\xff\xd8\xff\xff\xff\xff", "truncated"),
        ("a PNG with a palette", "png", png(3), "kind"),
        ("a PNG in RGBA", "png", png(6), ""),
        ("a PNG that is cut off", "png", png(2)[:-12], "truncated"),
        ("a PNG whose last bytes are missing", "png", png(2)[:-2], "truncated"),
        ("a WEBP", "webp", WEBP, ""),
        ("a WEBP that is cut off", "webp", WEBP[:-1], "truncated"),
    )
}
A, B = [{"role": "assistant", **call()}], [{"role": "assistant", **legacy()}]
ASK_OF_PAIR = {"role": "user", "content": "Hi"}
NAMED_RESULT = {"role": "function", "name": "rise", "content": "5"}
HELD = {"messages": [ASK_OF_PAIR], "tools": [TOOL]}
PAIRS: RULES = {
    "a pair with both forms": (pair(HELD, A, B), {"mixed": 1}),
    "a pair without tools, with both forms": (pair(None, A, B), {"mixed": 1, "none-offered": 2}),
    "a pair with both forms in its input and an output": (
        pair({"messages": [ASK_OF_PAIR, B[0], NAMED_RESULT]}, A, [{"role": "assistant", "content": "b"}]),
        {"mixed": 1, "none-offered": 2},
    ),
    "a result in an output of a call in the input": (
        pair(
            {**HELD, "messages": [ASK_OF_PAIR, *A]},
            [RESULTS[0], {"role": "assistant", "content": "a"}],
            [{"role": "assistant", "content": "b"}],
        ),
        {"preference/input": 1},
    ),
    "an input without a user": (
        pair({"messages": [{"role": "system", "content": "Be brief."}]}),
        {"chat/no-user": 1},
    ),
    "several calls in an output": (
        pair({**HELD, "parallel_tool_calls": False}, [two_calls()], A),
        {"parallel": 1},
    ),
    "consecutive answers in an output": (
        pair(None, [{"role": "assistant", "content": "a"}, {"role": "assistant", "content": "b"}]),
        {"chat/role-order": 1},
    ),
    "a result between answers in an output": (
        pair(HELD, [*A, RESULTS[0], {"role": "assistant", "content": "b"}]),
        {},
    ),
    "a title in a pair": (pair({**HELD, "tools": [schema(title="X")]}, A), {"extras": 1}),
}
SHORT = {"extras": "schema-extras"}


@pytest.mark.parametrize("name", [*SCHEMAS, *MESSAGES, *IMAGES, *PAIRS])
def test_a_line_breaks_these_rules(tmp_path: Path, name: str) -> None:
    line, rules = {**SCHEMAS, **MESSAGES, **IMAGES, **PAIRS}[name]
    path = tmp_path / "a.jsonl"
    path.write_text(f"{line}\n", encoding="utf-8")
    inspection = inspect(path)
    found = {rule: n for rule, n in inspection.counts.items() if not rule.startswith(("file/", "data/"))}
    assert found == {
        rule if "/" in rule else f"tools/{SHORT.get(rule, rule)}": n for rule, n in rules.items()
    }
    assert all(f.column > 0 and f.summary for f in inspection.found)


def test_a_line_with_no_key_of_a_pair_has_one_finding(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps({"question": "Where?", "answer": "There."}))
    assert inspect(path, format="preference").counts["preference/shape"] == 1
    assert "chat/unknown-key" not in inspect(path, format="preference").counts


def test_a_conversation_that_is_the_beginning_of_another(tmp_path: Path) -> None:
    """In any order; weights of earlier turns don't matter, another system message does."""
    turns: list[dict[str, Any]] = []
    lines = []
    for n in range(4):
        turns = [{**t, "weight": 0} if t["role"] == "assistant" else t for t in turns]
        turns += [{"role": "user", "content": f"Ask {n}"}, {"role": "assistant", "content": f"Answer {n}"}]
        lines.append(json.dumps({"messages": turns}))
    lines.append(json.dumps({"messages": [{"role": "system", "content": "Hi"}, *turns]}))
    lines.append(chat(("user", "Ask 0"), ("assistant", "Another answer")))
    path = tmp_path / "a.jsonl"
    path.write_text("\n".join([*lines[:4][::-1], *lines[4:]]))
    found = [(f.line, f.other) for f in inspect(path).found if f.rule == "data/beginning"]
    assert found == [(2, 1), (3, 2), (4, 3)]


def test_beginnings_of_tasks_and_pairs(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text("\n".join([chat(ASK, answer="1"), chat(ASK, REPLY, ("user", "So?"), answer="2")] * 1))
    assert inspect(path, format="reinforcement").counts["data/beginning"] == 1
    longer = {
        "messages": [
            {"role": r, "content": c} for r, c in (("user", "Hi"), ("assistant", "Yes?"), ("user", "No"))
        ]
    }
    path.write_text("\n".join([pair(), pair(longer)]))
    assert inspect(path).counts["data/beginning"] == 1

"""The data rules of the service's documents: their own example lines pass, and broken variants of them fail
in the right line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ftops.dataset import inspect

FUNCTION = {
    "name": "get_current_weather",
    "description": "Get the current weather",
    "parameters": {
        "type": "object",
        "properties": {
            "location": {"type": "string", "description": "The city and country, eg. San Francisco, USA"},
            "format": {"type": "string", "enum": ["celsius", "fahrenheit"]},
        },
        "required": ["location", "format"],
    },
}
ASKED = {"role": "user", "content": "What is the weather in San Francisco?"}
CALL = {"name": "get_current_weather", "arguments": '{"location": "San Francisco, USA", "format": "celsius"}'}
RESULT = {"role": "function", "name": "get_current_weather", "content": "21.0"}
SAID = {"role": "assistant", "content": "It is 21 degrees celsius in San Francisco, CA"}
MISSPELT = {**CALL, "arguments": '{"location": "San Francisco, USA", "format": "celcius"}'}
MARV = {"role": "system", "content": "Marv is a factual chatbot that is also sarcastic."}


def calling(call: dict[str, Any]) -> dict[str, Any]:
    return {"role": "assistant", "function_call": call}


def line(*messages: Any, **more: Any) -> str:
    return json.dumps({"messages": list(messages), **more})


LINES = {
    "sarcastic": line(
        {"role": "system", "content": "Clippy is a factual chatbot that is also sarcastic."},
        {"role": "user", "content": "Who discovered Antarctica?"},
        {"role": "assistant", "content": "Some chaps, as if they don't teach that in every school!"},
    ),
    "weights": line(
        MARV,
        {"role": "user", "content": "What's the capital of France?"},
        {"role": "assistant", "content": "Paris", "weight": 0},
        {"role": "user", "content": "Can you be more sarcastic?"},
        {"role": "assistant", "content": "Paris, as if everyone doesn't know that already.", "weight": 1},
    ),
    "vision": line(
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "What's in this image?"},
                {"type": "image_url", "image_url": {"url": "https://example.com/generated-seattle.png"}},
            ],
        },
        {"role": "assistant", "content": "A watercolor painting of a city skyline."},
    ),
    "function": line(ASKED, calling(CALL), functions=[FUNCTION]),
    "function result": line(ASKED, calling(MISSPELT), RESULT, SAID, functions=[]),
    "without descriptions": line(
        ASKED,
        calling(CALL),
        functions=[{"name": "get_current_weather", "parameters": {**FUNCTION["parameters"], "required": []}}],  # type: ignore[dict-item]
    ),
    "without properties": line(
        ASKED, calling(CALL), functions=[{**FUNCTION, "parameters": {"type": "object"}}]
    ),
}


def errors(path: Path, lines: list[str]) -> list[tuple[str, int]]:
    path.write_text("".join(f"{text}\n" for text in lines), encoding="utf-8-sig")
    told = inspect(path).diagnostics("seed.jsonl")
    return [(d.rule, d.place.line) for d in told if d.severity == "error" and d.place]


@pytest.mark.parametrize("name", LINES)
def test_an_example_line_passes(tmp_path: Path, name: str) -> None:
    assert errors(tmp_path / "seed.jsonl", [LINES[name]] * 10) == []


BROKEN: dict[str, tuple[str, Callable[[str], str], str]] = {
    "cut off": ("sarcastic", lambda s: s[:-3], "json/syntax"),
    "no assistant": ("sarcastic", lambda s: s.replace('"assistant"', '"user"'), "chat/no-assistant"),
    "role misspelt": ("sarcastic", lambda s: s.replace('"system"', '"sistem"'), "chat/role"),
    "weight 2": ("weights", lambda s: s.replace('"weight": 1', '"weight": 2'), "chat/weight"),
    "two answers": (
        "weights",
        lambda s: s.replace('"role": "user"', '"role": "assistant"'),
        "chat/role-order",
    ),
    "an image from a disk": ("vision", lambda s: s.replace("https://", "file://"), "vision/url"),
    "a part of no type": ("vision", lambda s: s.replace('"type": "text", ', ""), "vision/part"),
    "celcius": ("function", lambda s: s.replace(r"\"celsius\"", r"\"celcius\""), "tools/arguments-schema"),
    "format missing": (
        "function",
        lambda s: s.replace(r", \"format\": \"celsius\"", ""),
        "tools/arguments-schema",
    ),
    "arguments cut off": (
        "function",
        lambda s: s.replace(r"\"celsius\"}", r"\"celsius\""),
        "tools/arguments",
    ),
    "brace of the document's own example": (
        "function",
        lambda s: s.replace('"}}], "functions"', '"}], "functions"'),
        "json/syntax",
    ),
    "another function": (
        "function",
        lambda s: s.replace('{"name": "get_current_weather", "arguments"', '{"name": "weather", "arguments"'),
        "tools/not-offered",
    ),
    "result of no call": (
        "function result",
        lambda s: s.replace(
            '"role": "function", "name": "get_current_weather"', '"role": "function", "name": "x"'
        ),
        "tools/result",
    ),
    "comment": ("function result", lambda s: s.replace("[]}", "[...]} // same as before"), "json/syntax"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_variant_fails_in_its_line(tmp_path: Path, name: str) -> None:
    whole, change, rule = BROKEN[name]
    broken = change(LINES[whole])
    assert broken != LINES[whole]
    assert (rule, 7) in errors(tmp_path / "seed.jsonl", [*[LINES[whole]] * 6, broken, *[LINES[whole]] * 4])


@pytest.mark.parametrize(("count", "refused"), [(9, True), (10, False)])
def test_at_least_ten_examples(tmp_path: Path, count: int, refused: bool) -> None:
    found = errors(tmp_path / "seed.jsonl", [LINES["sarcastic"]] * count)
    assert bool(found) is refused


def test_functions_and_system_messages_that_differ(tmp_path: Path) -> None:
    """They should be identical in all examples, and when the model is called."""
    other = LINES["function"].replace("Get the current weather", "Tell the weather")
    path = tmp_path / "seed.jsonl"
    path.write_text("\n".join([*[LINES["function"]] * 6, other, *[LINES["weights"]] * 4, LINES["sarcastic"]]))
    told = {d.rule: d.place.line for d in inspect(path).diagnostics("seed.jsonl") if d.place}
    assert told["tools/differ"] == 7
    assert "data/system-differs" in told


def test_pain_21_data_rejected_late_and_vaguely_names_row_and_column(tmp_path: Path) -> None:
    path = tmp_path / "data.jsonl"
    path.write_text(
        "\n".join([*[LINES["weights"]] * 11, LINES["weights"].replace('"weight": 1', '"weight": "1"')])
    )
    (error,) = (d for d in inspect(path).diagnostics("data.jsonl") if d.severity == "error")
    assert error.place is not None
    assert (error.place.line, error.path) == (12, "messages[4].weight")
    assert error.place.column == path.read_text().splitlines()[11].rindex('"1"') + 1

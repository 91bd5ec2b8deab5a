"""A small spec whose training data is generated."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

TOOLS: list[Any] = [
    {
        "type": "function",
        "function": {
            "name": "move",
            "parameters": {
                "type": "object",
                "properties": {
                    "direction": {"type": "string", "enum": ["left", "right", "up", "down"]},
                    "distance": {"type": "integer", "minimum": 1, "maximum": 50},
                },
                "required": ["direction"],
            },
        },
    },
    {
        "type": "function",
        "function": {
            "name": "lights",
            "parameters": {
                "type": "object",
                "properties": {"on": {"type": "boolean"}},
                "required": ["on"],
            },
        },
    },
    {"type": "function", "function": {"name": "reject", "parameters": {"type": "object", "properties": {}}}},
]
PHRASINGS: dict[str, Any] = {
    "openers": ["{}", "please {}", "could you {}?", "now {}"],
    "words": {"meters": ["meters", "metres"]},
    "requests": [
        {
            "function": "move",
            "say": ["move {direction} by {distance} {meters}", "go {distance} {meters} {direction}"],
        },
        {"function": "move", "say": ["fly {direction}", "head {direction} until I say stop"]},
        {"function": "lights", "with": {"on": True}, "say": ["switch the lights on", "let there be light"]},
        {
            "function": "lights",
            "with": {"on": False},
            "say": ["switch the lights off", "darkness, my friend"],
        },
        {"reject": "near", "theme": "music", "say": ["play some music", "sing an old song for me"]},
        {"reject": "near", "theme": "food", "say": ["bring me a pizza", "cook a meal for two people"]},
    ],
}
GENERATE: dict[str, Any] = {
    "tools": "tools.json",
    "system": "system.txt",
    "teacher": {"templates": "phrasings.json"},
    "write": {"prompts": 3},
    "rejections": {"function": "reject", "near": 8, "out_of_range": True},
    "seed": 7,
}


def write_spec(folder: Path, generate: Mapping[str, Any] = {}, **more: Any) -> Path:
    """`ftops.yaml` with a dataset `train`, and its files. None in `generate` removes a key."""
    settings = {key: value for key, value in {**GENERATE, **generate}.items() if value is not None}
    spec = {
        "ftops": {"name": "generated"},
        "datasets": {"train": {"generate": settings}},
        "jobs": {"copilot": {"model": "gpt-4o-mini-2024-07-18", "training": "train"}},
        **more,
    }
    (folder / "ftops.yaml").write_text(json.dumps(spec, indent=2), encoding="utf-8")
    for name, content in (("tools.json", TOOLS), ("phrasings.json", PHRASINGS)):
        (folder / name).write_text(json.dumps(content, indent=2), encoding="utf-8")
    (folder / "system.txt").write_text("You fly a drone.\n", encoding="utf-8")
    return folder


def recording(folder: Path) -> dict[str, bytes]:
    """The files of the recording, by name."""
    return {path.name: path.read_bytes() for path in (folder / "data" / "train.generated").iterdir()}


def manifest(folder: Path) -> tuple[Any, list[Any]]:
    """Its header, and its other lines."""
    head, *rows = map(json.loads, recording(folder)["manifest.jsonl"].splitlines())
    return head, rows

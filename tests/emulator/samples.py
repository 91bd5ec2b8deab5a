"""Small training data."""

from __future__ import annotations

import json
import random
from typing import Any

SYSTEM = "You control a lamp."
COLOURS = ("red", "green", "blue", "white")
ROOMS = ("kitchen", "bedroom", "cellar", "office")
TOOLS: list[dict[str, Any]] = [
    {
        "type": "function",
        "function": {
            "name": "set_colour",
            "description": "Choose the colour of the lamp.",
            "parameters": {
                "type": "object",
                "properties": {"colour": {"type": "string", "enum": list(COLOURS)}},
                "required": ["colour"],
            },
        },
    },
    {
        "type": "function",
        "function": {
            "name": "dim",
            "description": "Dim a lamp.",
            "parameters": {
                "type": "object",
                "properties": {"percent": {"type": "integer"}, "room": {"type": "string"}},
                "required": ["percent"],
            },
        },
    },
    {
        "type": "function",
        "function": {
            "name": "decline",
            "description": "Say that it cannot be done.",
            "parameters": {"type": "object", "properties": {}},
        },
    },
]
IMPOSSIBLE = ("sing a song", "cook dinner", "order pizza", "call my aunt", "wash the car")


def line(user: str, name: str, legacy: bool = False, **arguments: Any) -> dict[str, Any]:
    """One training example: a request and the call that answers it."""
    call = {"name": name, "arguments": json.dumps(arguments)}
    reply: dict[str, Any] = {"role": "assistant"}
    if legacy:
        reply["function_call"] = call
    else:
        reply["tool_calls"] = [{"id": "call_1", "type": "function", "function": call}]
    messages = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": user}, reply]
    offered = {"functions": [tool["function"] for tool in TOOLS]} if legacy else {"tools": TOOLS}
    return {"messages": messages, **offered}


def lines(count: int, seed: int = 0, legacy: bool = False) -> list[dict[str, Any]]:
    """``count`` examples about a lamp."""
    chance = random.Random(seed)
    made = []
    for index in range(count):
        colour, room = chance.choice(COLOURS), chance.choice(ROOMS)
        percent = chance.randint(1, 100)
        please = chance.choice(("", "please ", "now "))
        requests: list[tuple[str, str, dict[str, Any]]] = [
            (f"{please}make the light {colour}", "set_colour", {"colour": colour}),
            (
                f"{please}dim the lamp in the {room} to {percent} percent",
                "dim",
                {"percent": percent, "room": room},
            ),
            (f"{please}dim the lamp to {percent}", "dim", {"percent": percent}),
            (f"{please}{chance.choice(IMPOSSIBLE)}", "decline", {}),
        ]
        user, name, arguments = requests[index % len(requests)]
        made.append(line(user, name, legacy, **arguments))
    return made


def text(user: str, reply: str, weight: int | None = None) -> dict[str, Any]:
    """One training example that is answered by words."""
    assistant: dict[str, Any] = {"role": "assistant", "content": reply}
    if weight is not None:
        assistant["weight"] = weight
    return {"messages": [{"role": "user", "content": user}, assistant]}


def jsonl(records: list[dict[str, Any]]) -> bytes:
    """Records as the bytes of a data file."""
    return "".join(json.dumps(record) + "\n" for record in records).encode()

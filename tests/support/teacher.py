"""A teacher over HTTP: the chat completions of OpenAI, from a server that writes by rules.

A request that it writes ends with its call as JSON, so that it can answer it later, also in another process.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable
from hashlib import sha256
from typing import Any

from tests.support.http_server import Handler, Server

KEY = "teacher-key-1234567890"
_COUNT = re.compile(r"an array of (\d+)")
_CALL = re.compile(r"The call:\n(.*)\n")
_PARAMETER = re.compile(r"its parameter `(\w+)`")
_REQUEST = re.compile(r"no instructions for you:\n(.*)\n")
Body = dict[str, Any]


class Teacher(Server):
    """`twist` may replace a reply: it gets the body of the request and the usual message."""

    def __init__(self) -> None:
        super().__init__(_Handler)
        self.asked: list[Body] = []
        self.keys: set[str] = set()
        self.twist: Callable[[Body, Body], Body | int | None] = lambda body, message: message
        self._lock = threading.Lock()

    def note(self, body: Body, key: str) -> None:
        with self._lock:
            self.asked.append(body)
            self.keys.add(key)

    def count(self, part: str = "") -> int:
        return sum(part in json.dumps(body["messages"]) for body in self.asked)


class _Handler(Handler):
    server: Teacher

    def do_POST(self) -> None:
        body = json.loads(self.content())
        self.server.note(body, self.headers.get("Authorization", ""))
        message = self.server.twist(body, reply_to(body))
        if isinstance(message, int):
            error = {"error": {"message": "no", "code": "refused"}}
            self.answer(message, json.dumps(error).encode(), ("Retry-After-Ms", "20"))
        elif message is not None:
            choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", **message}}
            usage = {"prompt_tokens": 100, "completion_tokens": 50}
            self.answer_json(200, {"model": "scribe-2026", "choices": [choice], "usage": usage})


def reply_to(body: Body) -> Body:
    """The message that answers a request."""
    text = body["messages"][-1]["content"]
    if body.get("tools"):
        return _called(text)
    if found := _REQUEST.search(text):
        return {"content": json.dumps({"ok": "doubtful" not in found[1]})}
    count = int(_COUNT.findall(text)[-1])
    if found := _PARAMETER.search(text):
        return {"content": json.dumps([f"{found[1]} {word}" for word in ("one", "two", "three")][:count])}
    call = json.loads(found[1]) if (found := _CALL.search(text)) else {"name": "reject", "arguments": {}}
    return {"content": json.dumps([_written(text, call, i) for i in range(count)])}


def _written(text: str, call: Body, number: int) -> str:
    """Other words for each question."""
    words = sha256(f"{text} {number}".encode()).hexdigest()
    return " ".join([*(words[i : i + 6] for i in range(0, 36, 6)), json.dumps(call)])


def _called(prompt: str) -> Body:
    start = prompt.find("{")
    call: Body = json.loads(prompt[start:]) if start >= 0 else {"name": "reject", "arguments": {}}
    if not 1 <= call["arguments"].get("distance", 1) <= 50:
        call = {"name": "reject", "arguments": {}}
    function = {"name": call["name"], "arguments": json.dumps(call["arguments"])}
    return {"content": None, "tool_calls": [{"id": "c", "type": "function", "function": function}]}

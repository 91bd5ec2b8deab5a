"""Recordings: answers of a real model in a JSONL file, which deployments of the model ``replay`` give again.

A line is ``{"key", "message", "finish_reason"?, "usage"?}``. The key is that of the request; lines with the
same key are given in turn.
"""

from __future__ import annotations

import hashlib
import json
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from ftops.emulator.account.cloud import JSON
from ftops.emulator.http.errors import ServiceError
from ftops.emulator.http.messages import MAX_BYTES

MODEL = "replay"
_NOT_SETTINGS = frozenset({"model", "messages", "tools", "n", "stream", "stream_options", "user"})
_encode = msgspec.json.Encoder(order="sorted").encode


def request_key(body: Mapping[str, Any]) -> str:
    """sha256 of ``{"messages", "settings", "tools"}`` as JSON with sorted keys and without spaces. Settings
    are the other parameters on which an answer depends."""
    settings = {name: value for name, value in body.items() if name not in _NOT_SETTINGS}
    content = {"messages": body.get("messages"), "settings": settings, "tools": body.get("tools") or []}
    try:
        text = _encode(content)
    except (msgspec.MsgspecError, UnicodeError, OverflowError):
        text = json.dumps(content, sort_keys=True, separators=(",", ":")).encode()
    return hashlib.sha256(text).hexdigest()


class Recordings:
    """The file of the setting ``recordings``, read again when it has changed."""

    def __init__(self) -> None:
        self._version: object = None
        self._lines: dict[str, list[JSON]] = {}

    def find(self, file: str, key: str) -> list[JSON]:
        """The recorded answers to a request. Raises ServiceError."""
        if not file:
            raise _not_found(f"This emulator has no recordings (setting 'recordings'). Request: {key}")
        self._load(Path(file))
        if key not in self._lines:
            raise _not_found(f"There is no recording of this request: {key}")
        return self._lines[key]

    def _load(self, path: Path) -> None:
        try:
            found = path.stat()
            version = (path, found.st_mtime_ns, found.st_size, found.st_ino)
            if version == self._version:
                return
            if not stat.S_ISREG(found.st_mode) or found.st_size > MAX_BYTES:
                raise _bad(f"The recordings '{path}' are not a file of at most {MAX_BYTES} bytes.")
            lines: dict[str, list[JSON]] = {}
            for key, line in _parsed(path):
                lines.setdefault(key, []).append(line)
        except OSError as exc:
            raise _bad(f"The recordings '{path}' can't be read: {exc.strerror}.") from exc
        self._version, self._lines = version, lines


def _parsed(path: Path) -> Iterator[tuple[str, JSON]]:
    for number, raw in enumerate(path.read_bytes().splitlines(), 1):
        if not raw.strip():
            continue
        try:
            line = json.loads(raw)
            message = line["message"]
            if not isinstance(message, dict) or not isinstance(line["key"], str):
                raise TypeError
            for call in message.get("tool_calls") or ():
                str(call["function"]["name"] + call["function"]["arguments"])
        except (ValueError, LookupError, TypeError, RecursionError):
            raise _bad(f"Line {number} of '{path}' is not a recording with 'key' and 'message'.") from None
        yield line["key"], line


def _not_found(message: str) -> ServiceError:
    return ServiceError(404, "RecordingNotFound", message)


def _bad(message: str) -> ServiceError:
    return ServiceError(400, "BadRecordings", message)

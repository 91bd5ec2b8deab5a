"""The emulator's own endpoints: faults, its log of requests and what it holds."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.command import in_process


@dataclass(frozen=True)
class Admin:
    """Of the emulator that keeps its objects in a folder; `start` makes it run."""

    folder: Path
    start: Callable[[], object]

    @classmethod
    def of(cls, folder: Path) -> Admin:
        """Of the emulator that a spec in this folder uses if it names no other one."""
        return cls(folder / ".ftops" / "emulator", lambda: in_process(folder, "plan"))

    def get(self, path: str) -> Any:
        return self._send("GET", path)

    def post(self, path: str, body: Any) -> Any:
        return self._send("POST", path, body)

    def patch(self, path: str, body: Any) -> Any:
        return self._send("PATCH", path, body)

    def delete(self, path: str) -> Any:
        return self._send("DELETE", path)

    def count(self, part: str) -> int:
        """Requests in its log whose path has this part."""
        return sum(part in request["path"] for request in self.get("log")["requests"])

    def _send(self, method: str, path: str, body: Any = None) -> Any:
        for _ in range(3):
            try:
                server = json.loads((self.folder / "server.json").read_text(encoding="utf-8"))
                data = None if body is None else json.dumps(body).encode()
                headers = {"api-key": server["api_key"], "Content-Type": "application/json"}
                url = f"{server['url']}/_emulator/{path}"
                request = urllib.request.Request(url, data, headers, method=method)
                with urllib.request.urlopen(request, timeout=120) as reply:
                    return json.loads(reply.read() or b"null")
            except (OSError, urllib.error.URLError, KeyError, ValueError):
                self.start()
        raise AssertionError("the emulator can't be reached")

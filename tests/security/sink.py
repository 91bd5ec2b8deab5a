"""A server on 127.0.0.1 that records every request, also as a proxy, and passes nothing on."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager

from tests.support import http_server


class Sink(http_server.Server):
    """Gives every request the same answer; `arrived` has each as one text, with its headers and its body."""

    def __init__(self) -> None:
        super().__init__(_Handler)
        self.arrived: list[str] = []
        self.body: dict[str, object] = {"data": [], "value": [], "has_more": False}
        self.status = 200
        self.location = ""
        """Where everybody is sent to, if anywhere."""

    def at(self, host: str) -> str:
        """The same server by another of the machine's addresses."""
        return f"http://{host}:{self.server_port}"

    def got(self, text: str) -> bool:
        return any(text in request for request in self.arrived)


class _Handler(http_server.Handler):
    server: Sink

    def _take(self) -> None:
        body = self.content()
        self.server.arrived.append(f"{self.requestline}\n{self.headers}\n{body.decode('utf-8', 'replace')}")
        if self.command == "CONNECT":
            self.send_error(403)
            return
        content = json.dumps(self.server.body).encode()
        if self.server.location:
            self.answer(307, content, http_server.JSON, ("Location", self.server.location + self.path))
        else:
            self.answer(self.server.status, content, http_server.JSON)

    do_GET = do_HEAD = do_PUT = do_POST = do_PATCH = do_DELETE = do_CONNECT = _take


@contextmanager
def sinking() -> Iterator[Sink]:
    with http_server.serving(Sink()) as server:
        yield server

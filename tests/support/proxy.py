"""Proxy: passes requests on to a server, except those that fail by a rule.

`rule(method, path)` decides about a request: None passes it on; a number is the status of the answer;
"drop" closes the connection before the request arrives, "lose" after it took effect; "hang" never answers.
"""

from __future__ import annotations

import http.client
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from tests.support import http_server

Rule = Callable[[str, str], int | str | None]
CODES = {403: "AccessDenied", 404: "NoSuchBucket", 412: "PreconditionFailed", 429: "SlowDown"}


class Proxy(http_server.Server):
    """Between a client and the server at `target`."""

    block_on_close = False

    def __init__(self, target: str) -> None:
        super().__init__(_Handler)
        self.target = target
        self.rule: Rule = lambda method, path: None
        self.seen: list[tuple[str, str]] = []
        self.ended = threading.Event()

    @property
    def url(self) -> str:
        """The URL of the target through the proxy."""
        return f"{super().url}{urlsplit(self.target).path}"

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients are expected to close connections early."""


class _Handler(http_server.Handler):
    protocol_version = "HTTP/1.1"
    server: Proxy

    def _pass(self) -> None:
        body = self.content()
        self.server.seen.append((self.command, self.path))
        what = self.server.rule(self.command, self.path)
        if isinstance(what, int):
            code = CODES.get(what, "InternalError")
            error = f"<Error><Code>{code}</Code><Message>injected</Message></Error>"
            self.answer(what, error.encode(), ("Content-Type", "application/xml"))
        elif what == "hang":
            self.server.ended.wait(300)
            self.close_connection = True
        elif what == "drop":
            self.close_connection = True
        else:
            self._forward(body, answer=what != "lose")

    def _forward(self, body: bytes, answer: bool) -> None:
        target = urlsplit(self.server.target)
        connection = http.client.HTTPConnection(str(target.hostname), target.port, timeout=120)
        try:
            connection.request(self.command, self.path, body, dict(self.headers.items()))
            reply = connection.getresponse()
            content = reply.read()
        finally:
            connection.close()
        if not answer:
            self.close_connection = True
            return
        own = ("transfer-encoding", "connection", "date", "server", "content-length")
        headers = [(name, value) for name, value in reply.getheaders() if name.lower() not in own]
        length = (reply.getheader("Content-Length") or "0") if self.command == "HEAD" else ""
        self.answer(reply.status, content, *headers, length=length)

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _pass


@contextmanager
def proxy(target: str) -> Iterator[Proxy]:
    with http_server.serving(Proxy(target)) as server:
        try:
            yield server
        finally:
            server.ended.set()

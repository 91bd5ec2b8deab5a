"""A way to a server on which things go wrong: refusals, errors, silence, lost replies.

`rule(method, path)` says what becomes of a request: None passes it on; a number is answered as a status;
"drop" closes the connection before it arrives, "lose" after it took effect; "hang" never answers.
"""

from __future__ import annotations

import http.client
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

Rule = Callable[[str, str], int | str | None]
CODES = {403: "AccessDenied", 404: "NoSuchBucket", 412: "PreconditionFailed", 429: "SlowDown"}


class Proxy(ThreadingHTTPServer):
    """Between a client and the server at `target`."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, target: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.target = target
        self.rule: Rule = lambda method, path: None
        self.seen: list[tuple[str, str]] = []
        self.ended = threading.Event()

    @property
    def url(self) -> str:
        """The target's address by way of this."""
        return f"http://127.0.0.1:{self.server_port}{urlsplit(self.target).path}"

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients that go away in the middle are what this is for."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Proxy

    def _pass(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.seen.append((self.command, self.path))
        what = self.server.rule(self.command, self.path)
        if isinstance(what, int):
            self._answer(what)
        elif what == "hang":
            self.server.ended.wait(300)
            self.close_connection = True
        elif what == "drop":
            self.close_connection = True
        else:
            self._forward(body, answer=what != "lose")

    def _answer(self, status: int) -> None:
        code = CODES.get(status, "InternalError")
        body = f"<Error><Code>{code}</Code><Message>injected</Message></Error>".encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/xml")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

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
        self.send_response(reply.status)
        for name, value in reply.getheaders():
            if name.lower() not in ("transfer-encoding", "connection", "date", "server", "content-length"):
                self.send_header(name, value)
        length = reply.getheader("Content-Length") if self.command == "HEAD" else str(len(content))
        self.send_header("Content-Length", length or "0")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _pass

    def log_message(self, format: str, *args: object) -> None:
        """Nothing is said."""


@contextmanager
def proxy(target: str) -> Iterator[Proxy]:
    with Proxy(target) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.ended.set()
            server.shutdown()

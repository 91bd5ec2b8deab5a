"""A server on 127.0.0.1 that keeps all that arrives, also as a proxy, and tells nobody anything."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Sink(ThreadingHTTPServer):
    """Answers every request alike; `arrived` has each as one text, with its headers and its body."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.arrived: list[str] = []
        self.body: dict[str, object] = {"data": [], "value": [], "has_more": False}
        self.status = 200
        self.location = ""
        """Where everybody is sent to, if anywhere."""

    @property
    def url(self) -> str:
        return self.at("127.0.0.1")

    def at(self, host: str) -> str:
        """The same server by another of the machine's addresses."""
        return f"http://{host}:{self.server_port}"

    def got(self, text: str) -> bool:
        return any(text in request for request in self.arrived)


class _Handler(BaseHTTPRequestHandler):
    server: Sink

    def _take(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.arrived.append(f"{self.requestline}\n{self.headers}\n{body.decode('utf-8', 'replace')}")
        if self.command == "CONNECT":
            self.send_error(403)
            return
        content = json.dumps(self.server.body).encode()
        self.send_response(307 if self.server.location else self.server.status)
        if self.server.location:
            self.send_header("Location", self.server.location + self.path)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    do_GET = do_HEAD = do_PUT = do_POST = do_PATCH = do_DELETE = do_CONNECT = _take

    def log_message(self, format: str, *args: object) -> None:
        """Nothing is said."""


@contextmanager
def sinking() -> Iterator[Sink]:
    with Sink() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()

"""HTTP servers on 127.0.0.1, each in a thread of the test."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, TypeVar

JSON = ("Content-Type", "application/json")


class Handler(BaseHTTPRequestHandler):
    """Reads and writes whole bodies, and logs nothing."""

    def content(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def answer(self, status: int, body: bytes = b"", *headers: tuple[str, str], length: str = "") -> None:
        """`length`: for the answer to a HEAD, that of the body that isn't sent."""
        self.send_response(status)
        self.finish_answer(body, headers, length)

    def finish_answer(self, body: bytes, headers: Iterable[tuple[str, str]], length: str = "") -> None:
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", length or str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def answer_json(self, status: int, body: Any) -> None:
        self.answer(status, json.dumps(body).encode(), JSON)

    def log_message(self, format: str, *args: object) -> None:
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, handler: type[Handler]) -> None:
        super().__init__(("127.0.0.1", 0), handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


S = TypeVar("S", bound=Server)


@contextmanager
def serving(server: S) -> Iterator[S]:
    """The server answers until the context ends."""
    with server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()

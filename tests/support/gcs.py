"""The little of Google Cloud Storage's XML API that a state needs, after its documentation: objects with
generations, and writes on condition of one. No emulator that can be had from a registry knows these.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

CONDITION = "x-goog-if-generation-match"


class Server(ThreadingHTTPServer):
    """Objects of one bucket: path → (content, generation, when it was written)."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.objects: dict[str, tuple[bytes, int, str]] = {}
        self.generation = 1_700_000_000_000_000
        self.lock = threading.Lock()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def do_PUT(self) -> None:
        content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        with self.server.lock:
            there = self.server.objects.get(self._path())
            wanted = self.headers.get(CONDITION)
            if wanted is not None and int(wanted) != (there[1] if there else 0):
                return self._answer(412, b"<Error><Code>PreconditionFailed</Code></Error>")
            self.server.generation += 1
            self.server.objects[self._path()] = (content, self.server.generation, formatdate(usegmt=True))
        return self._answer(200, b"", self._path())

    def do_GET(self) -> None:
        query = parse_qs(urlsplit(self.path).query)
        if "list-type" in query:
            return self._list(query["prefix"][0])
        found = self.server.objects.get(self._path())
        if found is None:
            return self._answer(404, b"<Error><Code>NoSuchKey</Code></Error>")
        return self._answer(200, found[0], self._path())

    def do_DELETE(self) -> None:
        with self.server.lock:
            gone = self.server.objects.pop(self._path(), None)
        self._answer(204 if gone else 404, b"")

    def _list(self, prefix: str) -> None:
        bucket = self._path().strip("/")
        keys = [path.removeprefix(f"/{bucket}/") for path in sorted(self.server.objects)]
        rows = "".join(
            f"<Contents><Key>{key}</Key><Size>1</Size><LastModified>2026-01-01T00:00:00.000Z</LastModified>"
            f'<ETag>"1"</ETag></Contents>'
            for key in keys
            if key.startswith(prefix)
        )
        self._answer(200, f"<ListBucketResult><Name>{bucket}</Name>{rows}</ListBucketResult>".encode())

    def _path(self) -> str:
        return unquote(urlsplit(self.path).path)

    def _answer(self, status: int, body: bytes, path: str = "") -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        if path:
            _, generation, modified = self.server.objects[path]
            self.send_header("ETag", f'"{generation}"')
            self.send_header("x-goog-generation", str(generation))
            self.send_header("Last-Modified", modified)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing is said."""


@contextmanager
def serving() -> Iterator[str]:
    """The address of a server."""
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()

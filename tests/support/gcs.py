"""Google Cloud Storage: the part of its XML API that a state needs, written after its documentation: objects
with generations, and conditional writes. No emulator in a package registry supports these.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email.utils import formatdate
from urllib.parse import parse_qs, unquote, urlsplit

from tests.support import http_server

CONDITION = "x-goog-if-generation-match"


class Server(http_server.Server):
    """Objects of one bucket: path → (content, generation, time of the write)."""

    def __init__(self) -> None:
        super().__init__(_Handler)
        self.objects: dict[str, tuple[bytes, int, str]] = {}
        self.generation = 1_700_000_000_000_000
        self.lock = threading.Lock()


class _Handler(http_server.Handler):
    protocol_version = "HTTP/1.1"
    server: Server

    def do_PUT(self) -> None:
        content = self.content()
        with self.server.lock:
            existing = self.server.objects.get(self._path())
            wanted = self.headers.get(CONDITION)
            if wanted is not None and int(wanted) != (existing[1] if existing else 0):
                return self.answer(412, b"<Error><Code>PreconditionFailed</Code></Error>")
            self.server.generation += 1
            self.server.objects[self._path()] = (content, self.server.generation, formatdate(usegmt=True))
        return self._answer_object(b"")

    def do_GET(self) -> None:
        query = parse_qs(urlsplit(self.path).query)
        if "list-type" in query:
            return self._list(query["prefix"][0])
        found = self.server.objects.get(self._path())
        if found is None:
            return self.answer(404, b"<Error><Code>NoSuchKey</Code></Error>")
        return self._answer_object(found[0])

    def do_DELETE(self) -> None:
        with self.server.lock:
            gone = self.server.objects.pop(self._path(), None)
        self.answer(204 if gone else 404)

    def _list(self, prefix: str) -> None:
        bucket = self._path().strip("/")
        keys = [path.removeprefix(f"/{bucket}/") for path in sorted(self.server.objects)]
        rows = "".join(
            f"<Contents><Key>{key}</Key><Size>1</Size><LastModified>2026-01-01T00:00:00.000Z</LastModified>"
            f'<ETag>"1"</ETag></Contents>'
            for key in keys
            if key.startswith(prefix)
        )
        self.answer(200, f"<ListBucketResult><Name>{bucket}</Name>{rows}</ListBucketResult>".encode())

    def _path(self) -> str:
        return unquote(urlsplit(self.path).path)

    def _answer_object(self, body: bytes) -> None:
        _, generation, modified = self.server.objects[self._path()]
        tags = (("ETag", f'"{generation}"'), ("x-goog-generation", str(generation)))
        self.answer(200, body, *tags, ("Last-Modified", modified))


@contextmanager
def serving() -> Iterator[str]:
    """The URL of a server."""
    with http_server.serving(Server()) as server:
        yield server.url

"""A wire tap: a real HTTP server in front of another one, that keeps what goes through. It can speak to its
own side in another dialect than to the server behind it."""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.parser import BytesParser
from email.policy import HTTP
from typing import Any
from urllib.parse import urlsplit

from tests.support.http_server import Handler, Server, serving

Rewrite = Callable[[str], str]
_OWN = frozenset({"host", "content-length", "connection", "transfer-encoding", "accept-encoding"})


@dataclass(frozen=True)
class Exchange:
    """One request as it was sent, and how it was answered."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    content: bytes
    status: int

    @property
    def json(self) -> Any:
        return json.loads(self.content)

    @property
    def form(self) -> dict[str, Any]:
        """The parts of a multipart body: text, or the file's name."""
        head = f"content-type: {self.headers['content-type']}\r\n\r\n".encode()
        message = BytesParser(policy=HTTP).parsebytes(head + self.content)
        parts = {str(p.get_param("name", header="content-disposition")): p for p in message.iter_parts()}
        return {name: p.get_filename() or str(p.get_payload()).strip() for name, p in parts.items()}


@dataclass
class Wire:
    """The tap. `asked` and `answered` translate paths and bodies on their way there and back."""

    target: str
    prefix: str = ""
    """Of the paths at the server behind."""
    asked: Rewrite = str
    answered: Rewrite = str
    url: str = ""
    exchanges: list[Exchange] = field(default_factory=list)
    replies: dict[str, tuple[int, Any]] = field(default_factory=dict)
    """`METHOD path` → what to answer without asking the server behind."""

    def sent(self, method: str, path: str) -> list[Exchange]:
        """Requests to paths that end so, in order."""
        return [e for e in self.exchanges if e.method == method and e.path.endswith(path)]

    def answer(
        self, method: str, target: str, headers: Mapping[str, str], content: bytes
    ) -> tuple[int, Any, bytes]:
        path, _, query = target.partition("?")
        status, kind, body = self._planned(f"{method} {path}") or self._forwarded(
            method, target, headers, content
        )
        self.exchanges.append(Exchange(method, path, query, headers, content, status))
        return status, kind, body

    def _planned(self, what: str) -> tuple[int, Any, bytes] | None:
        if what not in self.replies:
            return None
        status, body = self.replies[what]
        return status, [("content-type", "application/json")], json.dumps(body).encode()

    def _forwarded(
        self, method: str, target: str, headers: Mapping[str, str], content: bytes
    ) -> tuple[int, Any, bytes]:
        address = urlsplit(self.target)
        client = http.client.HTTPConnection(address.hostname or "", address.port, timeout=120)
        is_text = headers.get("content-type", "").startswith("application/json")
        body = self.asked(content.decode()).encode() if is_text else content
        try:
            client.request(method, self.prefix + self.asked(target), body, dict(headers))
            reply = client.getresponse()
            kept = [(k, v) for k, v in reply.getheaders() if k.lower() not in _OWN]
            received = reply.read()
        finally:
            client.close()
        if reply.getheader("content-type", "").startswith("application/json"):
            received = self.answered(received.decode()).encode()
        return reply.status, kept, received


@contextmanager
def tapped(wire: Wire) -> Iterator[Wire]:
    """The wire, with a server at its `url`."""

    class Tap(Handler):
        protocol_version = "HTTP/1.1"

        def _pass(self) -> None:
            content = self.content()
            headers = {k.lower(): v for k, v in self.headers.items() if k.lower() not in _OWN}
            try:
                status, kept, body = wire.answer(self.command, self.path, headers, content)
            except (OSError, http.client.HTTPException):
                self.close_connection = True  # as the server behind did
                return
            self.send_response_only(status)  # the date is the service's, not ours
            self.finish_answer(body, kept)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _pass

    with serving(Server(Tap)) as server:
        wire.url = server.url
        yield wire

"""Replies of a model that do not end, are enormous or can not be read: one attempt ends with an error."""

from __future__ import annotations

import gzip
import itertools
from collections.abc import Iterable, Iterator
from contextlib import suppress

import pytest

from ftops.core.errors import Temporary
from ftops.evaluation.answers import Question
from ftops.providers.dataplane import completions
from ftops.providers.openai.endpoint import Endpoint
from tests.support.http_server import JSON, Handler, Server, serving

ASKED = Question(({"role": "user", "content": "Hello"},))
BLANKS = b" " * (1 << 20)
GZIP = (("Content-Encoding", "gzip"),)


class _Handler(Handler):
    server: _Server

    def do_POST(self) -> None:
        """Each piece as a chunk, until the client has had enough."""
        self.content()
        self.send_response(200)
        for name, value in (JSON, *self.server.headers, ("Transfer-Encoding", "chunked")):
            self.send_header(name, value)
        self.end_headers()
        with suppress(ConnectionError):
            for piece in self.server.pieces:
                self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))
            self.wfile.write(b"0\r\n\r\n")


class _Server(Server):
    pieces: Iterable[bytes] = ()
    headers: Iterable[tuple[str, str]] = ()


@pytest.fixture
def server() -> Iterator[_Server]:
    with serving(_Server(_Handler)) as server:
        yield server


def ask(server: _Server) -> str:
    endpoint = Endpoint(f"{server.url}/v1", "key")
    try:
        with pytest.raises(Temporary) as caught:
            endpoint.ask("m", ASKED)
        return caught.value.summary
    finally:
        endpoint.close()


def test_a_reply_that_goes_on_is_not_read_to_the_end(server: _Server) -> None:
    server.pieces = itertools.repeat(BLANKS)
    assert ask(server) == "ask deployment m: the reply doesn't end"


def test_nor_is_one_that_only_unpacked_is_enormous(server: _Server) -> None:
    server.headers, server.pieces = GZIP, [gzip.compress(BLANKS * 40)]
    assert ask(server) == "ask deployment m: the reply doesn't end"


def test_nor_is_one_that_comes_in_drops(server: _Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(completions, "_MOST_SECONDS", 0.05)
    server.pieces = itertools.repeat(b" ")
    assert ask(server) == "ask deployment m: the reply doesn't end"


@pytest.mark.parametrize("content", [b"[" * 500_000, b"null", b"\xff", b'data: {"choices": []}\n\n'])
def test_a_reply_that_is_no_object_is_not_usable(server: _Server, content: bytes) -> None:
    server.pieces = [content]
    assert ask(server) == "ask deployment m: no usable reply"

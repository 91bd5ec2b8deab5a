"""Replies that don't end, are enormous or can't be read: one attempt ends with an error."""

from __future__ import annotations

import gzip
import itertools
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from ftops.core import limited_replies
from ftops.core.address import Value
from ftops.core.errors import FtopsError, Temporary
from ftops.evaluation.answers import Question
from ftops.providers import training_results
from ftops.providers.azure.provider import AzureProvider
from ftops.providers.emulator.provider import _message, _names
from ftops.providers.openai.endpoint import Endpoint
from tests.contract.azure_cloud import job
from tests.support.http_server import JSON, Handler, Server, serving
from tests.support.records import JOB, record

ASKED = Question(({"role": "user", "content": "Hello"},))
BLANKS = b" " * (1 << 16)
GZIP = (("Content-Encoding", "gzip"),)


class _Handler(Handler):
    server: _Server

    def do_GET(self) -> None:
        self.do_POST()

    def do_POST(self) -> None:
        """Each piece as a chunk, until the client has had enough."""
        self.content()
        self.send_response(self.server.status)
        for name, value in (JSON, *self.server.headers, ("Transfer-Encoding", "chunked")):
            self.send_header(name, value)
        self.end_headers()
        with suppress(ConnectionError):
            for piece in self.server.pieces:
                self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))
            self.wfile.write(b"0\r\n\r\n")


class _Server(Server):
    status = 200
    pieces: Iterable[bytes] = ()
    headers: Iterable[tuple[str, str]] = ()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[_Server]:
    monkeypatch.setattr(limited_replies, "MOST_BYTES", 20 * len(BLANKS))
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
    monkeypatch.setattr(limited_replies, "MOST_SECONDS", 0.05)
    server.pieces = itertools.repeat(b" ")
    assert ask(server) == "ask deployment m: the reply doesn't end"


@pytest.mark.parametrize("content", [b"[" * 500_000, b"null", b"\xff", b'data: {"choices": []}\n\n'])
def test_a_reply_that_is_no_object_is_not_usable(server: _Server, content: bytes) -> None:
    server.pieces = [content]
    assert ask(server) == "ask deployment m: no usable reply"


@pytest.fixture
def azure(server: _Server) -> Iterator[AzureProvider]:
    control = {"endpoint": server.url, "token": "key"}
    place = {"subscription_id": "s", "resource_group": "g", "account": "a"}
    settings: dict[str, Value] = {"endpoint": server.url, "api_key": "key", "control_plane": control, **place}
    provider = AzureProvider(settings, name="azure")
    yield provider
    provider.close()


@pytest.mark.parametrize("headers", [(), GZIP], ids=["plain", "packed"])
@pytest.mark.parametrize("status", [200, 400, 503])
@pytest.mark.parametrize("kind", ["dataset", "job", "deployment"])
def test_no_list_is_longer_than_its_limit(
    azure: AzureProvider, server: _Server, kind: str, status: int, headers: tuple[tuple[str, str], ...]
) -> None:
    server.status, server.headers = status, headers
    server.pieces = [gzip.compress(BLANKS * 40)] if headers else itertools.repeat(BLANKS)
    with pytest.raises(Temporary, match="the reply doesn't end"):
        azure.existing(kind)


def test_a_job_that_was_created_with_an_endless_reply_may_exist(
    azure: AzureProvider, server: _Server, tmp_path: Path
) -> None:
    server.pieces = itertools.repeat(BLANKS)
    with pytest.raises(Temporary, match="the reply doesn't end") as caught:
        azure.create(job(tmp_path, "file-1"))
    assert caught.value.effect_unknown


def test_content_of_files_has_no_limit(azure: AzureProvider, server: _Server) -> None:
    server.pieces = [BLANKS] * 40
    sizes: list[int] = []
    assert azure.content("file-1", lambda piece: sizes.append(len(piece)))
    assert sum(sizes) == 40 * len(BLANKS)


def test_a_result_file_has_a_limit(
    azure: AzureProvider, server: _Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training_results, "MOST_BYTES", 20 * len(BLANKS))
    server.pieces = itertools.repeat(BLANKS)
    done = record(JOB, outputs={"result_files": ["file-1"]})
    with pytest.raises(FtopsError, match="can't be read"):
        training_results.results_of(azure, done)


def test_an_emulator_that_is_none(server: _Server) -> None:
    server.pieces = [b"[" * 500_000]
    assert _names({"url": server.url, "api_key": "key"}) == {}
    assert _message("[" * 500_000) == "[" * 800

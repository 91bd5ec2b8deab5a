"""The emulator: what a client may send it, and what it takes from the folder that it is given."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import urlsplit

import pytest

from ftops.core.project import made_here
from tests.emulator.server import Emulator
from tests.support.command import FTOPS, run
from tests.support.embedded import Folder

DEEP = b"[" * 100_000
LONG = b"9" * 5000
FAILED = 3
"""Of an apply that could not do all."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    emulator = Emulator(tmp_path_factory.mktemp("hostile") / "data", "--idle", "1")
    yield emulator
    emulator.stop()


def connect(server: Emulator) -> socket.socket:
    place = urlsplit(server.url)
    return socket.create_connection((place.hostname or "", place.port or 0), timeout=120)


def until_closed(connection: socket.socket) -> bytes:
    said = bytearray()
    with suppress(ConnectionResetError):  # what was sent and not read
        while piece := connection.recv(65536):
            said += piece
    return bytes(said)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/openai/fine_tuning/jobs?api-version=2024-10-21"),
        ("POST", "/openai/v1/fine_tuning/jobs"),
        ("POST", "/openai/uploads?api-version=2024-10-21"),
        ("PATCH", "/_emulator/settings"),
    ],
)
@pytest.mark.parametrize("body", [DEEP, b'{"a":' * 100_000, b'{"seed": ' + LONG + b"}", b"\xff", b"{"])
def test_a_body_that_cannot_be_read_is_the_clients_mistake(
    server: Emulator, method: str, path: str, body: bytes
) -> None:
    status, _, answer = server._call(method, path, body, {"content-type": "application/json"})
    assert status == 400, answer


@pytest.mark.parametrize("depth", [200, 700, 990])
def test_values_that_can_just_be_read_break_nothing(server: Emulator, depth: int) -> None:
    body = (
        b'{"model": "m", "training_file": "f", "metadata": ' + b'{"a":' * depth + b"1" + b"}" * depth + b"}"
    )
    status, _, answer = server._call("POST", "/openai/v1/fine_tuning/jobs", body, {})
    assert 400 <= status < 500, answer


@pytest.mark.parametrize("line", [DEEP, b'{"messages": ' + DEEP, b'{"n": ' + LONG + b"}"])
def test_data_that_cannot_be_read_is_the_files_mistake(server: Emulator, line: bytes) -> None:
    server.settings(jsonl_checked="file", file_processing_seconds=0.0)
    mark = "mark"
    head = 'Content-Disposition: form-data; name="purpose"\r\n\r\nfine-tune'
    file = 'Content-Disposition: form-data; name="file"; filename="a.jsonl"\r\n\r\n'
    body = f"--{mark}\r\n{head}\r\n--{mark}\r\n{file}".encode() + line + f"\r\n--{mark}--\r\n".encode()
    kind = f"multipart/form-data; boundary={mark}"
    status, _, answer = server.call_raw("POST", "/openai/v1/files", body, kind)
    assert (status, answer["status"]) == (200, "error"), answer
    status, _, answer = server.call_raw("POST", "/openai/v1/files", b"--other\r\n\r\nx", kind)
    assert status == 400, answer


@pytest.mark.parametrize("query", ["limit=" + "9" * 5000, "limit=99999", "limit=-1", "after=%00"])
def test_a_page_of_nonsense_is_refused(server: Emulator, query: str) -> None:
    status, _, answer = server.call("GET", f"/openai/v1/files?{query}")
    assert status == 400, answer


@pytest.mark.parametrize(
    ("body", "expected"),
    [(b"a=" + b"x" * 1_000_000, 413), (b"a=b&" * 1000, 400), (b"client_id=\xff", 400), (b"", 401)],
)
def test_the_token_endpoint_reads_a_form_and_no_more(server: Emulator, body: bytes, expected: int) -> None:
    status, _, answer = server.call_raw(
        "POST", "/t/oauth2/v2.0/token", body, "application/x-www-form-urlencoded"
    )
    assert status == expected, answer


def test_a_body_without_an_end_is_cut_off(server: Emulator) -> None:
    with connect(server) as connection:
        head = "POST /t/oauth2/v2.0/token HTTP/1.1\r\nhost: x\r\ncontent-length: 1000000000\r\n\r\n"
        connection.sendall(head.encode() + b"a" * 200_000)
        assert until_closed(connection)[:13] in (b"", b"HTTP/1.1 413 ")


@pytest.mark.parametrize("head", [b"GET /" + b"a" * 300_000, b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 50_000])
def test_headers_without_an_end_are_cut_off(server: Emulator, head: bytes) -> None:
    with connect(server) as connection:
        try:
            connection.sendall(head)
            said = until_closed(connection)
        except (BrokenPipeError, ConnectionResetError):
            return  # closed while more was being sent
        assert said.startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize(
    ("sent", "told"),
    [
        (b"", b""),
        (b"GET / HTTP/1.1\r\nhost:", b""),
        (b"GET /_emulator/health HTTP/1.1\r\nhost: x\r\n\r\n", b"HTTP/1.1 200 "),
        (b"POST /t/oauth2/v2.0/token HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\na=", b"HTTP/1.1 408 "),
    ],
    ids=["nothing", "half a head", "no second request", "half a body"],
)
def test_a_connection_that_says_no_more_is_closed(server: Emulator, sent: bytes, told: bytes) -> None:
    with connect(server) as connection:
        connection.sendall(sent)
        said = until_closed(connection)
    assert said[: len(told)] == told
    assert bool(said) == bool(told)


def test_everything_in_the_folder_is_its_owners_alone(tmp_path: Path) -> None:
    folder = tmp_path / "open" / "data"
    folder.mkdir(parents=True)
    folder.chmod(0o755)
    before = os.umask(0)
    try:
        emulator = Emulator(folder)
    finally:
        os.umask(before)
    emulator.settings(list_lag_seconds=0.0)
    emulator.stop()
    found = [folder, *folder.rglob("*")]
    assert [str(path) for path in found if path.stat().st_mode & 0o077] == []


# a folder that came with a checkout


class _Evil(BaseHTTPRequestHandler):
    """Says yes to everything, and notes who asked."""

    asked: ClassVar[list[str]]

    def do_GET(self) -> None:
        self.asked.append(f"{self.path} {self.headers.get('api-key')}")
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"{}")

    do_POST = do_PUT = do_PATCH = do_GET

    def log_message(self, *_: Any) -> None:
        """Nowhere."""


@pytest.fixture
def evil() -> Iterator[tuple[str, list[str]]]:
    class OfThisTest(_Evil):
        asked: ClassVar[list[str]] = []

    with ThreadingHTTPServer(("127.0.0.1", 0), OfThisTest) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}", OfThisTest.asked
        server.shutdown()


def applied(folder: Folder, command: str = "apply") -> subprocess.CompletedProcess[str]:
    return run(folder.command(command, "--auto-approve"), folder.path)


@pytest.mark.parametrize("mark", [None, "1", "{inode}", "{inode} 1764390000000000000", "{inode} {inode}"])
def test_a_planted_server_is_neither_asked_nor_ended(
    tmp_path: Path, evil: tuple[str, list[str]], mark: str | None
) -> None:
    url, asked = evil
    folder = Folder.make(tmp_path)
    cloud = folder.path / "cloud"
    cloud.mkdir()
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as bystander:
        place = {"url": url, "pid": bystander.pid, "api_key": "k", "account": "emulator"}
        (cloud / "server.json").write_text(json.dumps(place), encoding="utf-8")
        if mark is not None:
            (cloud / "made-at").touch()
            text = mark.format(inode=cloud.stat().st_ino)
            (cloud / "made-here").write_text(text, encoding="utf-8")
        done = applied(folder)
        assert bystander.poll() is None
        bystander.communicate(b"\n")
    assert asked == []
    assert done.returncode == FAILED
    assert "was not created here" in " ".join(done.stderr.split())
    assert "--trust" in done.stderr


def test_objects_that_were_planted_are_not_gone_on_with(tmp_path: Path, evil: tuple[str, list[str]]) -> None:
    url, asked = evil
    folder = Folder.make(tmp_path)
    (folder.path / "cloud" / "files").mkdir(parents=True)
    planted = {
        "id": "../../victim", "filename": "a", "purpose": "fine-tune", "bytes": 1, "created": 1.0,
        "ready": 1e15, "source": f"{url}/metadata",
    }  # fmt: skip
    (folder.path / "cloud" / "files" / "a.json").write_text(json.dumps(planted), encoding="utf-8")
    done = applied(folder)
    assert (done.returncode, asked) == (FAILED, [])


def test_a_copy_of_ones_own_is_gone_on_with_when_it_is_said_so(tmp_path: Path) -> None:
    emulator = Emulator(tmp_path / "data")
    emulator.stop()
    copy = tmp_path / "copy"
    shutil.copytree(tmp_path / "data", copy)
    refused = Emulator(copy)
    assert "was not created here" in refused.place["error"]
    assert refused.process.wait(300) == 1
    refused.stop()
    trusted = Emulator(copy, "--trust")
    assert trusted.key == emulator.key
    trusted.stop()
    again = Emulator(copy)
    assert again.key == emulator.key
    again.stop()


@pytest.mark.parametrize("spoil", ["restored", "old"])
def test_a_mark_of_the_right_folder_and_another_moment_is_none(tmp_path: Path, spoil: str) -> None:
    emulator = Emulator(tmp_path / "data")
    emulator.stop()
    moment, mark = (tmp_path / "data" / name for name in ("made-at", "made-here"))
    if spoil == "old":
        moment.unlink()
        mark.write_text(str((tmp_path / "data").stat().st_ino), encoding="ascii")
    else:
        os.utime(moment, ns=(1, 1))  # restores a time, which makes a new moment of change
    refused = Emulator(tmp_path / "data")
    refused.stop()
    assert "created by an older version" in refused.place["error"]
    assert "--trust" in refused.place["error"]
    trusted = Emulator(tmp_path / "data", "--trust")
    trusted.stop()
    again = Emulator(tmp_path / "data")
    assert again.key == emulator.key
    again.stop()


def test_ftops_attaches_to_a_server_that_marked_its_folder(tmp_path: Path) -> None:
    emulator = Emulator(tmp_path / "data")
    assert made_here(tmp_path / "data")
    emulator.stop()
    shutil.copytree(tmp_path / "data", tmp_path / "copy")
    assert not made_here(tmp_path / "copy")


def test_settings_may_lie_in_a_folder_before_its_first_server(tmp_path: Path) -> None:
    (tmp_path / "settings.json").write_text('{"strict": true}', encoding="utf-8")
    emulator = Emulator(tmp_path)
    assert emulator.admin("GET", "settings")["strict"] is True
    emulator.stop()


@pytest.mark.parametrize("name", ["made-here", "made-at", "settings.json", "port"])
@pytest.mark.parametrize("plant", [os.mkfifo, lambda path: path.symlink_to("/etc/hostname")])
def test_the_command_waits_for_no_pipe_and_follows_no_link(
    tmp_path: Path, name: str, plant: Callable[[Path], None]
) -> None:
    folder = tmp_path / "cloud"
    folder.mkdir()
    plant(folder / name)
    done = run([*FTOPS, "emulator", "--data", str(folder), "--trust"], tmp_path)
    assert done.returncode == 1
    assert "Remove it" in done.stderr

"""The quickstart's ask.py, run against a small server that speaks over real HTTP."""

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.support.http_server import Handler, Server, serving

QUICKSTART = Path(__file__).resolve().parents[2] / "specs" / "quickstart"
OBLIGING = "control_camera"


class Cloud(Handler):
    """Knows two deployments: `copilot` always lands, `base` always uses the camera."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = json.loads(self.content())
        deployment = self.path.split("/deployments/")[1].split("/")[0]
        if self.headers["api-key"] != "secret":
            self.answer_json(401, {"error": {"code": "401", "message": "Access denied."}})
        elif deployment == "page":
            self.answer(200, b"<html>hello</html>", ("Content-Type", "text/html"))
        elif deployment == "odd":
            self.answer_json(200, {"choices": [{}]})
        elif deployment not in ("copilot", "base"):
            self.answer_json(404, {"error": {"code": "DeploymentNotFound", "message": "No such."}})
        else:
            self.answer_json(200, completion(deployment, body))


def completion(deployment: str, body: Any) -> Any:
    assert body["tool_choice"] == "required"
    assert len(body["tools"]) == 16
    name = "land_drone" if deployment == "copilot" else OBLIGING
    arguments = json.dumps({"mode": "video", "duration": 30} if name == OBLIGING else {})
    call = {"id": "c1", "type": "function", "function": {"name": name, "arguments": arguments}}
    message = {"role": "assistant", "content": None, "tool_calls": [call]}
    choice = {"index": 0, "finish_reason": "tool_calls", "message": message}
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "gpt-4o-mini-2024-07-18",
        "choices": [choice],
    }


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    with serving(Server(Cloud)) as server:
        yield server.url


@dataclass(frozen=True)
class Result:
    code: object
    out: str
    err: str


Ask = Callable[..., Result]


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("quickstart_ask", QUICKSTART / "ask.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def ask(script: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Ask:
    for name in [name for name in os.environ if name.startswith(("AZURE_", "OPENAI_"))]:
        monkeypatch.delenv(name)

    def run(*arguments: str) -> Result:
        monkeypatch.setattr(sys, "argv", ["ask.py", *arguments])
        code: object
        try:
            code = script.main()
        except SystemExit as stop:
            code = stop.code
        captured = capsys.readouterr()
        return Result(code, captured.out, captured.err)

    return run


def test_table_is_aligned_and_plain(endpoint: str, ask: Ask) -> None:
    result = ask("--endpoint", endpoint, "--api-key", "secret", "Land, please", "Land")
    assert (result.code, result.err) == (0, "")
    assert result.out.splitlines() == [
        "prompt        copilot       base",
        "Land, please  land_drone()  control_camera(mode=video, duration=30)",
        "Land          land_drone()  control_camera(mode=video, duration=30)",
    ]


def test_one_deployment(endpoint: str, ask: Ask) -> None:
    result = ask("--endpoint", endpoint, "--api-key", "secret", "--deployment", "base", "Hello")
    assert result.out.splitlines()[0] == "prompt  base"


def test_a_terminal_gets_what_fits_in_it_and_colors_unless_refused(
    endpoint: str, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", "60")
    options = ("--endpoint", endpoint, "--api-key", "secret")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert "\x1b[1m" in ask(*options, "Land").out
    monkeypatch.setenv("NO_COLOR", "1")
    lines = ask(*options, "Land on the roof of the house behind the river").out.splitlines()
    assert max(map(len, lines)) <= 60
    assert not any("\x1b" in line for line in lines)


def test_a_reader_that_leaves_early_is_no_error(endpoint: str) -> None:
    command = [sys.executable, str(QUICKSTART / "ask.py"), "--endpoint", endpoint]
    reader, writer = os.pipe()
    os.close(reader)
    result = subprocess.run(
        [*command, "--api-key", "secret", "Land"],
        stdout=writer,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    os.close(writer)
    assert (result.returncode, result.stderr) == (0, "")


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--api-key", "wrong", "Land"], 1, "refused the key"),
        (["--deployment", "gone", "Land"], 1, "no deployment gone"),
        (["--deployment", "page", "Land"], 1, "is not Azure OpenAI"),
        (["--deployment", "odd", "Land"], 1, "is not Azure OpenAI"),
        (["--endpoint", "ftp://x", "Land"], 2, "must be an http or https address"),
        (["--endpoint", "http://127.0.0.1:1", "Land"], 1, "cannot reach 127.0.0.1:1"),
        (["--endpoint", "http://[", "Land"], 2, "must be an http or https address"),
        (["--endpoint", "http://127.0.0.1:port", "Land"], 2, "must be an http or https address"),
        (["--endpoint", "", "Land"], 2, "no endpoint"),
        (["--api-key", "", "Land"], 2, "no key"),
        (["--api-key", "schlüssel", "Land"], 2, "the key"),
        ([], 2, "arguments are required: prompt"),
    ],
)
def test_what_goes_wrong_is_one_clear_line(
    endpoint: str, ask: Ask, arguments: list[str], code: int, message: str
) -> None:
    result = ask("--endpoint", endpoint, "--api-key", "secret", *arguments)
    assert result.code == code
    last = result.err.splitlines()[-1]
    assert last.startswith("ask.py: ")
    assert message in last
    assert code == 2 or len(result.err.splitlines()) == 1
    assert result.out == ""

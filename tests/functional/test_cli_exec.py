"""`ftops exec`: what is its own, and what is the program's."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.golden.cli import AZURE, Folder
from tests.support import forked
from tests.support.command import FTOPS, environment
from tests.support.command import run as run_command

SPEC = """\
providers:
  platform: {type: openai, api_key: the-key, base_url: "http://127.0.0.1:1/v1"}
datasets:
  train: {path: train.jsonl}
"""
SHOW = "import json, os, sys; print(json.dumps([sys.argv[1:], os.environ['OPENAI_API_KEY']]))"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "ftops.yaml").write_text(SPEC, encoding="utf-8")
    return tmp_path


def run(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return run_command([*FTOPS, "exec", *words], folder)


@pytest.mark.parametrize("spec", [[], ["."], ["ftops.yaml", "--provider", "platform"]])
def test_all_after_the_dashes_is_the_program_and_its_arguments(folder: Path, spec: list[str]) -> None:
    done = run(folder, *spec, "--", sys.executable, "-c", SHOW, "--env", "x", "--", "y")
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout) == [["--env", "x", "--", "y"], "the-key"]


def test_a_python_file_is_run_by_the_python_of_ftops_unless_it_is_a_program(folder: Path) -> None:
    script = folder / "ask.py"
    script.write_text(SHOW, encoding="utf-8")
    done = run(folder, "--", "ask.py", "x")
    assert (done.stdout, done.stderr) == ('[["x"], "the-key"]\n', "")
    script.write_text("#!/bin/sh\necho by itself $1\n", encoding="utf-8")
    script.chmod(0o755)
    assert run(folder, "--", "./ask.py", "x").stdout == "by itself x\n"


def test_clients_of_the_platform_find_a_provider_with_a_key(tmp_path: Path) -> None:
    """Without a key, a key for another service must not be sent to the account."""
    ask = "import openai; print([one.id for one in openai.OpenAI().files.list()])"
    Folder(tmp_path).write("ftops.yaml", "datasets: {train: {path: train.jsonl}}")
    done = run(tmp_path, "--", sys.executable, "-c", ask)
    assert (done.returncode, done.stdout, done.stderr) == (0, "[]\n", "")
    show = "import json, os; print(json.dumps({k: v for k, v in os.environ.items() if 'OPENAI' in k}))"
    account = AZURE + "datasets: {train: {path: train.jsonl}}\n"
    Folder(tmp_path).write("ftops.yaml", account)
    v1 = "https://example.openai.azure.com/openai/v1"
    found = json.loads(run(tmp_path, "--", sys.executable, "-c", show).stdout)
    assert (found["OPENAI_BASE_URL"], found["OPENAI_API_KEY"]) == (v1, "placeholder")
    Folder(tmp_path).edit("    api_key: placeholder\n", "")
    found = json.loads(run(tmp_path, "--", sys.executable, "-c", show).stdout)
    assert found["AZURE_OPENAI_ENDPOINT"] == "https://example.openai.azure.com"
    assert not found.keys() & {"OPENAI_BASE_URL", "OPENAI_API_KEY", "AZURE_OPENAI_API_KEY"}


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("import sys; sys.exit(7)", 7),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", 128 + signal.SIGKILL),
        ("import os, signal; os.kill(os.getpid(), signal.SIGTERM)", 128 + signal.SIGTERM),
    ],
)
def test_the_exit_code_is_that_of_the_program(folder: Path, code: str, expected: int) -> None:
    assert run(folder, "--", sys.executable, "-c", code).returncode == expected


def test_a_program_ends_by_its_own_rules(folder: Path) -> None:
    code = (
        "import signal, sys; signal.signal(signal.SIGTERM, lambda *_: sys.exit(9)); "
        "print('ready', flush=True); signal.pause()"
    )
    with forked.Popen(
        [sys.executable, "-m", "ftops", "exec", "--", sys.executable, "-c", code],
        cwd=folder,
        env=environment(),
        stdout=subprocess.PIPE,
        text=True,
    ) as running:
        assert running.stdout is not None
        assert running.stdout.readline() == "ready\n"
        os.kill(running.pid, signal.SIGINT)  # only to ftops: from a terminal both would get it
        os.kill(running.pid, signal.SIGTERM)
        assert running.wait(300) == 9


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["python3", "x.py"], "`--` before the command is missing"),
        (["."], "`--` before the command is missing"),
        ([".", "--"], "the command after `--` is missing"),
        (["--", "no-such-program"], "can't run `no-such-program`"),
        (["--", "no-such.py"], "Check the path of the file"),
    ],
)
def test_what_can_not_be_run_says_how_to(folder: Path, words: list[str], said: str) -> None:
    done = run(folder, *words)
    assert done.returncode == 1
    assert said in done.stderr
    assert "ftops exec -- ask.py" in done.stderr or "hint: Check " in done.stderr


def test_help_shows_where_the_program_stands(folder: Path) -> None:
    assert "[SPEC] -- COMMAND [ARGS]..." in run(folder, "--help").stdout

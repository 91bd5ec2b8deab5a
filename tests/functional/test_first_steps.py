"""What somebody stumbles over who uses ftops for the first time, as Terraform has taught them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from ftops.engine import Session
from ftops.loader import load
from tests.golden.cli import SPEC, Folder

REQUIRED = SPEC.replace("capacity: {type: integer, default: 20}", "capacity: {type: integer}")
SHOW = "import os, sys; print(sys.argv[1:], *(os.environ.get(n) for n in %r))"


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder.make(tmp_path)


# what is recorded needs no variables


@pytest.fixture
def unreadable(tmp_path: Path) -> Folder:
    """Applied; now a variable has no value, and a reference leads nowhere."""
    folder = Folder.make(tmp_path, REQUIRED)
    folder.ok("apply", "-y", "--var", "capacity=20")
    folder.edit("    training: train\n", "    training: trian\n")
    return folder


LOOKS = (
    ("state", "list"),
    ("state", "show", "job.copilot"),
    ("state", "history"),
    ("state", "pull"),
    ("show",),
    ("audit",),
    ("output",),
    ("output", "--raw", "model"),
    ("state", "rm", "deployment.base"),
)


@pytest.mark.parametrize("argv", LOOKS, ids=" ".join)
def test_the_record_can_be_read_where_the_spec_cannot(unreadable: Folder, argv: tuple[str, ...]) -> None:
    assert unreadable.run("plan").code == 1
    assert unreadable.ok(*argv)


def test_an_output_that_is_nowhere_says_what_is_wrong_with_the_spec(unreadable: Folder) -> None:
    done = unreadable.run("output", "nothing")
    assert (done.code, done.out) == (1, "")
    assert "variable `capacity` has no value" in done.err


def test_the_environment_has_to_be_declared_all_the_same(unreadable: Folder) -> None:
    assert "there is no environment `prd`" in unreadable.run("state", "list", "--env", "prd").err


# exec


def exec_(folder: Folder, *argv: str) -> str:
    return folder.process("exec", *argv).out.strip()


def test_exec_takes_the_spec_of_this_folder(tmp_path: Path) -> None:
    folder = Folder.make(tmp_path, "datasets: {train: {path: data/train.jsonl}}\n")
    code = SHOW % (("OPENAI_API_VERSION",),)
    python = (sys.executable, "-c", code)
    assert exec_(folder, "--", *python, "-o", "--", "x") == "['-o', '--', 'x'] 2024-10-21"
    assert exec_(folder, ".", "--", *python, "x") == "['x'] 2024-10-21"


EXEC: Mapping[str, tuple[tuple[str, ...], str]] = {
    "no command": (("exec",), "`--` before the command is missing"),
    "nothing after the dashes": (("exec", ".", "--"), "the command after `--` is missing"),
    "no such command": (("exec", "--", "no-such-command"), "can't run `no-such-command`: No such file or"),
}


@pytest.mark.parametrize("name", EXEC)
def test_exec_says_what_is_missing(tmp_path: Path, name: str) -> None:
    folder = Folder.make(tmp_path, "datasets: {train: {path: data/train.jsonl}}\n")
    argv, said = EXEC[name]
    done = folder.run(*argv)
    assert (done.code, done.out) == (1, "")
    assert said in done.err


# interrupts


def test_an_interrupt_while_ftops_starts_is_no_traceback(folder: Folder) -> None:
    code = "import ftops.__main__ as m\ndef stop(a): raise KeyboardInterrupt\nm._run = stop\nm.main()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


def test_an_interrupt_waits_for_no_call_that_hangs(folder: Folder) -> None:
    config = load(folder.path, environ={})
    with pytest.raises(KeyboardInterrupt), Session.open(config) as session:
        session.providers.close = None  # type: ignore[assignment, method-assign]
        os.kill(os.getpid(), signal.SIGINT)
        signal.pause()

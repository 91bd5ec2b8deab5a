"""What goes to a terminal: no character that it would obey, or that hides what stands beside it."""

from __future__ import annotations

import json
import os
import pty
import subprocess
from pathlib import Path

import pytest

from tests.support import forked
from tests.support.command import environment
from tests.support.embedded import Folder

ESCAPES = {
    "CSI of C1": "\x9b",
    "OSC of C1": "\x9d",
    "DEL": "\x7f",
    "override": "\u202e",
    "isolate": "\u2066",
    "mark": "\u061c",
    "zero width": "\u200b",
    "ESC": "\x1b",
    "BEL": "\x07",
}
EVIL = "a" + "".join(ESCAPES.values()) + "31mz"
SPEC = f"""\
providers:
  here: {{type: emulator}}
datasets:
  train: {{path: train.jsonl}}
outputs:
  out: {{value: {json.dumps(EVIL)}, description: {json.dumps(EVIL)}}}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    made = Folder.make(tmp_path, SPEC)
    line = {"messages": [{"role": "user", "content": EVIL}, {"role": "assistant", "content": EVIL}]}
    with (made.path / "train.jsonl").open("a", encoding="utf-8") as file:
        file.write(json.dumps(line, ensure_ascii=False) + "\n")
    (made.path / f"{EVIL}.jsonl").write_text("{}\n", encoding="utf-8")
    return made


def shown(folder: Folder, *arguments: str) -> str:
    """What a terminal gets of both streams, colours and all."""
    control, terminal = pty.openpty()
    env = {k: v for k, v in environment().items() if k != "NO_COLOR"} | {
        "TERM": "xterm",
        "FORCE_COLOR": "1",
    }
    with forked.Popen(
        folder.command(*arguments), cwd=folder.path, env=env, stdout=terminal, stderr=terminal,
        stdin=subprocess.DEVNULL,
    ):  # fmt: skip
        os.close(terminal)
        said = bytearray()
        try:
            while piece := os.read(control, 65536):
                said += piece
        except OSError:
            pass  # Linux says so at the end
        os.close(control)
    return said.decode()


COMMANDS = (
    ("plan", "--offline"),
    ("plan", "--offline", "-o", "json"),
    ("validate", "-o", "json"),
    ("data", "show", "train.jsonl", "13"),
    ("data", "show", "train.jsonl", "13", "-o", "json"),
    ("data", "check", f"{EVIL}.jsonl"),
    ("data", "check", f"{EVIL}.jsonl", "-o", "json"),
    ("data", "slim", "train.jsonl", f"new{EVIL}.jsonl"),
    ("data", "slim", "train.jsonl", f"new{EVIL}.jsonl", "-o", "json"),
    ("fmt", EVIL),
    (EVIL,),
    ("graph", EVIL),
)


@pytest.mark.parametrize("command", COMMANDS, ids=lambda c: " ".join(c).replace(EVIL, "…"))
def test_a_terminal_is_told_nothing_that_it_would_obey(folder: Folder, command: tuple[str, ...]) -> None:
    said = shown(folder, *command)
    assert said
    for name, character in ESCAPES.items():
        if character != "\x1b":
            assert character not in said, name
    assert "\x1b31m" not in said, "only colours of ftops' own"


def test_json_on_a_terminal_says_the_same(folder: Folder) -> None:
    on_terminal = shown(folder, "plan", "--offline", "-o", "json")
    document, _ = json.JSONDecoder().raw_decode(on_terminal[on_terminal.index("{") :])
    piped = folder.run("plan", "--offline", "-o", "json")
    assert document == json.loads(piped)
    assert EVIL.encode()[:1] in piped.encode() and "\u202e" in piped, "a program gets the text as it is"


def test_what_is_for_programs_is_as_it_is_only_for_programs(folder: Folder) -> None:
    folder.run("apply", "--auto-approve")
    assert folder.run("output", "out", "--raw") == EVIL + "\n"
    said = shown(folder, "output", "out", "--raw")
    assert not set(ESCAPES.values()) & set(said), said


def test_the_holder_of_a_lock_is_told_in_plain_letters(folder: Folder) -> None:
    folder.run("apply", "--auto-approve")
    lock = folder.path / "state" / "small" / "default.lock"
    note = {
        "id": "1", "operation": EVIL, "who": EVIL, "pid": 1, "host": EVIL, "since": EVIL, "started": EVIL,
    }  # fmt: skip
    lock.write_text(json.dumps(note), encoding="utf-8")
    with subprocess.Popen(
        ["flock", str(lock), "cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdin is not None and holder.stdout is not None
        holder.stdin.write(b"held\n")
        holder.stdin.flush()
        holder.stdout.readline()
        said = shown(folder, "apply", "--auto-approve")
        holder.stdin.close()
    assert "the state is locked" in said
    for name, character in ESCAPES.items():
        if character != "\x1b":
            assert character not in said, name

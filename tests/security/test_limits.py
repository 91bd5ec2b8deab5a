"""Limits of what a spec, its variables and its data can make ftops do: each has an error with a place."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.support.command import run as run_command
from tests.support.embedded import Folder, example

LONG = "9" * 5000
HEX = "0x" + "f" * 3990
SPEC = """\
providers:
  here: {{type: emulator}}
variables:
  v: {{type: {type}, default: {default}{more}}}
datasets:
  train: {{path: train.jsonl}}
outputs:
  out: {{value: {value}}}
"""


def spec(type: str = "any", default: str = "null", more: str = "", value: str = '"${var.v}"') -> str:
    return SPEC.format(type=type, default=default, more=more, value=value)


def run(folder: Folder, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    done = run_command(folder.command(*arguments), folder.path, more)
    assert "Traceback" not in done.stderr and "FTOPS_DEBUG" not in done.stderr, done.stderr
    return done


def refused(folder: Folder, *arguments: str, **more: str) -> str:
    done = run(folder, *arguments, **more)
    assert done.returncode == 1, done.stdout + done.stderr
    return done.stderr


@pytest.mark.parametrize("number", [LONG, f"-{LONG}", HEX, f"0o{'7' * 5000}", f"{LONG}.5", f"1e{LONG}"])
@pytest.mark.parametrize("default", ["{}", "[{}]", "{{a: {}}}"])
def test_a_number_of_thousands_of_digits_in_a_spec(tmp_path: Path, number: str, default: str) -> None:
    folder = Folder.make(tmp_path, spec(default=default.format(number)))
    told = refused(folder, "validate")
    assert "the number is too long" in told and "ftops.yaml:4:" in told


@pytest.mark.parametrize("number", [LONG, HEX, f"1e{LONG}"])
@pytest.mark.parametrize("type", ["integer", "number", "list", "map"])
def test_a_number_of_thousands_of_digits_from_outside(tmp_path: Path, number: str, type: str) -> None:
    folder = Folder.make(tmp_path, spec(type))
    value = {"list": f"[{number}]", "map": f"{{a: {number}}}"}.get(type, number)
    assert "variable `v` must be" in refused(folder, "plan", "--var", f"v={value}")
    assert "variable `v` must be" in refused(folder, "plan", FTOPS_VAR_v=value)
    (tmp_path / "values.yaml").write_text(f"v: {value}\n", encoding="utf-8")
    told = refused(folder, "plan", "--var-file", str(tmp_path / "values.yaml"))
    assert "the number is too long" in told and "values.yaml:1:" in told


@pytest.mark.parametrize("number", [LONG, f"-{LONG}", f"{LONG}.5", f"1e{LONG}"])
def test_a_number_of_thousands_of_digits_in_data(tmp_path: Path, number: str) -> None:
    folder = Folder.make(tmp_path, spec())
    broken = json.loads(example(1)) | {"weight": 0}
    line = json.dumps(broken).replace('"weight": 0', f'"weight": {number}')
    with (folder.path / "train.jsonl").open("a", encoding="utf-8") as file:
        file.write(line + "\n")
    done = run(folder, "data", "check", "train.jsonl")
    assert done.returncode == 1
    assert "train.jsonl:13:" in done.stdout + done.stderr
    for command in (("data", "stats", "train.jsonl"), ("data", "diff", "train.jsonl", "train.jsonl")):
        run(folder, *command)


@pytest.mark.parametrize("pattern", ["(a+)+", "(a|a)*", "(.*)*", "([a-z]+)*[0-9]"])
def test_no_text_takes_a_pattern_long(tmp_path: Path, pattern: str) -> None:
    """By backtracking, each of these would take longer than the universe has."""
    folder = Folder.make(tmp_path, spec("string", "null", f', pattern: "{pattern}"'))
    told = refused(folder, "plan", "--var", f"v={'a' * 5000}!\n")
    assert "must match the pattern" in told


@pytest.mark.parametrize(
    ("pattern", "why"),
    [
        ("(?=a)b", "look-around, including look-ahead and look-behind, is not supported"),
        (r"(a)\\1", "backreferences are not supported"),
        ("a)|(b", "unopened group"),
        ("(((a{1000}){1000}){1000})", "exceeds size limit"),
    ],
)
def test_a_pattern_that_cannot_be_is_refused_where_it_stands(tmp_path: Path, pattern: str, why: str) -> None:
    folder = Folder.make(tmp_path, spec("string", "null", f', pattern: "{pattern}"'))
    told = " ".join(refused(folder, "validate").split())
    assert "`pattern` isn't a valid regular expression" in told and why in told and "ftops.yaml:4:" in told


def test_a_pattern_takes_the_whole_text_and_nothing_more(tmp_path: Path) -> None:
    folder = Folder.make(tmp_path, spec("string", "null", ', pattern: "ab|abc"'))
    assert run(folder, "validate", "--var", "v=abc").returncode == 0
    for value in ("abcd", "xab", "ab\n", ""):
        assert "must match" in refused(folder, "plan", "--var", f"v={value}")


def test_text_that_expressions_make_has_a_limit_and_one_finding(tmp_path: Path) -> None:
    long = "x" * 100_000
    many = "[" + ", ".join(['"- ${var.v}${var.v}"'] * 1000) + "]"
    folder = Folder.make(tmp_path, spec("string", long, value=many))
    told = refused(folder, "validate")
    assert told.count("expressions produce too much text") == 1
    assert "ftops.yaml:8:" in told


def test_text_within_the_limit_is_made(tmp_path: Path) -> None:
    many = "[" + ", ".join(['"- ${var.v}"'] * 100) + "]"
    folder = Folder.make(tmp_path, spec("string", "x" * 100_000, value=many))
    assert run(folder, "validate").returncode == 0


@pytest.mark.parametrize("depth", [8, 30])
def test_aliases_do_not_explode(tmp_path: Path, depth: int) -> None:
    lines = ["  a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"  a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, depth)]
    folder = Folder.make(tmp_path, "variables:\n" + "\n".join(lines) + "\n")
    assert "the aliases of this file expand to too many values" in refused(folder, "validate")
    (tmp_path / "values.yaml").write_text("\n".join(line[2:] for line in lines), encoding="utf-8")
    folder = Folder.make(tmp_path / "second", spec())
    told = refused(folder, "plan", "--var-file", str(tmp_path / "values.yaml"))
    assert "explode" in told
    inside = "[" + "&a [x, x], " + ", ".join(["*a"] * 600_000) + "]"
    (tmp_path / "values.yaml").write_text(f"v: {inside}", encoding="utf-8")
    assert "explode" in refused(folder, "plan", "--var-file", str(tmp_path / "values.yaml"))
